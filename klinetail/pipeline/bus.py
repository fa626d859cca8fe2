"""The event bus, for subscribers in the rest of a system."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar, get_args, overload

from klinetail.callbacks import check_callback
from klinetail.candle import Candle, Stream, streams_of
from klinetail.events import CandleEvent, Event, stream_of
from klinetail.pipeline.fanout import Failures, FanOut
from klinetail.pipeline.mailbox import Mailbox, as_it_is
from klinetail.pipeline.unheard import Unheard

_CLASSES: Final[tuple[type[Event], ...]] = get_args(Event)

Subscribed = TypeVar("Subscribed", bound=Event)
"""The single class of events of a subscription."""


class _Subscription:
    """A subscriber's choice of events.

    Args:
        types: the classes of events; None for all.
        streams: the streams of the events; None for all.
    """

    def __init__(
        self,
        types: tuple[type[Event], ...] | None,
        streams: frozenset[Stream] | None,
    ) -> None:
        self._types = types
        self._streams = streams

    def _wants(self, event: Event) -> bool:
        if self._types is not None and not isinstance(event, self._types):
            return False
        return self._streams is None or stream_of(event) in self._streams

    def _events(self, candles: Sequence[Candle]) -> list[Event]:
        """Return the candles' events wanted by the subscriber."""
        if self._types is not None and CandleEvent not in self._types:
            return []
        streams = self._streams
        return [
            CandleEvent(candle)
            for candle in candles
            if streams is None or candle.stream in streams
        ]


class _Handling(_Subscription):
    """A subscriber with a handler, as a consumer of the bus's fan-out."""

    def __init__(
        self,
        handler: Callable[[Event], object],
        failures: Failures,
        types: tuple[type[Event], ...] | None,
        streams: frozenset[Stream] | None,
    ) -> None:
        super().__init__(types, streams)
        self._handler = handler
        self._failures = failures

    def put(self, candles: Sequence[Candle], patience: float) -> None:  # noqa: ARG002
        self._failures.call_each(self._handler, self._events(candles))

    def tell(self, event: Event, patience: float) -> bool:  # noqa: ARG002
        if wanted := self._wants(event):
            self._handler(event)
        return wanted

    def close(self, error: BaseException | None = None) -> None:
        pass  # a handler is called no more; nothing else is to do


class _Posting(_Subscription):
    """A subscriber with a mailbox, as a consumer of the bus's fan-out."""

    def __init__(
        self,
        mailbox: Mailbox[Event, Event],
        types: tuple[type[Event], ...] | None,
        streams: frozenset[Stream] | None,
    ) -> None:
        super().__init__(types, streams)
        self._mailbox = mailbox
        self.close = mailbox.close
        """Closes the mailbox; see `Consumer`."""
        self.end: Callable[[], None] = _nothing
        """The function to end the subscription; set once the subscription has begun."""

    def put(self, candles: Sequence[Candle], patience: float) -> None:
        self._post(self._events(candles), patience)

    def tell(self, event: Event, patience: float) -> bool:
        if wanted := self._wants(event):
            self._post((event,), patience)
        return wanted

    def _post(self, events: Sequence[Event], patience: float) -> None:
        self._mailbox.put(events, patience)
        if self._mailbox.closed:  # by the reader, or by the report of a loss
            self.end()


def _nothing() -> None:
    pass


class EventBus:
    """Hands each event to every subscriber to events of its kind.

    Thread-safe. Handlers run on the publisher's thread, one after another. A handler's
    exceptions are counted, the first is logged, and the remaining handlers still get
    the event. An exception outside `Exception`, like `SystemExit`, is raised again once
    all handlers have the event. The logger `klinetail` warns of events not heard by any
    subscriber: a gap, a symbol not traded any more or not yet, and every obstacle to
    reaching the exchange.

    Example:
        >>> bus = EventBus()
        >>> collector = DataCollector(
        ...     ["btcusdt@1m"], on_candles=bus.publish_candles,
        ...     on_event=bus.publish,
        ... )  # doctest: +SKIP
        >>> collector.ended.add_done_callback(
        ...     lambda ended: bus.close(ended.exception())
        ... )  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._failures = Failures("a handler of the event bus")
        """The count of the handlers' exceptions."""
        self._fanout = FanOut(failures=self._failures)
        """The fan-out; the subscribers are the consumers."""
        self._closed = False
        """Whether `close` was called."""
        self._unheard = Unheard()
        """Logs the important events without a subscriber."""

    @property
    def failures(self) -> int:
        """The number of exceptions raised by handlers."""
        return self._failures.count

    def publish(self, event: Event) -> None:
        """Hand out an event; do nothing once the bus is closed."""
        if self._closed:
            return
        heard = True
        try:
            heard = self._fanout.event(event)
        finally:
            self._unheard.see(event, heard=heard)

    def publish_candle(self, candle: Candle) -> None:
        """Hand out a candle as a `CandleEvent`; made to be called by a collector."""
        if not self._closed:
            self._fanout.event(CandleEvent(candle))

    def publish_candles(self, candles: Sequence[Candle]) -> None:
        """Hand out many candles at once; made to be a collector's `on_candles`.

        Each subscriber gets all candles, candle by candle, before the next subscriber.
        """
        if not self._closed:
            self._fanout.candles(candles)

    def close(self, error: BaseException | None = None) -> None:
        """Close the bus: no more events come.

        Each mailbox ends once the queued events were taken, and raises the error then,
        if an error is given. Only the first call counts.
        """
        self._closed = True
        self._fanout.close(error)

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
            handler: called with each event. Without a handler, a `Mailbox` is returned
                to be read from any thread; the mailbox ends with its own `close`, or
                with the `close` of the bus. If the reader is too slow and more than
                65,536 events would wait, the mailbox hands over the waiting events and
                then raises `SlowConsumer`, with the number of all later events.
            types: the wanted classes of events; None for all.
            streams: the streams of the wanted events, or the names of the streams; None
                for all.

        Returns:
            A function that ends the subscription, or the mailbox.

        Raises:
            TypeError: the handler is no plain function, the types are no list of
                classes of events, or the streams no list of streams.
            UsageError: a stream cannot exist.
        """
        chosen = None if types is None else _classes(types)
        followed = None if streams is None else frozenset(streams_of(streams))
        if handler is not None:
            if isinstance(handler, type) and issubclass(handler, _CLASSES):
                raise TypeError(
                    f"write types=[{handler.__name__}] for only such events"
                )
            check_callback(handler, "a handler")
            return self._fanout.add(
                _Handling(handler, self._failures, chosen, followed)
            )
        mailbox = Mailbox[Event, Event](as_it_is)
        posting = _Posting(mailbox, chosen, followed)
        posting.end = self._fanout.add(posting)
        return mailbox


def _classes(types: Iterable[type[Event]]) -> tuple[type[Event], ...]:
    """Return the given classes of events as a tuple.

    Raises:
        TypeError: the argument is no list of classes of events.
    """
    listed = tuple(types) if isinstance(types, Iterable) else (types,)
    if isinstance(types, Iterable) and all(one in _CLASSES for one in listed):
        return listed
    names = ", ".join(one.__name__ for one in _CLASSES)
    raise TypeError(f"types has to be a list of classes of events ({names})")
