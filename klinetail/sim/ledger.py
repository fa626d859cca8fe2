"""The ledger: the candles that every client must end up with, for comparison.

The ledger holds every candle that closed while the symbol was traded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.sim.market import Market

_PAGE: Final = 1500
"""Rows that the market is asked for at once."""


class Ledger:
    """The closed candles of streams, each once, in the order of the closes.

    Args:
        market: the market.
        start: exchange time (ms) from which closes count.
    """

    def __init__(self, market: Market, start: int) -> None:
        self._market = market
        """The market."""
        self._start = start
        """The exchange time (ms) from which closes count."""
        self._next: dict[Stream, int] = {}
        """The open time (ms) of the next candle to enter, by stream."""
        self._ends = {one.symbol: one.end for one in market.instruments}
        """The end of trading (ms) or None, by symbol."""

    def entries(self, streams: Iterable[Stream], now: int) -> list[Candle]:
        """Return the candles of `streams` closed by `now` (ms) and not entered yet; for
        a new stream, all candles closed since the start."""
        found: list[Candle] = []
        for stream in streams:
            while rows := self._rows(stream, now):
                self._next[stream] = rows[-1].close_time + 1
                found += rows
        found.sort(key=lambda candle: (candle.close_time, candle.stream))
        return found

    def _rows(self, stream: Stream, now: int) -> list[Candle]:
        """Return the next page of a stream's entries; empty if complete."""
        open_time = self._next.get(stream)
        if open_time is None:
            if stream.interval not in self._market.intervals(stream.symbol):
                return []
            forming = self._market.klines(stream, limit=1, now=self._start)
            open_time = forming[-1].open_time if forming else self._start
            self._next[stream] = open_time
        if stream.interval.close_time(open_time) >= now:
            return []
        if (end := self._ends.get(stream.symbol)) is not None and open_time >= end:
            return []
        rows = self._market.klines(stream, open_time, None, _PAGE, now=now)
        return [
            row
            for row in rows
            if row.closed
            and row.close_time >= self._start
            and (end is None or row.open_time < end)
        ]
