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
        "first",
        "forming",
        "gap",
        "jumps",
        "next",
        "reach",
        "under_way",
        "waiting",
    )

    def __init__(self, point: int) -> None:
        self.next = self.first = point
        """The open time (ms) of the next closed candle, and of the first closed candle
        of the run; 0 for any candle."""
        self.reach = 0
        """The time (ms) before which closed candles are known to exist; all of them
        belong into the recording."""
        self.waiting: deque[Entry[Prepared]] | None = None
        """Live closed candles and gaps that wait for earlier candles; None if the
        recording lacks no candle."""
        self.forming: Entry[Prepared] | None = None
        """The newest forming candle that waits."""
        self.under_way = False
        """Whether earlier candles are being fetched."""
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
        self._most = most
        """Closed candles that wait at most."""
        self._count = 0
        """Closed candles and gaps that wait."""
        self._withheld: list[Entry[Prepared]] = []
        """Fetched candles that wait for `release`."""
        self._places: dict[Stream, _Place[Prepared]] = {}
        """The progress of each stream."""
        self._behind: dict[Stream, _Place[Prepared]] = {}
        """The streams of which the recording lacks candles, or may lack candles."""
        for stream, point in points.items():
            self._place(stream, point).jumps = jump

    def _place(self, stream: Stream, point: int = 0) -> _Place[Prepared]:
        place = self._places.get(stream)
        if place is None:
            place = self._places[stream] = _Place(point)
            if self.held:
                place.waiting = deque()
                self._behind[stream] = place
        return place

    def points(self) -> dict[Stream, int]:
        """Return the open time (ms) of the next closed candle of each stream, as far as
        known."""
        return {s: place.next for s, place in self._places.items() if place.next}

    @property
    def whole(self) -> bool:
        """Whether the recording lacks no candle that is known to exist."""
        return not self.held and not self._behind

    def live(self, entries: Iterable[Entry[Prepared]]) -> list[Entry[Prepared]]:
        """Take live candles and gaps; return the candles to write now, in order."""
        out: list[Entry[Prepared]] = []
        places = self._places
        for entry in entries:
            record = entry[0]
            stream = record.stream
            place = places.get(stream) or self._place(stream)
            if place.waiting is not None:
                self._wait(stream, place, entry)
            elif (
                isinstance(record, Candle)
                and not record.closed
                and record.open_time == place.next
            ):
                out.append(entry)  # as by far the most entries of a run with updates
            elif not self._takes(place, entry, out):
                self._wait(stream, place, entry)
        return out

    def _takes(
        self,
        place: _Place[Prepared],
        entry: Entry[Prepared],
        out: list[Entry[Prepared]],
    ) -> bool:
        """Use a candle or gap that is next, or old; False for an entry after a hole."""
        record = entry[0]
        start = record.open_time if isinstance(record, Candle) else record.start
        if start > place.next > 0:
            if not place.jumps:
                return False
            self._jump(place, record.stream, start)
        if isinstance(record, GapEvent):
            place.pass_gap(record)
        elif not record.closed:
            if start >= place.next:
                out.append(entry)
        elif start >= place.next:
            place.first = place.first or start
            place.next = record.close_time + 1
            place.jumps = False
            out.append(entry)
        return True

    def _jump(self, place: _Place[Prepared], stream: Stream, time: int) -> None:
        """Make a gap of the hole before `time` (ms)."""
        self.gaps.append(GapEvent(stream, place.next, time, "not fetched"))
        place.gap = (place.next, time)
        place.jumps = False
        place.next = time

    def _wait(
        self, stream: Stream, place: _Place[Prepared], entry: Entry[Prepared]
    ) -> None:
        """Keep a candle or gap until the earlier candles came."""
        record = entry[0]
        if isinstance(record, GapEvent):
            self._miss(stream, place, record.start)
        elif not record.closed:
            place.forming = entry
            if not place.jumps:
                self._miss(stream, place, record.open_time)
            return
        else:
            place.first = place.first or record.open_time
            place.next = place.next or record.open_time
            self._miss(stream, place, record.close_time + 1)
        # Without room the entry is left out: `reach` tells that it has to be fetched.
        if self._count < self._most and place.waiting is not None:
            place.waiting.append(entry)
            self._count += 1

    def _miss(self, stream: Stream, place: _Place[Prepared], reach: int) -> None:
        """Note that closed candles exist up to `reach` (ms)."""
        place.reach = max(place.reach, reach)
        if 0 < place.next < place.reach and place.waiting is None:
            place.waiting = deque()
            self._behind[stream] = place

    def missed(self, ranges: Mapping[Stream, tuple[int, int]]) -> None:
        """Note that closed candles came, and were forgotten.

        Args:
            ranges: by stream, the open time (ms) of the first candle forgotten, and of
                the first candle after all candles forgotten.
        """
        for stream, (first, end) in ranges.items():
            place = self._place(stream)
            place.first = place.first or first
            place.next = place.next or first
            self._miss(stream, place, end)

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
            stream = record.stream
            place = touched[stream] = self._place(stream)
            if isinstance(record, GapEvent):
                if record.start <= place.next < record.end and not record.filled:
                    self.gaps.append(record)
                place.pass_gap(record)
                self._miss(stream, place, record.start)
            elif record.open_time == place.next:
                place.next = record.close_time + 1
                out.append(entry)
            else:
                self._miss(stream, place, record.close_time + 1)
        self._drain(touched, out)
        return out

    def _drain(
        self, places: Mapping[Stream, _Place[Prepared]], out: list[Entry[Prepared]]
    ) -> None:
        """Take the waiting candles that are next."""
        for stream, place in places.items():
            waiting = place.waiting
            if waiting is None:
                continue
            while waiting and self._takes(place, waiting[0], out):
                waiting.popleft()
                self._count -= 1
            if waiting or 0 < place.next < place.reach:
                continue
            if place.forming is not None:
                self._takes(place, place.forming, out)
            place.forming = place.waiting = None
            self._behind.pop(stream, None)

    def wanted(self) -> dict[Stream, int]:
        """Return the streams that lack candles which no fetch is under way for, with
        the open time (ms) of the first candle to fetch."""
        if self.held:
            return {}
        return {
            stream: place.next
            for stream, place in self._behind.items()
            if not place.under_way
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
        self._drain({**self._behind}, out)
        return out

    def set_back(self, points: Mapping[Stream, int]) -> None:
        """Go on from the candles that the recording really holds, after a failed write.

        Args:
            points: the resume points of the streams written in this run. A stream left
                out goes on from its first candle.
        """
        for stream, place in self._places.items():
            before, place.next = place.next, points.get(stream, place.first)
            start, end = place.gap
            if start <= place.next < end:
                place.next = end
            self._miss(stream, place, before)

    def again(self, entries: Sequence[Entry[Prepared]]) -> list[Entry[Prepared]]:
        """Return the candles of a failed write that still have to be written; after
        `set_back`. Candles after a hole are fetched instead."""
        out: list[Entry[Prepared]] = []
        for entry in entries:
            self._takes(self._place(entry[0].stream), entry, out)
        self._drain({**self._behind}, out)
        return out
