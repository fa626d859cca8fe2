"""Figures as people read them: percentages, spans of time, sparklines.

All in `Decimal` and integers: what is shown of a price is never a float.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation, localcontext
from typing import Final

from klinetail.candle import Candle
from klinetail.view.theme import DOWN, QUIET, UP, Glyphs

_CENT: Final = Decimal("0.01")
_HUNDRED: Final = Decimal(100)
_EXACT: Final = 60  # digits: more than any difference of two prices has


def direction(candle: Candle) -> int:
    """1 if it closed above its open, -1 below, 0 level."""
    return (candle.close > candle.open) - (candle.close < candle.open)


def change(candle: Candle, glyphs: Glyphs) -> tuple[str, str]:
    """Change from the candle's open with its arrow, and the style of both."""
    way = direction(candle)
    arrow = (glyphs.flat, glyphs.up, glyphs.down)[way]
    return f"{arrow} {percent(candle.open, candle.close)}", (QUIET, UP, DOWN)[way]


def percent(start: Decimal, end: Decimal) -> str:
    """`+1.25%`; a change that cannot be one is `?`."""
    try:
        share = (end - start) * _HUNDRED / start
        if abs(share) >= 1_000_000:
            return f"{share:+.1e}%"
        if abs(share) >= 1_000:
            return f"{share.quantize(Decimal(1)):+f}%"
        rounded = share.quantize(_CENT)
    except (InvalidOperation, ZeroDivisionError):
        return "?"
    return f"{rounded:+f}%" if share else "0.00%"


def span(milliseconds: int) -> str:
    """A span of time: `0:07`, `12:03`, `3:12:03`, `2d 03h`."""
    seconds = max(milliseconds, 0) // 1000
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d {hours % 24:02}h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def left(candle: Candle, exchange_time: int | None) -> int | None:
    """Milliseconds until `candle` closes, rounded up to whole seconds.

    None if the exchange's time is not known; zero or less once it is due.
    """
    if exchange_time is None:
        return None
    return -((exchange_time - candle.close_time - 1) // 1000) * 1000


def phase(candle: Candle, exchange_time: int | None, glyphs: Glyphs) -> str:
    """The glyph of a forming candle's progress."""
    length = candle.close_time + 1 - candle.open_time
    passed = 0 if exchange_time is None else exchange_time - candle.open_time
    index = passed * len(glyphs.phases) // max(length, 1)
    return glyphs.phases[min(max(index, 0), len(glyphs.phases) - 1)]


def sparkline(values: Sequence[Decimal], glyphs: Glyphs) -> str:
    """One glyph a value, scaled from the lowest to the highest of them."""
    if not values:
        return ""
    low, high = min(values), max(values)
    steps = len(glyphs.spark) - 1
    if low == high:
        return glyphs.spark[steps // 2] * len(values)
    with localcontext(prec=_EXACT):
        bounds = [low * steps + (high - low) * step for step in range(1, steps + 1)]
        return "".join(
            glyphs.spark[bisect.bisect_right(bounds, value * steps)] for value in values
        )
