"""Resumption: joins a recording's content, fetched candles, and live candles. Pure.

A recording holds the candles of each stream up to a resume point. Live candles begin
later. The candles in between are fetched, while the live candles wait; then the waiting
candles follow. The same rule serves a start, a renamed file, and a disk that was full
for a while: a live candle that opens after the resume point shows a hole, and a hole is
fetched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

from klinetail.candle import Candle, Stream
from klinetail.events import GapEvent

MOST: Final = 65_536
"""Closed candles that wait at most; later candles are fetched again instead."""

Prepared = TypeVar("Prepared")
"""The form of a candle that a sink writes."""

Entry: TypeAlias = tuple[Candle | GapEvent, Prepared]
"""A candle or a gap, and the form of a candle that a sink writes."""


class _Place(Generic[Prepared]):
    """The progress of one stream in a recording.

    Args:
        point: the open time (ms) of the first candle missing; 0 if unknown.
    """

    __slots__ = (
        "forming",
        "gap",
        "joined",
        "jumps",
        "next",
        "short",
        "under_way",
        "waiting",
    )

    def __init__(self, point: int) -> None:
        self.next = point
        """The open time (ms) of the next closed candle; 0 for any candle."""
        self.waiting: deque[Entry[Prepared]] | None = None
        """Live closed candles and gaps that wait for earlier candles; None if none
        does."""
        self.forming: Entry[Prepared] | None = None
        """The newest forming candle that waits."""
        self.short = False
        """Whether candles after the waiting candles were left out."""
        self.under_way = False
        """Whether earlier candles are being fetched."""
        self.joined = False
        """Whether a live candle was written."""
        self.jumps = False
        """Whether the next hole becomes a gap instead of a fetch."""
        self.gap = (0, 0)
        """The range (ms) of the last gap that was passed."""

    def pass_gap(self, gap: GapEvent) -> None:
        """Go on behind a gap, if the next candle is missing there."""
        if gap.start <= self.next < gap.end:
            self.next = gap.end
            self.gap = (gap.start, gap.end)


class Resumption(Generic[Prepared]):
    """Decides which candles go into a recording, and which candles are fetched.

    The candles of each stream come out with strictly consecutive open times, from the
    resume point on, except for gaps.

    Args:
        points: the resume point of each stream in the recording: the open time (ms) of
            the first candle missing.
        held: whether everything waits for `release`.
        jump: whether the first hole of each stream becomes a gap instead of a fetch.
        most: closed candles that wait at most.
    """

    def __init__(
        self,
        points: Mapping[Stream, int],
        *,
        held: bool = False,
        jump: bool = False,
        most: int = MOST,
    ) -> None:
        self.held = held
        """Whether everything waits for `release`."""
        self.gaps: list[GapEvent] = []
        """The gaps of the recording alone, to be announced: holes that became gaps, and
        gaps of a fetch. The announcer empties the list."""
        self._points = dict(points)
        """The resume points at the beginning."""
        self._most = most
        """Closed candles that wait at most."""
        self._count = 0
        """Closed candles and gaps that wait."""
        self._withheld: list[Entry[Prepared]] = []
        """Fetched candles that wait for `release`."""
        self._places: dict[Stream, _Place[Prepared]] = {}
        """The progress of each stream."""
        for stream, point in points.items():
            self._place(stream, point).jumps = jump

    def _place(self, stream: Stream, point: int = 0) -> _Place[Prepared]:
        place = self._places.get(stream)
        if place is None:
            place = self._places[stream] = _Place(point)
            if self.held:
                place.waiting = deque()
        return place

    def points(self) -> dict[Stream, int]:
        """Return the open time (ms) of the next closed candle of each stream, as far as
        known."""
        return {s: place.next for s, place in self._places.items() if place.next}

    @property
    def whole(self) -> bool:
        """Whether no candle waits for an earlier candle."""
        return not self.held and all(
            place.waiting is None for place in self._places.values()
        )

    def joined(self, streams: Iterable[Stream]) -> bool:
        """Return whether live candles of all these streams were written."""
        return all(self._place(stream).joined for stream in streams)

    def live(self, entries: Iterable[Entry[Prepared]]) -> list[Entry[Prepared]]:
        """Take live candles and gaps; return the candles to write now, in order."""
        out: list[Entry[Prepared]] = []
        places = self._places
        for entry in entries:
            record = entry[0]
            place = places.get(record.stream) or self._place(record.stream)
            if place.waiting is not None:
                self._wait(place, entry)
            elif not self._takes(place, entry, out):
                place.waiting = deque()
                self._wait(place, entry)
        return out

    def _takes(
        self,
        place: _Place[Prepared],
        entry: Entry[Prepared],
        out: list[Entry[Prepared]],
    ) -> bool:
        """Use a candle or gap that is next, or old; False for a candle after a hole."""
        record = entry[0]
        if isinstance(record, GapEvent):
            place.pass_gap(record)
        elif not record.closed:
            if record.open_time >= place.next:
                out.append(entry)
        elif record.open_time == place.next or not place.next:
            place.next = record.close_time + 1
            place.jumps, place.joined = False, True
            out.append(entry)
        elif record.open_time > place.next:
            if not place.jumps:
                return False
            self._jump(place, record)
            out.append(entry)
        return True

    def _jump(self, place: _Place[Prepared], candle: Candle) -> None:
        """Make a gap of the hole before a candle, and go on behind the candle."""
        self.gaps.append(
            GapEvent(candle.stream, place.next, candle.open_time, "not fetched")
        )
        place.gap = (place.next, candle.open_time)
        place.jumps, place.joined = False, True
        place.next = candle.close_time + 1

    def _wait(self, place: _Place[Prepared], entry: Entry[Prepared]) -> None:
        """Keep a candle or gap until the earlier candles came."""
        record, waiting = entry[0], place.waiting
        assert waiting is not None  # noqa: S101 - the callers look
        if isinstance(record, Candle):
            if not record.closed:
                place.forming = entry
                return
            place.forming = None
        if place.short or (waiting and self._count >= self._most):
            place.short = True
            return
        waiting.append(entry)
        self._count += 1

    def fetched(self, entries: Iterable[Entry[Prepared]]) -> list[Entry[Prepared]]:
        """Take fetched candles, and gaps of the fetch; return the candles to write now,
        in order."""
        if self.held:
            self._withheld.extend(entries)
            return []
        out: list[Entry[Prepared]] = []
        touched: dict[Stream, _Place[Prepared]] = {}
        for entry in entries:
            record = entry[0]
            place = touched[record.stream] = self._place(record.stream)
            if isinstance(record, GapEvent):
                if record.start <= place.next < record.end and not record.filled:
                    self.gaps.append(record)
                place.pass_gap(record)
            elif record.open_time == place.next:
                place.next = record.close_time + 1
                out.append(entry)
        for place in touched.values():
            self._drain(place, out)
        return out

    def _drain(self, place: _Place[Prepared], out: list[Entry[Prepared]]) -> None:
        """Take the waiting candles that are next."""
        waiting = place.waiting
        if waiting is None:
            return
        while waiting and self._takes(place, waiting[0], out):
            waiting.popleft()
            self._count -= 1
        if not waiting:
            place.waiting = None
            forming, place.forming = place.forming, None
            if forming is not None and not place.short:
                self._takes(place, forming, out)
            place.short = False

    def wanted(self) -> dict[Stream, int]:
        """Return the streams whose candles wait for a fetch that is not under way, with
        the open time (ms) of the first candle to fetch."""
        if self.held:
            return {}
        return {
            stream: place.next
            for stream, place in self._places.items()
            if place.waiting is not None and not place.under_way
        }

    def begin_fetch(self, streams: Iterable[Stream]) -> None:
        """Note that the earlier candles of these streams are being fetched."""
        for stream in streams:
            self._place(stream).under_way = True

    def end_fetch(self, streams: Iterable[Stream]) -> None:
        """Note that a fetch of these streams has ended, with success or without."""
        for stream in streams:
            self._place(stream).under_way = False

    def release(self, *, fetched: bool = True) -> list[Entry[Prepared]]:
        """Let everything go on; return the candles to write now, in order.

        Args:
            fetched: whether the candles fetched so far are used.
        """
        self.held = False
        withheld, self._withheld = self._withheld, []
        out = self.fetched(withheld) if fetched else []
        for place in self._places.values():
            self._drain(place, out)
        return out

    def set_back(self, points: Mapping[Stream, int]) -> None:
        """Go on from the candles that the recording really holds, after a failed write.

        Args:
            points: the resume points of the streams written in this run. A stream left
                out goes on from its first resume point.
        """
        for stream, place in self._places.items():
            place.next = points.get(stream, self._points.get(stream, 0))
            start, end = place.gap
            if start <= place.next < end:
                place.next = end

    def again(self, entries: Sequence[Entry[Prepared]]) -> list[Entry[Prepared]]:
        """Return the candles of a failed write that still have to be written."""
        out: list[Entry[Prepared]] = []
        for entry in entries:
            self._takes(self._place(entry[0].stream), entry, out)
        return out
