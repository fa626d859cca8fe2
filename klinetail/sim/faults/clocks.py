"""How far an exchange's clock is wrong that lies. Pure."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from klinetail.candle import HOUR

SMALLEST: Final = 5_000
"""The smallest error, ms: less than that the way of an answer can take."""

GREATEST: Final = 12 * HOUR
"""The greatest error, ms."""


def error(random: Random) -> int:
    """An error in ms, over 0 for a clock that is ahead. It is as often ahead as
    behind, and as often between 5 s and 50 s as between 8 min and 80 min: an error of
    seconds has to be found as much as one of hours."""
    drawn = random.uniform(-1, 1)
    size = SMALLEST * (GREATEST / SMALLEST) ** abs(drawn)
    return round(math.copysign(size, drawn))
