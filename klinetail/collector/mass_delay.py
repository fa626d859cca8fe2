"""Mass delay: whether many closes of a link are overdue together. Pure.

Then it is the exchange that is late, at midnight for one, and waiting longer is better
than fetching them all; the budget spreads what is left after that.
"""

from __future__ import annotations

from typing import Final

from klinetail.clock import Moment
from klinetail.contract.series import Series

_FEW: Final = 4
"""So many are none yet, however few streams there are."""


class MassDelay:
    """The series of one link of which the awaited close is overdue.

    Not thread-safe: the collector's lock is held.

    Args:
        size: series of the link.
    """

    def __init__(self, size: int) -> None:
        self._most = max(_FEW, size // 4)
        self._overdue: set[Series] = set()

    @property
    def late(self) -> bool:
        """Whether so many are overdue that it is the exchange that is late."""
        return len(self._overdue) > self._most

    def look_at(self, series: Series, now: Moment) -> None:
        """Take note of whether a series is overdue."""
        if series.overdue(now):
            self._overdue.add(series)
        else:
            self._overdue.discard(series)
