"""Plain: one short line of words a candle, for a person or a screen reader.

    14:56 BTCUSDT 1m close 43080.80 up 0.07% high 43085.10 low 43052.10 vol 139.861

Words carry the meaning, without glyphs, colours or columns. Prices and volume are the
exchange's digits. Plain lines are not read back: the times lack a date.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import Final

from klinetail import times
from klinetail.candle import Candle

_SMALL: Final = Decimal("0.01")
"""The smallest change (percent) shown with two decimals; smaller changes need more."""


class Plain:
    """The plain format in one time zone.

    Args:
        tz: the time zone of the times shown.
    """

    HEADER = b""

    def __init__(self, tz: tzinfo) -> None:
        self._tz = tz

    def line(self, candle: Candle) -> str:
        """Return the candle as a line."""
        interval = candle.interval
        return (
            f"{times.clock(candle.open_time, interval, self._tz)}"
            f" {candle.symbol} {interval} {'close' if candle.closed else 'forming'}"
            f" {candle.close_text} {change(candle.open, candle.close)}"
            f" high {candle.high_text} low {candle.low_text}"
            f" vol {candle.volume_text}\n"
        )

    def encode(self, candles: Sequence[Candle]) -> bytes:
        """Return the candles as lines."""
        return "".join(map(self.line, candles)).encode()


def change(start: Decimal, end: Decimal) -> str:
    """Return a price change in words: `up 0.07%`, `down 12.50%`, `unchanged`.

    A change has two decimals, or two significant digits below 0.01 %: `up 0.0034%`. A
    change from 0 has no percentage: `up`.
    """
    if start == end:
        return "unchanged"
    way = "up" if end > start else "down"
    if not start:
        return way
    share = abs(end - start) * 100 / start
    places = 2 if share >= _SMALL else 1 - share.adjusted()
    return f"{way} {share:.{places}f}%"
