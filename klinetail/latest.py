"""The newest events of each stream, for one reader that looks now and then."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence

from klinetail.candle import Stream
from klinetail.events import (
    CandleEvent,
    DropEvent,
    EndedEvent,
    Event,
    GapEvent,
    PreviewEvent,
    stream_of,
)


class Latest:
    """What a person looks at: of each stream the newest forming candle, the last closed
    ones, every gap and end, and the last other events. A put never waits.

    It drops older ones in silence, by design: a screen has room for the last ones, and
    its figures are counted elsewhere. A `DropEvent` is in those figures alone. Whatever
    needs every closed candle reads a `Mailbox`.

    Args:
        rows: closed candles, and other events, kept a stream until they are taken.
        notify: called, as for `Mailbox`, with the first news after each `take`.
    """

    def __init__(
        self, rows: int, *, notify: Callable[[], object] | None = None
    ) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        self._forming: dict[Stream, CandleEvent | PreviewEvent] = {}
        self._closed: defaultdict[Stream, deque[CandleEvent]] = defaultdict(
            lambda: deque(maxlen=rows)
        )
        self._announced: list[Event] = []
        self._others: defaultdict[Stream | None, deque[Event]] = defaultdict(
            lambda: deque(maxlen=rows)
        )
        self._told = False

    def put(self, events: Sequence[Event]) -> None:
        """Keep what is newest."""
        with self._lock:
            for event in events:
                if isinstance(event, CandleEvent) and event.candle.closed:
                    self._closed[event.candle.stream].append(event)
                    self._forming.pop(event.candle.stream, None)
                elif isinstance(event, CandleEvent | PreviewEvent):
                    self._forming[event.candle.stream] = event
                elif isinstance(event, GapEvent | EndedEvent):
                    self._announced.append(event)
                elif not isinstance(event, DropEvent):
                    self._others[stream_of(event)].append(event)
            told, self._told = self._told, True
        if not told and self._notify is not None:
            self._notify()

    def take(self, forming: Iterable[Stream] | None = None) -> list[Event]:
        """What is new: gaps and ends, then each stream's other events in order, then
        each stream's closed candles in order, then the forming ones.

        Args:
            forming: the streams whose forming candles to take; those of others stay.
        """
        with self._lock:
            taken = list(self._announced)
            for others in self._others.values():
                taken.extend(others)
            for closed in self._closed.values():
                taken.extend(closed)
            wanted = list(self._forming) if forming is None else forming
            taken.extend(
                self._forming.pop(stream)
                for stream in wanted
                if stream in self._forming
            )
            self._announced.clear()
            self._others.clear()
            self._closed.clear()
            self._told = False
        return taken
