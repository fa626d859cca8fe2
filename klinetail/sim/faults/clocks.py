"""The errors of a wrong exchange clock. Pure."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from klinetail.candle import HOUR

SMALLEST: Final = 5_000
"""The smallest error, ms: an answer's travel time can explain smaller differences."""

GREATEST: Final = 12 * HOUR
"""The greatest error, ms."""


def error(random: Random) -> int:
    """Return an error in ms, positive for a clock ahead.

    The sign is even, and the size log-uniform: 5 s to 50 s is as frequent as 8 min to
    80 min, because errors of seconds must be found as much as errors of hours.
    """
    drawn = random.uniform(-1, 1)
    size = SMALLEST * (GREATEST / SMALLEST) ** abs(drawn)
    return round(math.copysign(size, drawn))
