"""Where the exchange's candles of one stream begin. Pure.

Candles from before the symbol was listed, or before its first trade, are asked for in
vain: their absence is no gap. One answer is not enough to tell early candles from
missing candles, since REST lags behind; two answers that begin with the same candle are
enough.
"""

from __future__ import annotations

import math

from klinetail.clock import Moment
from klinetail.contract.finality import SETTLED


class Listed:
    """What frames and answers show of the exchange's first candle, while nothing was
    delivered yet."""

    __slots__ = ("begins", "shown")

    def __init__(self) -> None:
        self.shown = math.inf
        """The earliest awaited candle (open time, ms) with a frame, or with a row,
        however bad."""
        self.begins: int | None = None
        """The beginning of the exchange's candles (open time, ms) by the last answer
        that told the beginning, while the beginning is in question."""

    def show(self, open_time: int) -> None:
        """Take note of a frame or a bad row of the candle that opens at a time (ms)."""
        self.shown = min(self.shown, open_time)

    def moved_on(self) -> None:
        """Another candle is awaited from now on."""
        self.begins = None

    def is_young(self, begins: int, asked: Moment) -> bool:
        """Return whether candles before the candle that opens at `begins` (ms) may
        still come later, since REST lags.

        Args:
            begins: the first candle of the answer.
            asked: when the request was sent.
        """
        return asked.confirmed < begins - 1 + SETTLED

    def settle(self, begins: int) -> bool | None:
        """Take in that an answer begins with the candle that opens at `begins` (ms).

        Returns:
            True if two answers agree on the candle; None if the answer is the first
            that tells a candle; False if the candle differs from the candle of the
            answer before. Answers that never agree keep nothing back for ever.
        """
        before, self.begins = self.begins, begins
        return None if before is None else before == begins
