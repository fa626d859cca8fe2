"""Every candle of one instrument, in every interval, at every moment.

Pure: the time comes in with each question, and the same question has the same
answer for ever. What is kept is a cache.
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
    """What comes of a symbol after its last trade."""

    NOTHING = enum.auto()
    """No rows and no frames, as of a symbol that is gone."""
    ROWS = enum.auto()
    """Rows without a trade, as the exchange answers for up to 25 days."""
    PUSHES = enum.auto()
    """Such rows, and their closes are pushed."""


class Instrument(msgspec.Struct, frozen=True):
    """What the exchange lists. Times are ms of exchange time."""

    symbol: str
    steps: Steps
    base: Interval
    """The shortest interval there are candles of."""
    first: int
    """When the first candle opens."""
    end: int | None = None
    """When the last candle that can have trades has closed, or None."""
    afterlife: Afterlife = Afterlife.NOTHING
    """What comes from `end` on."""
    announced: int = 0
    """From when on `exchangeInfo` says when `end` is."""
    statuses: tuple[tuple[int, str], ...] = ()
    """From when on which status is given, in this order, instead of the usual ones."""

    def status(self, now: int) -> str:
        """The status in `exchangeInfo` at exchange time `now`, ms."""
        given = [status for time, status in self.statuses if time <= now]
        if given:
            return given[-1]
        if now < self.first:
            return "PENDING_TRADING"
        return "TRADING" if self.end is None or now < self.end else "SETTLING"


def composes(base: Interval, interval: Interval) -> bool:
    """Whether candles of `interval` consist of whole ones of `base`."""
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
        instrument: what they are candles of.
        block: the block of base candles that begins at an open time: of a UTC
            day, or of one candle if the base is longer than a day. It must be a
            pure function.
        kept: how many blocks to keep in memory.
    """

    def __init__(
        self, instrument: Instrument, block: Callable[[int], Block], *, kept: int
    ) -> None:
        self.instrument = instrument
        base = instrument.base
        self.intervals = frozenset(i for i in Interval if composes(base, i))
        self._anchor = instrument.first if base is Interval.D3 else None
        short = base.length is not None and base.length <= DAY
        self._unit = Interval.D1 if short else base
        self._block = functools.lru_cache(kept)(block)
        self._whole = functools.lru_cache(8192)(self._whole_block)
        self._past: dict[Interval, tuple[int, int, Bar]] = {}

    def floor(self, interval: Interval, time: int) -> int:
        """The open time of the candle that `time` falls in."""
        return interval.floor(time, self._anchor if interval is Interval.D3 else None)

    def exists(self, time: int) -> bool:
        """Whether the instrument trades at `time`."""
        end = self.instrument.end
        return self.instrument.first <= time and (end is None or time < end)

    def closed(self, interval: Interval, open_time: int) -> Bar:
        """The final values of the candle that opens at `open_time`, which exists."""
        return self._range(open_time, interval.shift(open_time, 1))

    def forming(self, interval: Interval, time: int) -> Bar:
        """The candle that `time` falls in, with its trades up to `time`."""
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
        """The trades that `forming` would show."""
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
        """The REST rows at exchange time `now`; the last may still be forming.

        Args:
            start: least open time, ms. Without it the latest rows are meant.
            end: greatest open time, ms.
            limit: the most rows.
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
        """When `trades` next says something else than at `time`, at the earliest."""
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
        length = self.instrument.base.shift(open_time, 1) - open_time
        phase = self._phase(open_time, length)
        return (bar.trades * (time - open_time) + phase) // length

    def _phase(self, open_time: int, length: int) -> int:
        name = f"{self.instrument.symbol}/{open_time}"
        return zlib.crc32(name.encode()) % length

    def _before(self, interval: Interval, open_time: int, time: int) -> Bar:
        """What closed base candles of a forming one say; asked for again and again."""
        known = self._past.get(interval)
        if known is not None and known[:2] == (open_time, time):
            return known[2]
        bar = self._range(open_time, time)
        self._past[interval] = (open_time, time, bar)
        return bar

    def _range(self, start: int, stop: int) -> Bar:
        """What base candles in [start, stop) make together."""
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
        """What there is after the last trade."""
        end = self.instrument.end
        assert end is not None  # noqa: S101 - only then there is an afterlife
        return flat(self._range(self.instrument.base.shift(end, -1), end).close)

    def _whole_block(self, begin: int) -> Bar:
        base = self.instrument.base
        return self._block(begin).bar(0, base.steps(begin, self._unit.shift(begin, 1)))
