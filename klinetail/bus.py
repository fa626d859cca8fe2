"""EventBus: what the rest of a system subscribes to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple, overload

from klinetail.candle import Candle, Stream
from klinetail.events import CandleEvent, Event, stream_of
from klinetail.mailbox import Mailbox, as_it_is

_log = logging.getLogger(__name__)


class _Subscription(NamedTuple):
    handler: Callable[[Event], object]
    types: tuple[type[Event], ...] | None
    streams: frozenset[Stream] | None

    def wants(self, event: Event) -> bool:
        if self.types is not None and not isinstance(event, self.types):
            return False
        return self.streams is None or stream_of(event) in self.streams


class EventBus:
    """Hands each event to everybody who subscribed to its kind.

    Thread-safe. Handlers run on the publisher's thread, one after another; one that
    raises is logged once and counted, and the others still get the event. What is no
    `Exception`, such as `SystemExit`, is raised again once they have it.

    Example:
        >>> bus = EventBus()
        >>> collector = DataCollector(
        ...     ["btcusdt@1m"], on_candle_callback=bus.publish_candle,
        ...     on_event=bus.publish,
        ... )  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self.failures = 0
        """Times that a handler raised."""
        self._subscriptions: tuple[_Subscription, ...] = ()
        self._lock = threading.Lock()

    def publish(self, event: Event) -> None:
        """Hand out one event."""
        leaving: BaseException | None = None
        for subscription in self._subscriptions:
            if not subscription.wants(event):
                continue
            try:
                subscription.handler(event)
            except BaseException as error:  # noqa: BLE001 - it must not stop the others
                if not isinstance(error, Exception):
                    leaving = error
                with self._lock:
                    self.failures += 1
                    first = self.failures == 1
                if first:
                    _log.exception("a handler of the event bus raised")
        if leaving is not None:
            raise leaving

    def publish_candle(self, candle: Candle) -> None:
        """The bridge: what a collector calls for a candle, as a `CandleEvent`."""
        self.publish(CandleEvent(candle))

    @overload
    def subscribe(
        self,
        handler: Callable[[Event], object],
        *,
        types: Iterable[type[Event]] | None = None,
        streams: Iterable[Stream] | None = None,
    ) -> Callable[[], None]: ...

    @overload
    def subscribe(
        self,
        handler: None = None,
        *,
        types: Iterable[type[Event]] | None = None,
        streams: Iterable[Stream] | None = None,
    ) -> Mailbox[Event, Event]: ...

    def subscribe(
        self,
        handler: Callable[[Event], object] | None = None,
        *,
        types: Iterable[type[Event]] | None = None,
        streams: Iterable[Stream] | None = None,
    ) -> Callable[[], None] | Mailbox[Event, Event]:
        """Have events handed over.

        Args:
            handler: called with each event. Without one, a `Mailbox` is returned to
                be read from any thread; it ends with its `close`. Read so slowly that
                more than 65,536 events would wait in it, the mailbox hands over those
                and then raises `SlowConsumer`, which counts all that came since.
            types: only these classes of events; None for all.
            streams: only events of these streams; None for all.

        Returns:
            A function that ends the subscription, or the mailbox.
        """
        chosen = None if types is None else tuple(types)
        followed = None if streams is None else frozenset(streams)
        if handler is not None:
            return self._add(_Subscription(handler, chosen, followed))
        mailbox = Mailbox[Event, Event](as_it_is)

        def post(event: Event) -> None:
            mailbox.put((event,))
            if mailbox.closed:  # by its reader, or since it told of what is lost
                end()

        end = self._add(_Subscription(post, chosen, followed))
        return mailbox

    def _add(self, subscription: _Subscription) -> Callable[[], None]:
        def end() -> None:
            with self._lock:
                self._subscriptions = tuple(
                    other for other in self._subscriptions if other is not subscription
                )

        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return end
