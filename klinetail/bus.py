"""EventBus: what the rest of a system subscribes to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar, get_args, overload

from klinetail.callbacks import check_callback
from klinetail.candle import Candle, Stream, streams_of
from klinetail.events import CandleEvent, Event, stream_of
from klinetail.mailbox import Mailbox, as_it_is
from klinetail.unheard import Unheard

_log = logging.getLogger(__name__)

_CLASSES: Final[tuple[type[Event], ...]] = get_args(Event)

Subscribed = TypeVar("Subscribed", bound=Event)
"""The one class of events that is subscribed to."""


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
    `Exception`, such as `SystemExit`, is raised again once they have it. Of a gap, of
    a symbol that is not traded any more or not yet, and of what keeps the exchange from
    being reached the logger `klinetail` has a warning if no subscriber hears of it.

    Example:
        >>> bus = EventBus()
        >>> collector = DataCollector(
        ...     ["btcusdt@1m"], on_candle_callback=bus.publish_candle,
        ...     on_event=bus.publish,
        ... )  # doctest: +SKIP
        >>> collector.ended.add_done_callback(
        ...     lambda ended: bus.close(ended.exception())
        ... )  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self.failures = 0
        """Times that a handler raised."""
        self._subscriptions: tuple[_Subscription, ...] = ()
        self._mailboxes: tuple[Mailbox[Any, Any], ...] = ()
        """Those that subscriptions fill, to be closed with the bus."""
        self._closed = False
        self._unheard = Unheard()
        self._lock = threading.Lock()

    def publish(self, event: Event) -> None:
        """Hand out one event; nothing happens once the bus is closed."""
        if self._closed:
            return
        leaving: BaseException | None = None
        heard = False
        for subscription in self._subscriptions:
            if not subscription.wants(event):
                continue
            heard = True
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
        self._unheard.see(event, heard=heard)
        if leaving is not None:
            raise leaving

    def close(self, error: BaseException | None = None) -> None:
        """Say that no event comes any more: each mailbox ends once what is queued was
        taken, and raises the error then, if one is given. Only the first call counts.
        """
        with self._lock:
            self._closed = True
            mailboxes, self._mailboxes = self._mailboxes, ()
            self._subscriptions = ()
        for mailbox in mailboxes:
            mailbox.close(error)

    def publish_candle(self, candle: Candle) -> None:
        """The bridge: what a collector calls for a candle, as a `CandleEvent`."""
        self.publish(CandleEvent(candle))

    @overload
    def subscribe(
        self,
        handler: Callable[[Subscribed], object],
        *,
        types: Iterable[type[Subscribed]],
        streams: Iterable[Stream | str] | None = None,
    ) -> Callable[[], None]: ...

    @overload
    def subscribe(
        self,
        handler: Callable[[Event], object],
        *,
        types: Iterable[type[Event]] | None = None,
        streams: Iterable[Stream | str] | None = None,
    ) -> Callable[[], None]: ...

    @overload
    def subscribe(
        self,
        handler: None = None,
        *,
        types: Iterable[type[Subscribed]],
        streams: Iterable[Stream | str] | None = None,
    ) -> Mailbox[Subscribed, Subscribed]: ...

    @overload
    def subscribe(
        self,
        handler: None = None,
        *,
        types: Iterable[type[Event]] | None = None,
        streams: Iterable[Stream | str] | None = None,
    ) -> Mailbox[Event, Event]: ...

    def subscribe(
        self,
        handler: Callable[[Any], object] | None = None,
        *,
        types: Iterable[type[Any]] | None = None,
        streams: Iterable[Stream | str] | None = None,
    ) -> Callable[[], None] | Mailbox[Any, Any]:
        """Have events handed over.

        Args:
            handler: called with each event. Without one, a `Mailbox` is returned to
                be read from any thread; it ends with its `close`, or with the bus's.
                Read so slowly that more than 65,536 events would wait in it, the
                mailbox hands over those and then raises `SlowConsumer`, which counts
                all that came since.
            types: only these classes of events; None for all.
            streams: only events of these streams, or of what has these names; None for
                all.

        Returns:
            A function that ends the subscription, or the mailbox.

        Raises:
            TypeError: the handler is no plain function, the types are no list of
                classes of events, or the streams no list of streams.
            UsageError: a stream that cannot be.
        """
        chosen = None if types is None else _classes(types)
        followed = None if streams is None else frozenset(streams_of(streams))
        if handler is not None:
            if isinstance(handler, type) and issubclass(handler, _CLASSES):
                raise TypeError(
                    f"write types=[{handler.__name__}] for only such events"
                )
            check_callback(handler, "a handler")
            return self._add(_Subscription(handler, chosen, followed))
        mailbox = Mailbox[Event, Event](as_it_is)

        def post(event: Event) -> None:
            mailbox.put((event,))
            if mailbox.closed:  # by its reader, or since it told of what is lost
                end()

        end = self._add(_Subscription(post, chosen, followed), mailbox)
        return mailbox

    def _add(
        self, subscription: _Subscription, mailbox: Mailbox[Any, Any] | None = None
    ) -> Callable[[], None]:
        def end() -> None:
            with self._lock:
                self._subscriptions = tuple(
                    other for other in self._subscriptions if other is not subscription
                )
                self._mailboxes = tuple(
                    other for other in self._mailboxes if other is not mailbox
                )

        with self._lock:
            if not self._closed:
                self._subscriptions = (*self._subscriptions, subscription)
                if mailbox is not None:
                    self._mailboxes = (*self._mailboxes, mailbox)
            elif mailbox is not None:
                mailbox.close()
        return end


def _classes(types: Iterable[type[Event]]) -> tuple[type[Event], ...]:
    """The classes of events that are meant.

    Raises:
        TypeError: they are no list of such.
    """
    listed = tuple(types) if isinstance(types, Iterable) else (types,)
    if isinstance(types, Iterable) and all(one in _CLASSES for one in listed):
        return listed
    names = ", ".join(one.__name__ for one in _CLASSES)
    raise TypeError(f"types has to be a list of classes of events ({names})")
