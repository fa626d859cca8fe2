"""A market as a REST side shows it that lags behind: candles that just closed are
unfinished, or not there yet, for a while."""

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
_UNSEEN: Final = 15_000
"""The most that an unfinished candle lacks, ms."""


class Lagging:
    """`market`, with rows that are wrong for at most `LONGEST` after their close.

    How long a candle lags and in which way is decided by its stream and open time:
    its values stand still until they are final; later rows are there or not; or it
    is absent with everything later.
    """

    def __init__(self, market: Market, chaos: Chaos) -> None:
        self._market = market
        self._chaos = chaos
        self.label = market.label
        self.start = market.start
        self.end = market.end

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
        random = self._chaos.strikes("absent", row.stream, row.open_time)
        return random is not None and age < random.randint(_SHORTEST, LONGEST)

    def _seen(self, row: Candle, age: int) -> tuple[Candle, bool]:
        """A closed row as it is shown, and whether nothing later is."""
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
