"""What the embedded exchange trades: the truth that the server tells.

Pure: no clock of its own, no I/O. A market answers any question about any moment of
exchange time, in any order and from any thread.
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
        """What it is, in words that say that it is not the real one."""

    @property
    def start(self) -> int:
        """When a run of it begins, unless asked otherwise."""

    @property
    def end(self) -> int | None:
        """From when on nothing happens any more, or None."""

    @property
    def instruments(self) -> Collection[Instrument]:
        """What is listed, traded or not."""

    def intervals(self, symbol: str) -> frozenset[Interval]:
        """The intervals there are candles of; none if the symbol is not listed."""

    def klines(
        self,
        stream: Stream,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now: int,
    ) -> list[Candle]:
        """The REST rows at exchange time `now`, ascending by open time.

        Both bounds are inclusive and mean open times. With `start` the rows go on
        from there, without it they are the latest ones up to `end`. The last row
        is still forming (`closed` is False) unless it is an old one.

        Raises:
            UnknownSymbol: it is not listed.
        """

    def pushes(
        self, streams: Collection[Stream], after: int, until: int
    ) -> list[Candle]:
        """The frames with an event time in (after, until], by event time.

        Closing frames are all there; of a long span, a stream's forming updates
        are only the last one. Streams that there are not stay silent.
        """


class HistoryMarket:
    """A market that consists of the histories of its instruments."""

    def __init__(
        self,
        histories: Mapping[str, History],
        *,
        start: int,
        end: int | None,
        label: str,
    ) -> None:
        self._histories = histories
        self._quiet: dict[Stream, tuple[int, int]] = {}
        """From and until when a stream is known to push nothing."""
        self.start = start
        self.end = end
        self.label = label

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
