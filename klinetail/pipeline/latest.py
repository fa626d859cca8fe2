"""A queue that keeps only the newest events of each stream, for a view.

A reader who needs every closed candle reads a `mailbox.Mailbox`.
"""

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
    """A thread-safe queue of the newest events of each stream. `put` never waits.

    The queue keeps the newest forming candle of each stream, the last closed candles,
    every gap and every end of trading, and the last other events. Older events are
    dropped in silence, because a screen has no room for more and a `Stats` counts every
    event. A `DropEvent` is never kept.

    Args:
        rows: closed candles, and other events, to keep of each stream until `take`.
        notify: called on the thread of the first `put` after each `take`; must only
            wake the reader.
    """

    def __init__(
        self, rows: int, *, notify: Callable[[], object] | None = None
    ) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        """Guards all fields below."""
        self._forming: dict[Stream, CandleEvent | PreviewEvent] = {}
        """The newest forming candle of each stream."""
        self._closed: defaultdict[Stream, deque[CandleEvent]] = defaultdict(
            lambda: deque(maxlen=rows)
        )
        """The last closed candles of each stream, oldest first."""
        self._announced: list[Event] = []
        """Gaps and ends, all of them."""
        self._others: defaultdict[Stream | None, deque[Event]] = defaultdict(
            lambda: deque(maxlen=rows)
        )
        """The last other events of each stream; None for events without a stream."""
        self._told = False
        """Whether `notify` was called since the latest `take`."""

    def put(self, events: Sequence[Event]) -> None:
        """Take in events, in order, in place of older events."""
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
        """Return and remove the new events.

        Gaps and ends come first, then the other events, then the closed candles, then
        the forming candles. Events of one stream and kind are in order.

        Args:
            forming: the streams whose forming candles to take; None for all streams.
                The forming candles of other streams stay in the queue.
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
