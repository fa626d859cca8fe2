"""The candles of one instrument, in every interval and at every moment. Pure.

Exchange time is an argument of each question, and equal questions have equal answers.
All state is a cache.
"""

from __future__ import annotations

import enum
import functools
import zlib
from collections.abc import Callable, Iterator

import msgspec

from klinetail.candle import DAY, Candle, Interval, Stream
from klinetail.sim.bars import Bar, Block, Steps, candle, flat, join, partial


class Afterlife(enum.Enum):
    """The rows and frames of a symbol after the last trade."""

    NOTHING = enum.auto()
    """No rows and no frames, as for a delisted symbol."""
    ROWS = enum.auto()
    """Rows without trades, as the exchange was seen to answer for up to 25 days."""
    PUSHES = enum.auto()
    """Rows without trades, and frames of the closes."""


class Instrument(msgspec.Struct, frozen=True):
    """A symbol in the exchange's list. Times are ms of exchange time."""

    symbol: str
    steps: Steps
    """The smallest changes of prices and volumes."""
    base: Interval
    """The shortest interval with candles."""
    first: int
    """The open time of the first candle."""
    end: int | None = None
    """The time by which the last candle with possible trades has closed, or None."""
    afterlife: Afterlife = Afterlife.NOTHING
    """The rows and frames from `end` on."""
    announced: int = 0
    """The time from which the list of symbols names `end` as the delivery date."""
    statuses: tuple[tuple[int, str], ...] = ()
    """Pairs of a time and the status from then on, ascending, in place of the usual
    statuses."""

    def status(self, now: int) -> str:
        """Return the status in the list of symbols at exchange time `now` (ms)."""
        given = [status for time, status in self.statuses if time <= now]
        if given:
            return given[-1]
        if now < self.first:
            return "PENDING_TRADING"
        return "TRADING" if self.end is None or now < self.end else "SETTLING"


def composes(base: Interval, interval: Interval) -> bool:
    """Return whether candles of `interval` consist of whole candles of `base`."""
    if base is interval:
        return True
    if base.length is None or base.length > DAY:
        return False
    if interval.length is None or interval.length > DAY:
        return True
    return interval.length > base.length and interval.length % base.length == 0


