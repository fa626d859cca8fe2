"""Deadlines: when each series has something to do next. Pure.

A series waits for exchange time, for local seconds, or for both, hence two heaps. A
deadline that moves to a later time keeps its entry, and the entry is looked at once in
vain. Therefore an accepted candle costs nothing here, and only a series that is due, or
is due earlier than before, costs anything.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Final

from klinetail.clock import Moment
from klinetail.contract.series import Series

_STALE: Final = 4
"""How many entries of a heap there may be for each entry that counts."""

_ALIKE: Final = 0.02
"""Seconds by which an estimate may shift and still count as the same estimate."""


class Deadlines:
    """The deadlines of all series of a collector.

    Not thread-safe: the collector's lock is held.

    Args:
        series: every series.
    """

    def __init__(self, series: Iterable[Series]) -> None:
        self._series = tuple(series)
        """Every series, by its number."""
        self._number = {one: number for number, one in enumerate(self._series)}
        """The number of each series."""
        self._local: list[tuple[float, int]] = []
        """A heap of deadlines in local seconds, with the numbers of their series."""
        self._exchange: list[tuple[float, int]] = []
        """A heap of deadlines in exchange time (ms), with the numbers of their
        series."""
        self._local_of = [math.inf] * len(self._series)
        """The local deadline of each series; infinite without one."""
        self._exchange_of = [math.inf] * len(self._series)
        """The deadline in exchange time of each series; infinite without one."""

    @property
    def exchange_due(self) -> float:
        """Exchange time (ms) of the first deadline in exchange time."""
        return self._exchange[0][0] if self._exchange else math.inf

    def left(self, now: Moment) -> float:
        """Return the seconds until the first deadline, if exchange time runs at the
        pace of real time until then; 0 or less if a deadline has passed."""
        local = self._local[0][0] if self._local else math.inf
        return min(local - now.monotonic, now.left(self.exchange_due))

    def files(self, series: Series) -> bool:
        """Whether a deadline in exchange time is filed, as for every series that is
        neither awaiting an answer nor overdue."""
        return self._exchange_of[self._number[series]] < math.inf

    def file(self, series: Series, now: Moment) -> bool:
        """File the deadlines of a series that are earlier than the deadlines on file.

        Returns:
            Whether a deadline of the series is now the first of all deadlines.
        """
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
        """Take series that are due off the file, and return these series. Call the
        method again while nothing is `left`.

        Args:
            now: the present; earlier deadlines are due.
            most: entries to look at; some entries may be of deadlines that moved.
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
    """Put the deadline of a number on the heap; sweep out entries of moved deadlines if
    most entries are."""
    heapq.heappush(heap, (filed[number], number))
    if len(heap) > _STALE * len(filed):
        heap[:] = [(due, n) for n, due in enumerate(filed) if due < math.inf]
        heapq.heapify(heap)
