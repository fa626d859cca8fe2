"""The candles that REST's answers lack, though they are old enough to be there. Pure.

One answer's hole is not yet the exchange's: it is asked for again until several answers
agree, and for as long as a failing fetch is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from klinetail.candle import Interval

AGREED: Final = 2
"""Answers that must lack a candle before it may be given up."""

NO_ROW: Final = "the exchange has no row for it"

MAX_REASON: Final = 200
"""Characters of a gap's reason: some of it may be made of an answer."""


def bad_row(why: str) -> str:
    """The reason of a gap of which the exchange has a row that cannot be believed."""
    return f"the exchange's row for it is bad: {why}"[:MAX_REASON]


class Lack(NamedTuple):
    """Candles in a row that one answer lacks for the same reason."""

    start: int
    """Open time of the first one, ms."""
    end: int
    """Open time of the first candle behind them, ms."""
    reason: str


def lacks(
    start: int, end: int, found: Mapping[int, str | None], interval: Interval
) -> list[Lack]:
    """What an answer lacks.

    Args:
        start: open time (ms) of the first candle to look for.
        end: open time of the first one not to look for.
        found: by open time, the rows of the answer and whatever else is known; what is
            wrong with a row that cannot be believed, or None of a sound one.
        interval: of the stream.
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
    """Candles in a row that answers lack."""

    start: int
    """Open time of the first one, ms."""
    end: int
    """Open time of the first candle behind them, ms."""
    reason: str
    """Why, by the latest answer; for the gap's announcement."""
    since: float
    """When the first such answer was there, monotonic seconds."""
    last: float
    """When the latest one was."""
    answers: int
    """How many there were, one after another."""

    @property
    def agreed(self) -> bool:
        """Whether enough answers say so."""
        return self.answers >= AGREED


class Holes:
    """What the answers about one stream lack, from the awaited candle on.

    Invariant: the holes are in order and disjoint.
    """

    __slots__ = ("_holes",)

    def __init__(self) -> None:
        self._holes: tuple[Hole, ...] = ()

    def __len__(self) -> int:
        return len(self._holes)

    def at(self, open_time: int) -> Hole | None:
        """The hole that a candle is in, from that candle on."""
        for hole in self._holes:
            if hole.start <= open_time < hole.end:
                return hole._replace(start=open_time)
        return None

    @property
    def end(self) -> int:
        """Open time (ms) of the first candle behind the last hole; 0 without any."""
        return self._holes[-1].end if self._holes else 0

    def note(self, found: Sequence[Lack], reach: int, now: float) -> None:
        """Take in an answer.

        Args:
            found: what it lacks.
            reach: open time (ms) of the first candle that it tells nothing about.
            now: when it was there, monotonic seconds.
        """
        seen = [hole for lack in found for hole in self._count(lack, now)]
        self._holes = (*seen, *(hole for hole in self._holes if hole.start >= reach))

    def _count(self, lack: Lack, now: float) -> Iterator[Hole]:
        """The holes that a lack is of: parts of it may be known, and parts be new."""
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
        """What opens before `until` (ms) is awaited no more."""
        if self._holes:
            self._holes = tuple(hole for hole in self._holes if hole.end > until)

    def clear(self) -> None:
        """Whatever the answers lacked so far counts no more."""
        self._holes = ()
