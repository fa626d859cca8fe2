"""Candle values as exact numbers: joined into longer candles, and cut short while
forming.

A sum has the digits of its most precise summand. No value ever passes through a float.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Final, NamedTuple, Protocol

from klinetail.candle import Candle, Source, Stream

EXACT: Final = Context(prec=100)
"""A context with enough digits to never round a sum or product of candles."""


class Bar(NamedTuple):
    """The values of a candle, without the open time."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    """The number of trades."""
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal


class Steps(NamedTuple):
    """The smallest changes of an instrument's numbers, with the exchange's digits."""

    price: Decimal
    """The smallest change of a price, in the quote asset."""
    volume: Decimal
    """The smallest change of a volume, in the base asset."""
    quote_volume: Decimal
    """The smallest change of a quote volume, in the quote asset."""


def join(bars: Sequence[Bar]) -> Bar:
    """Return consecutive bars joined into a single bar.

    Args:
        bars: at least one bar.
    """
    if len(bars) == 1:
        return bars[0]
    zero = Decimal(0)
    with localcontext(EXACT):
        return Bar(
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            sum((bar.volume for bar in bars), zero),
            sum((bar.quote_volume for bar in bars), zero),
            sum(bar.trades for bar in bars),
            sum((bar.taker_buy_volume for bar in bars), zero),
            sum((bar.taker_buy_quote_volume for bar in bars), zero),
        )


def flat(price: Decimal) -> Bar:
    """Return the bar of a period without trades."""
    zero = Decimal(0)
    return Bar(price, price, price, price, zero, zero, 0, zero, zero)


def partial(bar: Bar, done: int, steps: Steps) -> Bar:
    """Return the bar after the first `done` trades.

    The price moves from open by the two extremes to close; the extreme on the close's
    side comes last. Volumes grow evenly. The last trade completes the bar.
    """
    if done >= bar.trades:
        return bar
    if done <= 0:
        return flat(bar.open)
    extremes = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    corners = (bar.open, *extremes, bar.close)
    leg, along = divmod(3 * (done - 1), bar.trades - 1)
    with localcontext(EXACT):
        whole = corners[leg + 1] - corners[leg]
        moved = whole * along // ((bar.trades - 1) * steps.price) * steps.price
        price = corners[leg] + moved
        seen = (*corners[: leg + 1], price)
        return Bar(
            bar.open,
            max(seen),
            min(seen),
            price,
            _share(bar.volume, done, bar.trades, steps.volume),
            _share(bar.quote_volume, done, bar.trades, steps.quote_volume),
            done,
            _share(bar.taker_buy_volume, done, bar.trades, steps.volume),
            _share(bar.taker_buy_quote_volume, done, bar.trades, steps.quote_volume),
        )


def _share(total: Decimal, done: int, trades: int, step: Decimal) -> Decimal:
    """Return the part of a total reached after `done` trades, in whole steps."""
    return total * done // (trades * step) * step


def candle(
    stream: Stream, open_time: int, bar: Bar, *, event_time: int, closed: bool
) -> Candle:
    """Return the bar as a candle of `stream`.

    Args:
        stream: the candle's stream.
        open_time: the candle's open time, ms.
        bar: the candle's values.
        event_time: the event time of a frame, ms; 0 makes a REST row.
        closed: whether the candle is closed.
    """
    return Candle(
        stream,
        open_time,
        format(bar.open, "f"),
        format(bar.high, "f"),
        format(bar.low, "f"),
        format(bar.close, "f"),
        format(bar.volume, "f"),
        stream.interval.close_time(open_time),
        format(bar.quote_volume, "f"),
        bar.trades,
        format(bar.taker_buy_volume, "f"),
        format(bar.taker_buy_quote_volume, "f"),
        closed,
        Source.STREAM if event_time else Source.REST,
        event_time,
    )


class Block(Protocol):
    """Consecutive bars, generated or loaded together, mostly of a UTC day."""

    def bar(self, start: int, stop: int, /) -> Bar:
        """Return the slots [start, stop) as one bar; stop is greater than start."""


class BarBlock:
    """A block that stores the bars themselves."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self._bars = bars
        """The bars, one a slot."""

    def bar(self, start: int, stop: int, /) -> Bar:
        return join(self._bars[start:stop])


class TickBlock:
    """A block that stores whole ticks and steps, in a tenth of the memory.

    Args:
        columns: one number a slot for open, high, low, close, volume, quote volume,
            trades and the taker's two volumes.
        steps: the size of one unit.
    """

    def __init__(self, columns: Sequence[Sequence[int]], steps: Steps) -> None:
        self._columns = [array("q", column) for column in columns]
        """The columns, in units of `_steps`."""
        self._steps = steps
        """The size of one unit."""

    def bar(self, start: int, stop: int, /) -> Bar:
        opens, highs, lows, closes, *amounts = self._columns
        price, size, quote = self._steps
        v, q, n, taker, taker_quote = (sum(column[start:stop]) for column in amounts)
        zero = Decimal(0)
        with localcontext(EXACT):
            return Bar(
                opens[start] * price,
                max(highs[start:stop]) * price,
                min(lows[start:stop]) * price,
                closes[stop - 1] * price,
                v * size if n else zero,
                q * quote if n else zero,
                n,
                taker * size if n else zero,
                taker_quote * quote if n else zero,
            )
