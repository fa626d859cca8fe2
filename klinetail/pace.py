"""The pace of the exchange's clock: that of real time; an exchange of one's own may run
up to `FASTEST` times as fast. Pure.
"""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

AGREE: Final = 1_000
"""How far (ms) two statements about exchange time may lie apart and still agree."""

SPAN: Final = 0.1
"""Real seconds that must lie between two readings for them to tell a pace."""

FASTEST: Final = 1000.0
"""The greatest pace that an exchange of one's own is taken to run at."""

SLOP: Final = 0.05
"""How far from 1 a pace must be to be another than that of real time."""

IN_A_LINE: Final = 4
"""Readings that tell a pace: of fewer, some could be wrong, or the clock could have
leapt between two of them."""


class Reading(NamedTuple):
    """An answer about the exchange's time: its clock showed `server_time` at some
    moment between `sent` and `received`, and nobody knows which."""

    server_time: int
    """ms since the epoch."""
    sent: float
    """Monotonic seconds when the request was sent."""
    received: float
    """Monotonic seconds when the answer was there."""


class Pace(NamedTuple):
    """A pace: ms of exchange time a real ms."""

    value: float
    """The likeliest."""
    slowest: float
    """The pace is at least this,"""
    fastest: float
    """and at most this."""
    since: Reading | None = None
    """From when on the pace was measured; None for that of real time."""

    @property
    def may_be_real(self) -> bool:
        """Whether the pace can be that of real time."""
        return self.slowest - SLOP <= 1.0 <= self.fastest + SLOP

    def fits(self, other: Pace) -> bool:
        """Whether both can be one pace."""
        return self.slowest <= other.fastest and other.slowest <= self.fastest

    @property
    def width(self) -> float:
        """How inexact the pace is."""
        return self.fastest - self.slowest


REAL: Final = Pace(1.0, 1.0, 1.0)
"""The pace of real time."""


def pace_between(one: Reading, other: Reading) -> Pace:
    """The pace at which a later reading follows an earlier one, between whose receipt
    and the sending of the later one time has passed."""
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
    """Learns a pace from readings, right or wrong: from four in a line."""

    def __init__(self) -> None:
        self.told: Pace | None = None
        """The pace of the last four readings, if they lie in a line."""
        self._line: list[Reading] = []
        """Up to three readings, `SPAN` apart or more, that may lie in a line."""

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
    """A pace as of a further reading that counts: measured over a longer time, which is
    more exact; measured from that reading on, if the clock leapt.

    The pace of real time stays what it is.
    """
    if pace.since is None or reading.sent - pace.since.received < SPAN:
        return pace
    longer = pace_between(pace.since, reading)
    if not pace.fits(longer):
        return pace._replace(since=reading)
    return longer if longer.width < pace.width else pace
