"""The decision when a REST row is final: REST answers lag behind the stream. Pure.

A row is final when the row is 30 s old and a later row follows in the same answer. A
row with only one of the two properties is final when two answers at least 20 s apart
show equal values.
"""

from __future__ import annotations

from typing import Final

from klinetail.candle import Candle
from klinetail.clock import Moment

NOTICE: Final = 1.0
"""Real seconds to wait between two confirming answers, in addition to exchange time:
the clock of a simulated exchange can run faster than a socket delivers."""

SETTLED: Final = 30_000
"""A row younger than this (ms after the close) needs two equal answers: REST lags."""

CONFIRM: Final = 20_000
"""Milliseconds of exchange time between two equal answers that confirm a row. REST
answers were seen to show a closed candle unfinished for up to 20 s, with and without a
later row."""


class Finality:
    """The rows shown by REST for candles not final yet."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: dict[int, tuple[Candle, Moment]] = {}
        """The row and the moment of the request, by open time (ms)."""

    def forget(self, open_time: int) -> None:
        """Drop a delivered candle's row: the row needs no second answer."""
        self.seen.pop(open_time, None)

    def forget_range(self, start: int, end: int) -> None:
        """The candles that open in [start, end), both in ms, were delivered."""
        if self.seen:
            for open_time in [time for time in self.seen if start <= time < end]:
                del self.seen[open_time]

    def is_final(self, row: Candle, later: bool, asked: Moment) -> bool:
        """Return whether a row is final; remember a row that is not.

        Args:
            row: a row of an answer.
            later: whether a later row follows in the same answer.
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
        """Return whether the answer was the first to show a row, not final yet, with
        its values."""
        seen = self.seen.get(open_time)
        return seen is not None and seen[1] is asked

    def ask_from(self, open_time: int, close: int, asked: Moment) -> int | None:
        """Return the exchange time (ms) of the next useful request for a row; None if
        no answer has shown the row."""
        if (seen := self.seen.get(open_time)) is None:
            return None
        telling = (seen[1].exchange + CONFIRM, close + SETTLED)
        return min((t for t in telling if t > asked.exchange), default=0)
