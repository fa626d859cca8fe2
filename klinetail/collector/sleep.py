"""Sleep: noticing that this machine was suspended or this process was stopped.

After a sleep connections may be dead, closes were missed, and the clock stood still.
"""

from __future__ import annotations

import time
from typing import Final

PULSE: Final = 5.0
"""Seconds between two looks at the clocks, at most."""


def slept() -> float:
    """Return the seconds for which this machine was suspended, or 0 on systems that do
    not tell."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


class SleepWatch:
    """Compares two clocks with their values at the last look. Pure.

    Args:
        now: monotonic seconds.
        slept: seconds of suspension up to now.
    """

    def __init__(self, now: float, slept: float) -> None:
        self._now = now
        """Monotonic seconds at the last look."""
        self._slept = slept
        """Seconds of suspension at the last look."""

    def woke(self, now: float, slept: float) -> bool:
        """Whether there was a sleep since the last look; arguments as for the
        constructor."""
        stopped = now - self._now >= 2 * PULSE
        suspended = slept - self._slept >= PULSE
        self._now, self._slept = now, slept
        return stopped or suspended
