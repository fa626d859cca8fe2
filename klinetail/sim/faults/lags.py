"""A market with lagging rows: for a while, rows of closed candles are unfinished or
missing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from klinetail.candle import Candle, Interval, Stream
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.history import Instrument
from klinetail.sim.market import Market

LONGEST: Final = 19_000
"""The longest lag, ms of exchange time after the close."""

_SHORTEST: Final = 2_000
"""The shortest lag, ms of exchange time after the close."""
_UNSEEN: Final = 15_000
"""The longest period missing at the end of an unfinished candle, ms."""


class Lagging:
    """A market with wrong rows for up to `LONGEST` ms after the close.

    Stream and open time decide the lag of a candle and the way: the values stand still
    until final, with or without later rows; or the row and all later rows are missing.

    Args:
        market: the true market.
        chaos: the faults to inject.
    """

    def __init__(self, market: Market, chaos: Chaos) -> None:
        self._market = market
        """The true market."""
        self._chaos = chaos
        """The faults to inject."""
        self.label = market.label
        """A description of the market."""
        self.start = market.start
        """The exchange time (ms) at which a run begins."""
        self.end = market.end
        """The exchange time (ms) at which all activity ends, or None."""

    @property
    def instruments(self) -> Collection[Instrument]:
        return self._market.instruments

    def intervals(self, symbol: str) -> frozenset[Interval]:
        return self._market.intervals(symbol)

    def pushes(
        self, streams: Collection[Stream], after: int, until: int
    ) -> list[Candle]:
        return self._market.pushes(streams, after, until)

    def klines(
        self,
        stream: Stream,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now: int,
    ) -> list[Candle]:
        rows = self._market.klines(stream, start, end, limit, now=now)
        recent = len(rows)
        while recent and rows[recent - 1].close_time > now - LONGEST:
            recent -= 1
        shown = rows[:recent]
        for row in rows[recent:]:
            age = now - row.close_time
            if row.closed and self._absent(row, age):
                self._chaos.note("absent")
                break
            seen, alone = self._seen(row, age) if row.closed else (row, False)
            shown.append(seen)
            if alone:
                break
        return shown

    def _absent(self, row: Candle, age: int) -> bool:
        """Return whether a closed row of some age (ms) is missing."""
        random = self._chaos.strikes("absent", row.stream, row.open_time)
        return random is not None and age < random.randint(_SHORTEST, LONGEST)

    def _seen(self, row: Candle, age: int) -> tuple[Candle, bool]:
        """Return a closed row as shown at some age (ms), and whether later rows are
        missing."""
        random = self._chaos.strikes("lag", row.stream, row.open_time)
        if random is None or age >= random.randint(_SHORTEST, LONGEST):
            return row, False
        then = max(row.open_time, row.close_time - random.randint(1, _UNSEEN))
        alone = random.random() < 0.5
        seen = self._market.klines(
            row.stream, row.open_time, row.open_time, 1, now=then
        )
        if not seen or (seen[0].same_values(row) and not alone):
            return row, False
        self._chaos.note("lag")
        return seen[0], alone
