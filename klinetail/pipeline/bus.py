"""EventBus: what the rest of a system subscribes to."""

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
"""The one class of events that is subscribed to."""


class _Subscription:
    """Which events a subscriber wants.

    Args:
        types: the classes of events; None for all.
        streams: the streams that the events are about; None for all.
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
        """The events of those candles that the subscriber wants."""
        if self._types is not None and CandleEvent not in self._types:
            return []
        streams = self._streams
        return [
            CandleEvent(candle)
            for candle in candles
            if streams is None or candle.stream in streams
        ]


class _Handling(_Subscription):
    """A subscriber that is called, as a consumer of the bus's fan-out."""

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
        pass  # a handler is called no more, and that is all


class _Posting(_Subscription):
    """A subscriber that reads a mailbox, as a consumer of the bus's fan-out."""

    def __init__(
        self,
        mailbox: Mailbox[Event, Event],
        types: tuple[type[Event], ...] | None,
        streams: frozenset[Stream] | None,
    ) -> None:
        super().__init__(types, streams)
        self._mailbox = mailbox
        self.close = mailbox.close
        self.end: Callable[[], None] = _nothing
        """Ends this subscription; set once it has begun."""

    def put(self, candles: Sequence[Candle], patience: float) -> None:
        self._post(self._events(candles), patience)

    def tell(self, event: Event, patience: float) -> bool:
        if wanted := self._wants(event):
            self._post((event,), patience)
        return wanted

    def _post(self, events: Sequence[Event], patience: float) -> None:
        self._mailbox.put(events, patience)
        if self._mailbox.closed:  # by its reader, or since it told of what is lost
            self.end()


def _nothing() -> None:
    pass


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
        ...     ["btcusdt@1m"], on_candles=bus.publish_candles,
        ...     on_event=bus.publish,
        ... )  # doctest: +SKIP
        >>> collector.ended.add_done_callback(
        ...     lambda ended: bus.close(ended.exception())
        ... )  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._failures = Failures("a handler of the event bus")
        self._fanout = FanOut(failures=self._failures)
        """The subscribers are its consumers."""
        self._closed = False
        self._unheard = Unheard()

    @property
    def failures(self) -> int:
        """Times that a handler raised."""
        return self._failures.count

    def publish(self, event: Event) -> None:
        """Hand out one event; nothing happens once the bus is closed."""
        if self._closed:
            return
        heard = True
        try:
            heard = self._fanout.event(event)
        finally:
            self._unheard.see(event, heard=heard)

    def publish_candle(self, candle: Candle) -> None:
        """The bridge: what a collector calls for a candle, as a `CandleEvent`."""
        if not self._closed:
            self._fanout.event(CandleEvent(candle))

    def publish_candles(self, candles: Sequence[Candle]) -> None:
        """The bridge for many candles at once, a collector's `on_candles`: each
        subscriber gets all of them, one by one, before the next subscriber does."""
        if not self._closed:
            self._fanout.candles(candles)

    def close(self, error: BaseException | None = None) -> None:
        """Say that no event comes any more: each mailbox ends once what is queued was
        taken, and raises the error then, if one is given. Only the first call counts.
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
            return self._fanout.add(
                _Handling(handler, self._failures, chosen, followed)
            )
        mailbox = Mailbox[Event, Event](as_it_is)
        posting = _Posting(mailbox, chosen, followed)
        posting.end = self._fanout.add(posting)
        return mailbox


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
