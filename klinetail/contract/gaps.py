"""The gaps of one stream that were announced and are still open. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from klinetail.candle import Candle
from klinetail.events import GapEvent


class OpenGaps:
    """Announced ranges whose candles are still to be fetched, retried one at a time.

    Invariant: the ranges are disjoint, and no candle of any of them was delivered.
    """

    __slots__ = ("_gaps", "_retry_at")

    def __init__(self) -> None:
        self._gaps: list[GapEvent] = []
        self._retry_at = -math.inf

    def __len__(self) -> int:
        return len(self._gaps)

    @property
    def retry_at(self) -> float:
        """Monotonic seconds at which the first one may be fetched again."""
        return self._retry_at

    @property
    def first(self) -> GapEvent:
        """The one to fetch next."""
        return self._gaps[0]

    def add(self, gap: GapEvent) -> None:
        """A gap was announced."""
        self._gaps.append(gap)

    def covering(self, open_time: int) -> GapEvent | None:
        """The gap that this candle is missing in, if any."""
        return next((g for g in self._gaps if g.start <= open_time < g.end), None)

    def put_off(self, until: float) -> None:
        """Try the first one again no earlier than `until`, and the others before it."""
        self._retry_at = until
        self._gaps.append(self._gaps.pop(0))

    def fill(self, gap: GapEvent, found: Sequence[Candle]) -> GapEvent:
        """Take consecutive candles out of a gap; what is left of it stays open.

        Returns:
            The announcement that carries them.
        """
        start, end = found[0].open_time, found[-1].close_time + 1
        at = self._gaps.index(gap)
        self._gaps[at : at + 1] = (
            [GapEvent(gap.stream, end, gap.end, gap.reason)] if end < gap.end else []
        )
        if gap.start < start:
            self._gaps.append(GapEvent(gap.stream, gap.start, start, gap.reason))
        return GapEvent(gap.stream, start, end, gap.reason, tuple(found))