class History:
    """The candles of one instrument.

    Args:
        instrument: the instrument.
        block: a pure function that returns the block of base candles beginning at an
            open time: a UTC day's, or a single candle if the base is longer than a day.
        kept: the number of blocks to cache.
    """

    def __init__(
        self, instrument: Instrument, block: Callable[[int], Block], *, kept: int
    ) -> None:
        self.instrument = instrument
        """The instrument."""
        base = instrument.base
        self.intervals = frozenset(i for i in Interval if composes(base, i))
        """The intervals with candles."""
        self._anchor = instrument.first if base is Interval.D3 else None
        """An open time of 3d candles, if the base is 3d."""
        short = base.length is not None and base.length <= DAY
        self._unit = Interval.D1 if short else base
        """The interval of a block: a day, or the base interval if longer."""
        self._block = functools.lru_cache(kept)(block)
        """Returns a block, from the cache if possible."""
        self._whole = functools.lru_cache(8192)(self._whole_block)
        """Returns the bar of a whole block, from the cache if possible."""
        self._past: dict[Interval, tuple[int, int, Bar]] = {}
        """The closed base candles joined last, by interval: open time, end and bar."""

    def floor(self, interval: Interval, time: int) -> int:
        """Return the open time (ms) of the candle covering `time` (ms)."""
        return interval.floor(time, self._anchor if interval is Interval.D3 else None)

    def exists(self, time: int) -> bool:
        """Return whether the instrument trades at `time` (ms)."""
        end = self.instrument.end
        return self.instrument.first <= time and (end is None or time < end)

    def closed(self, interval: Interval, open_time: int) -> Bar:
        """Return the final values of the candle opening at `open_time` (ms), an
        existing candle."""
        return self._range(open_time, interval.shift(open_time, 1))

    def forming(self, interval: Interval, time: int) -> Bar:
        """Return the candle covering `time` (ms), with the trades up to `time`."""
        open_time = self.floor(interval, time)
        base_open = self.floor(self.instrument.base, time)
        if not self.exists(base_open):
            return self._range(open_time, base_open)
        bar = self.closed(self.instrument.base, base_open)
        done = self._done(bar, base_open, time)
        if base_open <= max(open_time, self.instrument.first):
            return partial(bar, done, self.instrument.steps)
        past = self._before(interval, open_time, base_open)
        if not done:
            return past
        return join([past, partial(bar, done, self.instrument.steps)])

    def trades(self, interval: Interval, time: int) -> int:
        """Return the number of trades in the result of `forming`."""
        open_time = self.floor(interval, time)
        base_open = self.floor(self.instrument.base, time)
        bar = self.closed(self.instrument.base, base_open)
        done = self._done(bar, base_open, time)
        if base_open <= max(open_time, self.instrument.first):
            return done
        return self._before(interval, open_time, base_open).trades + done

    def rows(
        self,
        interval: Interval,
        start: int | None,
        end: int | None,
        limit: int,
        now: int,
    ) -> list[Candle]:
        """Return the REST rows at exchange time `now`; the last row may still be
        forming.

        Args:
            interval: the interval of the rows.
            start: least open time, ms; None for the latest rows.
            end: greatest open time, ms; None for no bound.
            limit: the number of rows at most.
            now: exchange time, ms.
        """
        stream = Stream(self.instrument.symbol, interval)
        return [
            candle(
                stream,
                open_time,
                self.closed(interval, open_time)
                if (closed := interval.close_time(open_time) < now)
                else self.forming(interval, now),
                event_time=0,
                closed=closed,
            )
            for open_time in self._open_times(interval, start, end, limit, now)
        ]

    def _open_times(
        self,
        interval: Interval,
        start: int | None,
        end: int | None,
        limit: int,
        now: int,
    ) -> Iterator[int]:
        """Yield the open times of the rows, ascending."""
        first, last = self.instrument.first, self.instrument.end
        if now < first:
            return
        if self.instrument.afterlife is not Afterlife.NOTHING:
            last = None
        low = self.floor(interval, first)
        high = self.floor(interval, now if last is None else min(now, last - 1))
        if end is not None and end < high:
            if end < low:
                return
            high = self.floor(interval, end)
        if start is None:
            low = max(low, interval.shift(high, 1 - limit))
        elif start > low:
            if start > high:
                return
            low = self.floor(interval, start)
            low = low if low == start else interval.shift(low, 1)
        for _ in range(limit):
            if low > high:
                return
            yield low
            low = interval.shift(low, 1)

    def next_trade(self, time: int) -> int:
        """Return a lower bound (ms) of the next time at which `trades` changes after
        `time`."""
        base_open = self.floor(self.instrument.base, time)
        end = self.instrument.base.shift(base_open, 1)
        bar = self.closed(self.instrument.base, base_open)
        awaited = self._done(bar, base_open, time) + 1
        if awaited > bar.trades:
            return end
        length = end - base_open
        needed = awaited * length - self._phase(base_open, length)
        return base_open - -needed // bar.trades

    def _done(self, bar: Bar, open_time: int, time: int) -> int:
        """Return the trades of a base candle up to `time` (ms)."""
        length = self.instrument.base.shift(open_time, 1) - open_time
        phase = self._phase(open_time, length)
        return (bar.trades * (time - open_time) + phase) // length

    def _phase(self, open_time: int, length: int) -> int:
        """Return the offset (ms) of a base candle's trades, different for each
        candle."""
        name = f"{self.instrument.symbol}/{open_time}"
        return zlib.crc32(name.encode()) % length

    def _before(self, interval: Interval, open_time: int, time: int) -> Bar:
        """Return the joined base candles closed before `time`; cached for repeated
        calls."""
        known = self._past.get(interval)
        if known is not None and known[:2] == (open_time, time):
            return known[2]
        bar = self._range(open_time, time)
        self._past[interval] = (open_time, time, bar)
        return bar

    def _range(self, start: int, stop: int) -> Bar:
        """Return the joined base candles in [start, stop)."""
        start = max(start, self.instrument.first)
        if (end := self.instrument.end) is not None:
            if start >= end:
                return self._flat
            stop = min(stop, end)
        bars: list[Bar] = []
        while start < stop:
            begin = self._unit.floor(start, self._anchor)
            after = self._unit.shift(begin, 1)
            upto = min(stop, after)
            if (start, upto) == (begin, after):
                bars.append(self._whole(begin))
            else:
                slots = self.instrument.base.steps
                block = self._block(begin)
                bars.append(block.bar(slots(begin, start), slots(begin, upto)))
            start = upto
        return join(bars)

    @functools.cached_property
    def _flat(self) -> Bar:
        """The bar of every period after the last trade."""
        end = self.instrument.end
        assert end is not None  # noqa: S101 - only then there is an afterlife
        return flat(self._range(self.instrument.base.shift(end, -1), end).close)

    def _whole_block(self, begin: int) -> Bar:
        """Return the bar of the whole block beginning at `begin`."""
        base = self.instrument.base
        return self._block(begin).bar(0, base.steps(begin, self._unit.shift(begin, 1)))
