"""The clock of the embedded exchange."""

from __future__ import annotations

from collections.abc import Callable


class Clock:
    """Exchange time, possibly faster than real time. Safe from any thread.

    The clock stands at `start` until started, and at `end` for ever.

    Args:
        start: exchange time at the start, ms since the epoch.
        end: exchange time at the end, ms since the epoch; None for no end.
        speed: milliseconds of exchange time per real millisecond.
        monotonic: returns real seconds.
    """

    def __init__(
        self,
        start: int,
        end: int | None,
        speed: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._start = start
        """The exchange time at the start, ms."""
        self._end = end
        """The exchange time at the end, ms; None for no end."""
        self._speed = speed
        """The pace: milliseconds of exchange time per real millisecond."""
        self._monotonic = monotonic
        """Returns real seconds."""
        self._since: float | None = None
        """The real seconds at the start; None before."""

    def run(self) -> None:
        """Start the clock, or set a running clock back to the start."""
        self._since = self._monotonic()

    def elapsed(self) -> float:
        """Return the real seconds since the start; 0.0 before."""
        return 0.0 if self._since is None else self._monotonic() - self._since

    def now(self) -> int:
        """Return exchange time, ms."""
        now = self._start + int(self.elapsed() * 1000 * self._speed)
        return now if self._end is None else min(now, self._end)

    def unhurried(self) -> int:
        """Return exchange time (ms) as at the pace of real time.

        The exchange's limits apply to real minutes, at any speed.
        """
        return self._start + int(self.elapsed() * 1000)
