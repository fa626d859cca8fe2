"""Mass delay: whether many closes of a link are overdue together. Pure.

The exchange itself is late then, at midnight for example. Waiting longer is better than
fetching every candle; the budget spreads the requests for candles that do not come.
"""

from __future__ import annotations

from typing import Final

from klinetail.clock import Moment
from klinetail.contract.series import Series

_FEW: Final = 4
"""Series that may be overdue together without a mass delay, on the smallest link."""


class MassDelay:
    """The series of one link whose awaited close is overdue.

    Not thread-safe: the collector's lock is held.

    Args:
        size: number of series of the link.
    """

    def __init__(self, size: int) -> None:
        self._most = max(_FEW, size // 4)
        """Series that may be overdue together without a mass delay."""
        self._overdue: set[Series] = set()
        """The series that are overdue."""

    @property
    def late(self) -> bool:
        """Whether the exchange is late, because too many series are overdue
        together."""
        return len(self._overdue) > self._most

    def look_at(self, series: Series, now: Moment) -> None:
        """Note whether a series is overdue."""
        if series.overdue(now):
            self._overdue.add(series)
        else:
            self._overdue.discard(series)
