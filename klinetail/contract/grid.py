"""The open times of one stream's candles. Pure.

Except for 3d the open times follow from the calendar. Candles of 3d open on each third
day; a known candle of the stream, the grid's anchor, tells the days.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from klinetail.candle import DAY, Interval
from klinetail.protocol.klines import BadRow, Row

FOUNDED: Final = 1_483_228_800_000
"""2017-01-01: no candle of the exchange is older."""


class Grid:
    """The possible open times of candles of one interval.

    Args:
        interval: the stream's interval.
    """

    __slots__ = ("anchor", "interval", "longest")

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self.longest = interval.length or 31 * DAY
        """Length (ms) of a candle; of the calendar month, the greatest one."""
        self.anchor: int | None = None
        """Open time (ms) of one candle of the stream; None until one is known of 3d,
        and where the calendar tells all open times."""

    def floor(self, time: int) -> int:
        """The open time (ms) of the candle that a time falls in."""
        return self.interval.floor(time, self.anchor)

    def end_of(self, open_time: int) -> int:
        """Return the open time (ms) of the candle after the candle of `open_time`."""
        return self.interval.shift(open_time, 1)

    def back(self, open_time: int, lines: int) -> int:
        """The open time (ms) so many candles earlier, but none before the exchange was
        founded."""
        founded = self.floor(FOUNDED)
        most = self.interval.steps(founded, open_time)
        return self.interval.shift(open_time, -max(0, min(lines, most)))

    def first_from(self, time: int) -> int:
        """The open time (ms) of the first candle that opens at `time` (ms) or later."""
        opens = self.floor(time)
        return opens if opens >= time else self.end_of(opens)

    def amid(self, open_time: int) -> bool:
        """Whether a candle would open while another one of the stream runs: 3d may open
        on any day, but only on each third."""
        anchor = self.anchor
        if anchor is None:
            return False
        return self.interval.floor(open_time, anchor) != open_time


def common_open_time(rows: Sequence[Row], length: int) -> int | None:
    """The open time (ms) modulo the candles' length that most rows have in common.

    Args:
        rows: of one answer; rows that cannot be believed count for nothing.
        length: of a candle of the stream, ms.

    Returns:
        An anchor for `Grid`; None if no sound row is there, or if two anchors are
        equally common.
    """
    times = [row.open_time for row in rows if not isinstance(row, BadRow)]
    phases = Counter(time % length for time in times).most_common()
    if not phases or (len(phases) > 1 and phases[0][1] == phases[1][1]):
        return None
    return phases[0][0]
