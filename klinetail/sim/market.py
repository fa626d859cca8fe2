"""Markets: the candles, rows and frames served by the embedded exchange. Pure.

A market has no clock and does no I/O. Questions about any moment of exchange time may
come in any order and from any thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from klinetail.candle import Candle, Interval, Stream
from klinetail.errors import UnknownSymbol
from klinetail.sim.history import History, Instrument
from klinetail.sim.pushes import pushes, quiet


class Market(Protocol):
    """A market; times are ms of exchange time."""

    @property
    def label(self) -> str:
        """A description of the market, in words that rule out the real exchange."""

    @property
    def start(self) -> int:
        """The exchange time at which a run begins by default."""

    @property
    def end(self) -> int | None:
        """The exchange time at which all activity ends, or None."""

    @property
    def instruments(self) -> Collection[Instrument]:
        """The listed symbols, traded or not."""

    def intervals(self, symbol: str) -> frozenset[Interval]:
        """Return the intervals with candles; none for a symbol not listed."""

    def klines(
        self,
        stream: Stream,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now: int,
    ) -> list[Candle]:
        """Return the REST rows at exchange time `now`, ascending by open time.

        Both bounds are inclusive open times. With `start` the rows begin at the bound,
        else the rows are the latest up to `end`. A row of the current candle is still
        forming (`closed` is False).

        Raises:
            UnknownSymbol: the symbol is not listed.
        """

    def pushes(
        self, streams: Collection[Stream], after: int, until: int
    ) -> list[Candle]:
        """Return the frames with an event time in (after, until], by event time.

        All closing frames are returned, but of a long span only the last forming update
        of each stream. Unknown streams have no frames.
        """


class HistoryMarket:
    """A market made of the histories of instruments.

    Args:
        histories: the histories by symbol.
        start: exchange time (ms) at which a run begins.
        end: exchange time (ms) at which all activity ends, or None.
        label: a description of the market.
    """

    def __init__(
        self,
        histories: Mapping[str, History],
        *,
        start: int,
        end: int | None,
        label: str,
    ) -> None:
        self._histories = histories
        """The histories by symbol."""
        self._quiet: dict[Stream, tuple[int, int]] = {}
        """The beginning and end (ms) of a known period without frames, by stream."""
        self.start = start
        """The exchange time (ms) at which a run begins."""
        self.end = end
        """The exchange time (ms) at which all activity ends, or None."""
        self.label = label
        """A description of the market."""

    @property
    def instruments(self) -> list[Instrument]:
        return [history.instrument for history in self._histories.values()]

    def intervals(self, symbol: str) -> frozenset[Interval]:
        history = self._histories.get(symbol)
        return frozenset() if history is None else history.intervals

    def klines(
        self,
        stream: Stream,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now: int,
    ) -> list[Candle]:
        history = self._histories.get(stream.symbol)
        if history is None:
            raise UnknownSymbol(stream.symbol)
        if stream.interval not in history.intervals:
            return []
        return history.rows(stream.interval, start, end, limit, now)

    def pushes(
        self, streams: Collection[Stream], after: int, until: int
    ) -> list[Candle]:
        frames: list[Candle] = []
        for stream in streams:
            since, quiet_until = self._quiet.get(stream, (0, 0))
            if since <= after and until <= quiet_until:
                continue
            history = self._histories.get(stream.symbol)
            if history is not None and stream.interval in history.intervals:
                frames += pushes(history, stream, after, until)
                self._quiet[stream] = until, quiet(history, stream, until)
        frames.sort(key=lambda frame: frame.event_time)
        return frames
