"""The announced and still open gaps of one stream. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from klinetail.candle import Candle
from klinetail.events import GapEvent


class OpenGaps:
    """Announced ranges whose candles are still to be fetched, retried in turn.

    Invariant: the ranges are disjoint, and no candle of any range was delivered.
    """

    __slots__ = ("_gaps", "_retry_at")

    def __init__(self) -> None:
        self._gaps: list[GapEvent] = []
        """The open gaps; the first is fetched next."""
        self._retry_at = -math.inf
        """The monotonic seconds before which the first gap is not fetched again."""

    def __len__(self) -> int:
        return len(self._gaps)

    @property
    def retry_at(self) -> float:
        """The monotonic seconds from which the first gap may be fetched again."""
        return self._retry_at

    @property
    def first(self) -> GapEvent:
        """The gap to fetch next."""
        return self._gaps[0]

    def add(self, gap: GapEvent) -> None:
        """Add an announced gap."""
        self._gaps.append(gap)

    def covering(self, open_time: int) -> GapEvent | None:
        """Return the open gap that lacks the candle, or None.

        Args:
            open_time: the candle's open time, ms.
        """
        return next((g for g in self._gaps if g.start <= open_time < g.end), None)

    def put_off(self, until: float) -> None:
        """Move the first gap to the end, and fetch none before `until` (monotonic
        seconds)."""
        self._retry_at = until
        self._gaps.append(self._gaps.pop(0))

    def fill(self, gap: GapEvent, found: Sequence[Candle]) -> GapEvent:
        """Take consecutive candles out of a gap; the rest of the range stays open.

        Args:
            gap: an open gap.
            found: fetched candles of the gap, at least one.

        Returns:
            The event that announces the fetched candles.
        """
        start, end = found[0].open_time, found[-1].close_time + 1
        at = self._gaps.index(gap)
        self._gaps[at : at + 1] = (
            [GapEvent(gap.stream, end, gap.end, gap.reason)] if end < gap.end else []
        )
        if gap.start < start:
            self._gaps.append(GapEvent(gap.stream, gap.start, start, gap.reason))
        return GapEvent(gap.stream, start, end, gap.reason, tuple(found))
