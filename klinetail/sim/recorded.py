"""A market of recorded candles; the updates between the closes are interpolated."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from klinetail.candle import DAY, MINUTE, Candle, Interval
from klinetail.errors import BadRecording
from klinetail.sim.bars import Bar, BarBlock, Steps, flat
from klinetail.sim.history import History, Instrument
from klinetail.sim.market import HistoryMarket
from klinetail.sim.pushes import LATEST

HISTORY: Final = 2 * DAY
"""The most of the recordings that is past when a run begins, ms."""


class Recorded(HistoryMarket):
    """The market of recorded candles.

    The shortest interval of each symbol is used, with the recorded digits; longer
    intervals are joined from the shortest. Forming candles are ignored. Of two
    recordings of a candle the later counts; the label tells how many candles were
    recorded with different values. A missing candle is served as a candle without
    trades. A run begins two days after the first candle, or half-way if sooner.

    Args:
        candles: the recorded candles, in any order.

    Raises:
        BadRecording: no candle is closed.
    """

    def __init__(self, candles: Iterable[Candle]) -> None:
        tapes: dict[str, _Tape] = {}
        for candle in candles:
            if not candle.closed:
                continue
            tape = tapes.get(candle.symbol)
            if tape is None or _shorter(candle.interval, tape.interval):
                tape = tapes[candle.symbol] = _Tape(candle.interval)
            if tape.interval is candle.interval:
                tape.add(candle)
        if not tapes:
            raise BadRecording("the recordings hold no closed candle")
        histories = {symbol: tapes[symbol].history(symbol) for symbol in sorted(tapes)}
        missing = sum(tape.missing for tape in tapes.values())
        """The number of missing candles."""
        differing = sum(len(tape.differing) for tape in tapes.values())
        first = min(history.instrument.first for history in histories.values())
        end = max(tape.end for tape in tapes.values())
        start = first + min((end - first) // 2, HISTORY)
        super().__init__(
            histories,
            start=max(first, start - start % MINUTE),
            end=end + LATEST + 1,
            label=_label(histories, missing, differing),
        )
        self.missing = missing
        """The number of candles that the recordings lack."""
        self.differing = differing
        """The number of candles recorded more than once, with different values."""


def _label(histories: Mapping[str, History], missing: int, differing: int) -> str:
    """Return the description of the market."""
    names = [*histories]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    label = f"recordings of {', '.join(names[:5])}{more}"
    label += ", the updates between closes interpolated"
    if missing:
        label += f", {missing} missing candles served as empty ones"
    if differing:
        label += (
            f", {differing} candles recorded with different values, the last served"
        )
    return label


def _shorter(one: Interval, other: Interval) -> bool:
    """Return whether the first interval is shorter than the second."""
    order = [*Interval]
    return order.index(one) < order.index(other)


class _Tape:
    """The rows of one symbol, as compact text."""

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        """The interval of the rows."""
        self._rows: dict[int, str] = {}
        """The values as text, separated by commas, by open time (ms)."""
        self.differing: set[int] = set()
        """The open times (ms) of candles added with different values."""
        self._times = array("q")
        """The open times (ms), ascending."""
        self._decimals = [(0, 0), (0, 0), (0, 0)]
        """The greatest numbers of decimals of prices, volumes and quote volumes, as
        from `_decimals`."""

    def add(self, candle: Candle) -> None:
        """Add a closed candle."""
        *prices, volume, quote, taker, taker_quote = candle.texts
        amounts = (volume, quote, str(candle.count), taker, taker_quote)
        row = ",".join((*prices, *amounts))
        known = self._rows.setdefault(candle.open_time, row)
        if known != row:
            if _bar(known) != _bar(row):
                self.differing.add(candle.open_time)
            self._rows[candle.open_time] = row
        for kind, texts in enumerate((prices, (volume,), (quote,))):
            for text in texts:
                self._widen(kind, *_decimals(text))

    def _widen(self, kind: int, significant: int, written: int) -> None:
        """Note the decimals of a number of some kind."""
        known = self._decimals[kind]
        if significant > known[0] or written > known[1]:
            widest = max(significant, known[0]), max(written, known[1])
            self._decimals[kind] = widest

    @property
    def end(self) -> int:
        """The open time (ms) after the last candle."""
        return self.interval.close_time(max(self._rows)) + 1

    @property
    def missing(self) -> int:
        """The number of candles missing between the first and the last."""
        return self.interval.steps(min(self._rows), self.end) - len(self._rows)

    def history(self, symbol: str) -> History:
        """Return the history of the recorded candles."""
        self._times = array("q", sorted(self._rows))
        price, volume, quote = (_step(*decimals) for decimals in self._decimals)
        steps = Steps(price, volume, quote)
        first = self._times[0]
        instrument = Instrument(symbol, steps, self.interval, first, self.end)
        return History(instrument, self._block, kept=16)

    def _block(self, start: int) -> BarBlock:
        """Return the block of candles beginning at `start`."""
        length = self.interval.length
        short = length is not None and length <= DAY
        stop = start + DAY if short else start + 1
        bars: list[Bar] = []
        time = start
        before = self._close_before(start)
        while time < stop:
            row = self._rows.get(time)
            bar = flat(before) if row is None else _bar(row)
            bars.append(bar)
            before = bar.close
            time = self.interval.shift(time, 1)
        return BarBlock(bars)

    def _close_before(self, time: int) -> Decimal:
        """Return the last close before `time` (ms), or the first open."""
        index = bisect_left(self._times, time)
        if index == 0:
            return _bar(self._rows[self._times[0]]).open
        return _bar(self._rows[self._times[index - 1]]).close


def _bar(row: str) -> Bar:
    """Return the bar of a row."""
    o, h, l, c, v, q, n, tv, tq = row.split(",")  # noqa: E741
    d = Decimal
    return Bar(d(o), d(h), d(l), d(c), d(v), d(q), int(n), d(tv), d(tq))


def _decimals(text: str) -> tuple[int, int]:
    """Return the number of decimals of a number, without and with trailing zeros."""
    digits = text.partition(".")[2]
    return len(digits.rstrip("0")), len(digits)


def _step(significant: int, written: int) -> Decimal:
    """Return the step of 10 to the minus `significant`, written with `written`
    decimals."""
    return Decimal(10 ** (written - significant)).scaleb(-written)
