"""Where the exchange's candles of one stream begin. Pure.

Candles from before the symbol was listed, or before its first trade, are asked for in
vain: they are no gap. One answer is not enough to tell them from candles that are
missing, since REST lags behind; two answers that begin with the same candle are.
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
        """The earliest awaited candle (open time, ms) that there was a frame of, or a
        row, however bad."""
        self.begins: int | None = None
        """Where the exchange's candles begin (open time, ms) by the last answer that
        told it, while that is in question."""

    def show(self, open_time: int) -> None:
        """A frame of the candle that opens then (ms) came, or a bad row."""
        self.shown = min(self.shown, open_time)

    def moved_on(self) -> None:
        """Another candle is awaited from now on."""
        self.begins = None

    def is_young(self, begins: int, asked: Moment) -> bool:
        """Whether candles before the one that opens at `begins` (ms) may still be
        there later, since REST lags.

        Args:
            begins: the first candle of the answer.
            asked: when the request was sent.
        """
        return asked.confirmed < begins - 1 + SETTLED

    def settle(self, begins: int) -> bool | None:
        """Take in that an answer begins with the candle that opens at `begins` (ms).

        Returns:
            True if two answers agree on it; None if this is the first one that tells;
            False if it differs from the one before. Answers that never agree keep
            nothing back for ever.
        """
        before, self.begins = self.begins, begins
        return None if before is None else before == begins
