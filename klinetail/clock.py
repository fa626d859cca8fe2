"""Exchange time: the exchange's clock as far as its own messages tell it.

Pure: the local monotonic time comes in as seconds, and the wall clock never does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

AHEAD: Final = 60_000
"""An event time further ahead than this (ms) waits until the exchange's
`/fapi/v1/time` agrees: one broken frame must not age every candle."""


FAST: Final = 3.0
"""An exchange whose clock twice ran this much faster than ours is one of our own,
speeded up; between two answers it is taken to go on like that."""


SPAN: Final = 0.1
"""Seconds between two answers from which on they tell a pace, and not their ways."""


class Moment(NamedTuple):
    """One moment on both clocks."""

    exchange: int
    """Exchange time, ms since the epoch. It decides about candles."""
    monotonic: float
    """Local seconds. They measure waiting, and nothing else."""
    ahead: int = 0
    """How far (ms) event times put `exchange` ahead of what `/time` confirms."""

    @property
    def confirmed(self) -> int:
        """Exchange time by `/time` alone, ms. It decides what is final."""
        return self.exchange - self.ahead

    def left(self, time: float) -> float:
        """Seconds until exchange time is `time` (ms), if it runs at the pace of real
        time; 0 or less if it is. What event times put it ahead it stands still for."""
        reached = time <= self.exchange
        return (time - (self.exchange if reached else self.confirmed)) / 1000


class ExchangeClock:
    """The last server time plus the local monotonic time since, or the greatest
    event time seen if that is later."""

    def __init__(self) -> None:
        self._read: tuple[int, float] | None = None
        self._pace = 1.0
        self._measured = 1.0
        self._event_time = 0

    def sync(self, server_time: int, now: float) -> None:
        """Take in an answer of `/fapi/v1/time`.

        Args:
            server_time: ms since the epoch.
            now: monotonic seconds when the answer was there, so that the clock
                is late by the way back rather than early.
        """
        if self._read is not None:
            before, at = self._read
            if now - at >= SPAN:
                pace = (server_time - before) / 1000 / (now - at)
                # Once is not enough: after a suspended laptop it looks the same.
                steady = abs(pace - self._measured) <= pace / 4
                self._pace = pace if steady and pace >= FAST else 1.0
                self._measured = pace
        self._read = server_time, now

    def see(self, event_time: int, now: float) -> bool:
        """Take in a frame's event time (ms); False if it is too far ahead."""
        if not self.believes(event_time, now):
            return False
        self._event_time = max(self._event_time, event_time)
        return True

    def believes(self, event_time: int, now: float) -> bool:
        """Whether an event time (ms) is not too far ahead."""
        known = event_time <= self._event_time
        return known or event_time <= self.moment(now).confirmed + AHEAD

    def now(self, now: float) -> int:
        """Exchange time in ms at monotonic `now` seconds.

        Raises:
            RuntimeError: before the first `sync`.
        """
        return self.moment(now).exchange

    def moment(self, now: float) -> Moment:
        """Both clocks at monotonic `now` seconds; errors as `now`."""
        if self._read is None:
            raise RuntimeError("the exchange's time was never read")
        server_time, at = self._read
        passed = server_time + int((now - at) * 1000 * self._pace)
        exchange = max(passed, self._event_time)
        return Moment(exchange, now, exchange - passed)
