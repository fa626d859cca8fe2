"""When a REST row is final: the exchange's REST lags behind its own stream. Pure.

A row is believed when it is 30 s old and a later row stands behind it, or when two
answers at least 20 s apart show it alike.
"""

from __future__ import annotations

from typing import Final

from klinetail.candle import Candle
from klinetail.clock import Moment

NOTICE: Final = 1.0
"""Real seconds that must pass besides, and between two answers: a fast clock outruns
a socket."""

SETTLED: Final = 30_000
"""A REST row younger than this (ms after its close) must be seen twice: REST lags."""

CONFIRM: Final = 20_000
"""How far apart (ms of exchange time) two equal answers confirm a row. REST has shown
a closed candle unfinished for so long, with and without a later row."""


class Finality:
    """What REST has shown of the candles that are not final yet."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: dict[int, tuple[Candle, Moment]] = {}
        """By open time, the row and when it was asked for."""

    def forget(self, open_time: int) -> None:
        """The candle was delivered: it needs no second look."""
        self.seen.pop(open_time, None)

    def forget_range(self, start: int, end: int) -> None:
        """The candles that open in [start, end), both in ms, were delivered."""
        if self.seen:
            for open_time in [time for time in self.seen if start <= time < end]:
                del self.seen[open_time]

    def is_final(self, row: Candle, later: bool, asked: Moment) -> bool:
        """Whether a row will not change any more; else it is remembered.

        Args:
            row: of an answer.
            later: whether a later row stands behind it in the same answer.
            asked: when the request was sent.
        """
        age = asked.confirmed - row.close_time
        if age <= 0:
            return False
        if later and age >= SETTLED:
            return True
        seen = self.seen.get(row.open_time)
        if seen is None or seen[0].texts != row.texts or seen[0].count != row.count:
            self.seen[row.open_time] = (row, asked)
            return False
        confirmed = (
            asked.confirmed >= seen[1].confirmed + CONFIRM
            and asked.monotonic >= seen[1].monotonic + NOTICE
        )
        return confirmed and (later or age >= SETTLED)

    def is_new(self, open_time: int, asked: Moment) -> bool:
        """Whether no answer before this one has shown a row, not final yet, alike."""
        seen = self.seen.get(open_time)
        return seen is not None and seen[1] is asked

    def ask_from(self, open_time: int, close: int, asked: Moment) -> int | None:
        """Exchange time (ms) at which a further answer can tell more about a row that
        was seen already; None if it was never seen."""
        if (seen := self.seen.get(open_time)) is None:
            return None
        telling = (seen[1].exchange + CONFIRM, close + SETTLED)
        return min((t for t in telling if t > asked.exchange), default=0)
