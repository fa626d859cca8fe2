"""The pace of the exchange's clock. Pure.

The real exchange runs at the pace of real time; a simulated exchange may run up to
`FASTEST` times as fast.
"""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

AGREE: Final = 1_000
"""The most (ms) by which two statements about exchange time may differ and still
agree."""

SPAN: Final = 0.1
"""Real seconds between two readings at least, to measure a pace."""

FASTEST: Final = 1000.0
"""The greatest pace believed of a simulated exchange."""

SLOP: Final = 0.05
"""The distance from 1 up to which a pace counts as real time."""

IN_A_LINE: Final = 4
"""The readings needed to tell a pace: fewer readings could be wrong, or the clock could
have leapt between two of them."""


class Reading(NamedTuple):
    """An answer of the exchange's time request.

    The exchange's clock showed `server_time` at an unknown moment between `sent` and
    `received`.
    """

    server_time: int
    """The time in the answer, ms since the epoch."""
    sent: float
    """The monotonic seconds at which the request was sent."""
    received: float
    """The monotonic seconds at which the answer arrived."""


class Pace(NamedTuple):
    """A pace: milliseconds of exchange time per real millisecond, with bounds."""

    value: float
    """The most likely pace."""
    slowest: float
    """The lower bound of the pace."""
    fastest: float
    """The upper bound of the pace."""
    since: Reading | None = None
    """The reading from which the pace was measured; None for the pace of real time."""

    @property
    def may_be_real(self) -> bool:
        """Whether the pace can be that of real time."""
        return self.slowest - SLOP <= 1.0 <= self.fastest + SLOP

    def fits(self, other: Pace) -> bool:
        """Return whether both can be measurements of the same pace."""
        return self.slowest <= other.fastest and other.slowest <= self.fastest

    @property
    def width(self) -> float:
        """The distance of the bounds."""
        return self.fastest - self.slowest


REAL: Final = Pace(1.0, 1.0, 1.0)
"""The pace of real time."""


def pace_between(one: Reading, other: Reading) -> Pace:
    """Return the pace between two readings.

    Args:
        one: the earlier reading.
        other: the later reading, sent some time after the receipt of the earlier
            reading.
    """
    least, most = other.sent - one.received, other.received - one.sent
    passed = other.server_time - one.server_time
    low, high = (passed - AGREE) / 1000, (passed + AGREE) / 1000
    return Pace(
        passed / (500 * (least + most)),
        min(low / least, low / most),
        max(high / least, high / most),
        one,
    )


class PaceMeter:
    """Measures a pace from four consistent readings; single readings may be wrong."""

    def __init__(self) -> None:
        self.told: Pace | None = None
        """The pace of the last four readings if consistent, else None."""
        self._line: list[Reading] = []
        """Up to three consistent readings, at least `SPAN` apart."""

    def take(self, reading: Reading) -> None:
        """Take in the next reading."""
        line = self._line
        if line and reading.sent - line[-1].received < SPAN:
            return
        paces = [pace_between(*two) for two in itertools.pairwise([*line, reading])]
        while not all(one.fits(two) for one, two in itertools.combinations(paces, 2)):
            del paces[0], line[0]
        line.append(reading)
        self.told = None
        if len(line) < IN_A_LINE:
            return
        del line[1]  # far apart, the first and the last tell the pace best
        if all(pace.may_be_real for pace in paces):
            self.told = REAL
        elif not any(pace.may_be_real for pace in paces):
            pace = pace_between(line[0], reading)
            self.told = pace if pace.value <= FASTEST else None


def refined(pace: Pace, reading: Reading) -> Pace:
    """Return a pace refined by a further counted reading.

    A longer measurement is more exact. After a leap of the clock the measurement starts
    afresh at the reading. The pace of real time never changes.
    """
    if pace.since is None or reading.sent - pace.since.received < SPAN:
        return pace
    longer = pace_between(pace.since, reading)
    if not pace.fits(longer):
        return pace._replace(since=reading)
    return longer if longer.width < pace.width else pace
