"""The delivered closed candles of one stream. Pure.

The latest candles are kept whole. The values of earlier candles are remembered for a
day: a repeated close is then known for a duplicate or for a revision.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from klinetail.candle import DAY, Candle, Interval
from klinetail.contract.fingerprints import Fingerprints
from klinetail.events import RevisionEvent


class Delivered:
    """Closed candles that were delivered, and the values of earlier ones.

    Wherever `expected` is an argument, it is the open time (ms) of the closed candle to
    be delivered next.

    Args:
        interval: the stream's.
        keep: how many candles are kept whole, at least 1.
    """

    __slots__ = ("_keep", "closed", "fingerprints", "looked_ahead")

    def __init__(self, interval: Interval, keep: int) -> None:
        self._keep = keep
        self.closed: deque[Candle] = deque(maxlen=keep)
        """The latest closed candles delivered, oldest first."""
        self.fingerprints = Fingerprints(interval)
        """The values of candles that left `closed` within the last day."""
        self.looked_ahead = False
        """Whether `look_ahead` was called since the newest candle came: the values of
        the next candle to leave `closed` are remembered, or need not be remembered."""

    def add(self, candle: Candle) -> None:
        """Keep the candle delivered now as the newest candle."""
        if not self.looked_ahead:
            self.look_ahead(candle.open_time)
        self.closed.append(candle)
        self.looked_ahead = False

    def leaving(self, expected: int) -> Candle | None:
        """Return the candle that leaves `closed` with the next candle, if the leaving
        candle will still be of the last day."""
        if len(self.closed) < self._keep:
            return None
        oldest = self.closed[0]
        return oldest if oldest.open_time > expected - DAY else None

    def look_ahead(self, expected: int) -> None:
        """Remember the values of the next candle to leave `closed`."""
        if (leaving := self.leaving(expected)) is not None:
            self._remember(leaving, expected)
        self.looked_ahead = True

    def revise(self, candle: Candle, expected: int) -> RevisionEvent | None:
        """Take in the close of a candle that was delivered before.

        Returns:
            The announcement of a revision, if the close differs from the delivered
            values and the delivered values are kept or remembered; the delivered values
            are replaced. None if the close is a duplicate.
        """
        time = candle.open_time
        index = self._place_of(time)
        known = None if index is None else self.closed[index]
        if known is not None:
            if known.same_values(candle):
                return None
        elif time < expected - DAY or not self.fingerprints.differ(candle):
            return None
        if index is not None:
            self.closed[index] = candle
        if time in self.fingerprints:
            self._remember(candle, expected)
        return RevisionEvent(known, candle)

    def insert(self, found: Sequence[Candle], expected: int) -> None:
        """Put the late candles of a gap in their places."""
        merged = sorted([*self.closed, *found], key=lambda candle: candle.open_time)
        for candle in merged[: -self._keep]:
            self._remember(candle, expected)
        self.looked_ahead = False
        self.closed.clear()
        self.closed.extend(merged)

    def _place_of(self, open_time: int) -> int | None:
        """The index of a candle in `closed`; from its end, near which most are."""
        for index in reversed(range(len(self.closed))):
            if (time := self.closed[index].open_time) <= open_time:
                return index if time == open_time else None
        return None

    def _remember(self, candle: Candle, expected: int) -> None:
        """Remember the values of a candle, if the candle is of the last day."""
        self.fingerprints.add(candle, expected - DAY)
