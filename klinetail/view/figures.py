"""Figures as people read them: percentages, spans of time, sparklines.

All figures are computed from `Decimal` and integers. A price never becomes a float.
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
_EXACT: Final = 60
"""Digits of precision: more than the difference of any two prices has."""


def direction(candle: Candle) -> int:
    """Return 1 if the close is above the open, -1 if below, 0 if both are equal."""
    return (candle.close > candle.open) - (candle.close < candle.open)


def change(candle: Candle, glyphs: Glyphs) -> tuple[str, str]:
    """Return the change from the open with an arrow, and the style of the direction."""
    way = direction(candle)
    arrow = (glyphs.flat, glyphs.up, glyphs.down)[way]
    return f"{arrow} {percent(candle.open, candle.close)}", (QUIET, UP, DOWN)[way]


def percent(start: Decimal, end: Decimal) -> str:
    """Return the change from `start` to `end` as a percentage, such as `+1.25%`.

    The text is `?` if `start` is zero.
    """
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
    """Return a span of time as text: `0:07`, `12:03`, `3:12:03`, `2d 03h`."""
    seconds = max(milliseconds, 0) // 1000
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d {hours % 24:02}h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def left(candle: Candle, exchange_time: int | None) -> int | None:
    """Return the milliseconds until `candle` closes, rounded up to whole seconds.

    The number is zero or negative once the close is due. The result is None while the
    exchange's time (ms) is unknown.
    """
    if exchange_time is None:
        return None
    return -((exchange_time - candle.close_time - 1) // 1000) * 1000


def phase(candle: Candle, exchange_time: int | None, glyphs: Glyphs) -> str:
    """Return the glyph that shows how far a forming candle has progressed."""
    length = candle.close_time + 1 - candle.open_time
    passed = 0 if exchange_time is None else exchange_time - candle.open_time
    index = passed * len(glyphs.phases) // max(length, 1)
    return glyphs.phases[min(max(index, 0), len(glyphs.phases) - 1)]


def sparkline(values: Sequence[Decimal], glyphs: Glyphs) -> str:
    """Return one glyph for each value, scaled from the lowest to the highest value."""
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
