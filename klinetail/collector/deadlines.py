"""Deadlines: when which series has something to do next. Pure.

Two heaps, since a series waits for exchange time, for local seconds, or both. A
deadline that moved later stays where it is and is looked at once for nothing: so an
accepted candle costs nothing here, and only what is due or has to come earlier is
touched.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Final

from klinetail.clock import Moment
from klinetail.contract.series import Series

_STALE: Final = 4
"""How many entries there may be for each that counts."""

_ALIKE: Final = 0.02
"""Seconds by which an estimate may shift before it counts as another."""


class Deadlines:
    """Not thread-safe: the collector's lock is held.

    Args:
        series: all there are.
    """

    def __init__(self, series: Iterable[Series]) -> None:
        self._series = tuple(series)
        self._number = {one: number for number, one in enumerate(self._series)}
        self._local: list[tuple[float, int]] = []
        self._exchange: list[tuple[float, int]] = []
        self._local_of = [math.inf] * len(self._series)
        self._exchange_of = [math.inf] * len(self._series)

    @property
    def exchange_due(self) -> float:
        """Exchange time (ms) from which on something may be due."""
        return self._exchange[0][0] if self._exchange else math.inf

    def left(self, now: Moment) -> float:
        """Seconds until something may be due, if exchange time runs at the pace of
        real time until then; 0 or less if it is."""
        local = self._local[0][0] if self._local else math.inf
        return min(local - now.monotonic, now.left(self.exchange_due))

    def files(self, series: Series) -> bool:
        """Whether a deadline in exchange time is filed, as for every series that is
        neither awaiting an answer nor overdue."""
        return self._exchange_of[self._number[series]] < math.inf

    def file(self, series: Series, now: Moment) -> bool:
        """File a series' deadlines, if they are earlier than those on file; whether
        one of them is now the first of all."""
        number = self._number[series]
        first = False
        local = series.due(now)
        if local < self._local_of[number] - _ALIKE:
            self._local_of[number] = local
            _push(self._local, self._local_of, number)
            first = self._local[0][1] == number
        exchange = series.exchange_due(now)
        if exchange < self._exchange_of[number]:
            self._exchange_of[number] = exchange
            _push(self._exchange, self._exchange_of, number)
            first = first or self._exchange[0][1] == number
        return first

    def take(self, now: Moment, most: int) -> list[Series]:
        """Some of the series that are due, which are on file no more; go on while
        nothing is `left`.

        Args:
            now: by when they are due.
            most: entries looked at at once; some may be of deadlines that moved.
        """
        taken = []
        for heap, filed, limit in (
            (self._exchange, self._exchange_of, now.exchange),
            (self._local, self._local_of, now.monotonic),
        ):
            while most > 0 and heap and heap[0][0] <= limit:
                most -= 1
                due, number = heapq.heappop(heap)
                if filed[number] == due:
                    self._local_of[number] = self._exchange_of[number] = math.inf
                    taken.append(self._series[number])
        return taken


def _push(heap: list[tuple[float, int]], filed: list[float], number: int) -> None:
    """Put what is filed for a number on the heap; drop what moved, if that is most."""
    heapq.heappush(heap, (filed[number], number))
    if len(heap) > _STALE * len(filed):
        heap[:] = [(due, n) for n, due in enumerate(filed) if due < math.inf]
        heapq.heapify(heap)
