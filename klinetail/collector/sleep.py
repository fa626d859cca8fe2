"""Sleep: noticing that this machine was suspended or this process stopped.

Afterwards nothing is as it was: the lines may be dead, closes were missed, and the
clock stood still.
"""

from __future__ import annotations

import time
from typing import Final

PULSE: Final = 5.0
"""Seconds after which to look again, at most."""


def slept() -> float:
    """Seconds that this machine was suspended, where the system tells."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


class SleepWatch:
    """Compares two clocks with what they were when last looked at. Pure.

    Args:
        now: monotonic seconds.
        slept: seconds of suspension so far.
    """

    def __init__(self, now: float, slept: float) -> None:
        self._now = now
        self._slept = slept

    def woke(self, now: float, slept: float) -> bool:
        """Whether there was a sleep since the last look; arguments as at first."""
        stopped = now - self._now >= 2 * PULSE
        suspended = slept - self._slept >= PULSE
        self._now, self._slept = now, slept
        return stopped or suspended
