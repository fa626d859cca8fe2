"""The clock of the embedded exchange."""

from __future__ import annotations

from collections.abc import Callable


class Clock:
    """Exchange time, which may run faster than the real one. Safe from any thread.

    It stands at `start` until it is started, and at `end` for ever.

    Args:
        start: ms since the epoch.
        end: ms since the epoch, or None.
        speed: ms of exchange time a real ms.
        monotonic: real seconds.
    """

    def __init__(
        self,
        start: int,
        end: int | None,
        speed: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._start = start
        self._end = end
        self._speed = speed
        self._monotonic = monotonic
        self._since: float | None = None

    def run(self) -> None:
        """Start it; again, and it goes back to the start."""
        self._since = self._monotonic()

    def elapsed(self) -> float:
        """Real seconds since it was started."""
        return 0.0 if self._since is None else self._monotonic() - self._since

    def now(self) -> int:
        """Exchange time, ms."""
        now = self._start + int(self.elapsed() * 1000 * self._speed)
        return now if self._end is None else min(now, self._end)

    def unhurried(self) -> int:
        """What exchange time would be at the pace of real time, ms: the exchange's
        limits hold in real minutes."""
        return self._start + int(self.elapsed() * 1000)
