"""Holes: candles absent from REST answers although old enough to be listed. Pure.

One incomplete answer proves nothing about the exchange: the request is repeated until
several answers agree, and for as long as the hold allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from klinetail.candle import Interval

AGREED: Final = 2
"""Answers without a candle that must agree before the candle may be given up."""

NO_ROW: Final = "the exchange has no row for the candle"

MAX_REASON: Final = 200
"""Characters of a gap's reason at most: the reason can quote an answer."""


def bad_row(why: str) -> str:
    """Return the reason of a gap whose row exists at the exchange but cannot be
    believed."""
    return f"the exchange's row for the candle is bad: {why}"[:MAX_REASON]


class Lack(NamedTuple):
    """Consecutive candles absent from one answer for the same reason."""

    start: int
    """The open time (ms) of the first absent candle."""
    end: int
    """The open time (ms) of the first candle after the absent candles."""
    reason: str
    """Why the candles are absent, in words for a gap's announcement."""


def lacks(
    start: int, end: int, found: Mapping[int, str | None], interval: Interval
) -> list[Lack]:
    """Return the ranges of candles absent from an answer.

    Args:
        start: open time (ms) of the first candle to look for.
        end: open time (ms) after the last candle to look for.
        found: by open time, the rows of the answer and the candles known otherwise:
            None for a sound row, else the fault of the row.
        interval: the stream's interval.
    """
    pieces: list[Lack] = []
    expected = start
    for open_time in sorted(time for time in found if start <= time < end):
        pieces.append(Lack(expected, open_time, NO_ROW))
        expected = interval.shift(open_time, 1)
        if (why := found[open_time]) is not None:
            pieces.append(Lack(open_time, expected, bad_row(why)))
    pieces.append(Lack(expected, end, NO_ROW))
    return _joined(piece for piece in pieces if piece.start < piece.end)


def _joined(pieces: Iterable[Lack]) -> list[Lack]:
    joined: list[Lack] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is not None and (last.end, last.reason) == (piece.start, piece.reason):
            joined[-1] = last._replace(end=piece.end)
        else:
            joined.append(piece)
    return joined


class Hole(NamedTuple):
    """Consecutive candles absent from one or more answers."""

    start: int
    """The open time (ms) of the first absent candle."""
    end: int
    """The open time (ms) of the first candle after the hole."""
    reason: str
    """Why the candles are absent, by the latest answer; for the announcement of a
    gap."""
    since: float
    """The monotonic seconds of the first answer without the candles."""
    last: float
    """The monotonic seconds of the latest answer without the candles."""
    answers: int
    """The number of consecutive answers without the candles."""

    @property
    def agreed(self) -> bool:
        """Whether enough answers agree."""
        return self.answers >= AGREED


class Holes:
    """The holes of one stream, from the awaited candle on.

    Invariant: the holes are in order and disjoint.
    """

    __slots__ = ("_holes",)

    def __init__(self) -> None:
        self._holes: tuple[Hole, ...] = ()
        """The holes, ascending by open time."""

    def __len__(self) -> int:
        return len(self._holes)

    def at(self, open_time: int) -> Hole | None:
        """Return the hole from a candle on, or None if no hole covers the candle.

        Args:
            open_time: the candle's open time, ms.
        """
        for hole in self._holes:
            if hole.start <= open_time < hole.end:
                return hole._replace(start=open_time)
        return None

    @property
    def end(self) -> int:
        """The open time (ms) of the first candle after the last hole; 0 without
        holes."""
        return self._holes[-1].end if self._holes else 0

    def note(self, found: Sequence[Lack], reach: int, now: float) -> None:
        """Take in an answer.

        Args:
            found: the ranges absent from the answer.
            reach: open time (ms) of the first candle not covered by the answer.
            now: monotonic seconds at which the answer arrived.
        """
        seen = [hole for lack in found for hole in self._count(lack, now)]
        self._holes = (*seen, *(hole for hole in self._holes if hole.start >= reach))

    def _count(self, lack: Lack, now: float) -> Iterator[Hole]:
        """Yield the holes for an absent range: known parts count one answer more, the
        rest is new."""
        start, end, reason = lack
        for hole in self._holes:
            if hole.end <= start or hole.start >= end:
                continue
            if start < hole.start:
                yield Hole(start, hole.start, reason, now, now, 1)
                start = hole.start
            until = min(hole.end, end)
            yield Hole(start, until, reason, hole.since, now, hole.answers + 1)
            start = until
        if start < end:
            yield Hole(start, end, reason, now, now, 1)

    def forget(self, until: int) -> None:
        """Drop the holes, or parts of holes, whose candles open before `until` (ms)."""
        if self._holes:
            self._holes = tuple(hole for hole in self._holes if hole.end > until)

    def clear(self) -> None:
        """Forget all holes: answers are counted afresh."""
        self._holes = ()
