"""Candles as numbers: joined into longer ones, and cut short while they form.

Everything is exact: sums have the digits of their most precise summand, and no
value ever passes through a float.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Final, NamedTuple, Protocol

from klinetail.candle import Candle, Source, Stream

EXACT: Final = Context(prec=100)
"""Enough digits that no sum or product of candles is ever rounded."""


class Bar(NamedTuple):
    """The values of a candle, without its place in time."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal


class Steps(NamedTuple):
    """The smallest changes of an instrument's numbers, with the exchange's digits."""

    price: Decimal
    volume: Decimal
    quote_volume: Decimal


def join(bars: Sequence[Bar]) -> Bar:
    """The bar of consecutive bars; there must be one at least."""
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
    """The bar of a time in which nobody traded."""
    zero = Decimal(0)
    return Bar(price, price, price, price, zero, zero, 0, zero, zero)


def partial(bar: Bar, done: int, steps: Steps) -> Bar:
    """The bar as it stood after `done` of its trades.

    The price goes from open by the two extremes to close, the one on the close's
    side last; volumes grow evenly. The last trade makes it the bar itself.
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
    return total * done // (trades * step) * step


def candle(
    stream: Stream, open_time: int, bar: Bar, *, event_time: int, closed: bool
) -> Candle:
    """The bar as a candle of `stream`; an event time of 0 makes it a REST row."""
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
    """Consecutive bars, generated or loaded together; a UTC day of them, mostly."""

    def bar(self, start: int, stop: int, /) -> Bar:
        """The slots [start, stop) as one bar; stop is greater than start."""


class BarBlock:
    """A block of bars as they are."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self._bars = bars

    def bar(self, start: int, stop: int, /) -> Bar:
        return join(self._bars[start:stop])


class TickBlock:
    """A block of bars in whole ticks and steps, a tenth of the size.

    Args:
        columns: open, high, low, close, volume, quote volume, trades and the
            taker's two volumes, each with a number a slot.
        steps: what one unit of them is.
    """

    def __init__(self, columns: Sequence[Sequence[int]], steps: Steps) -> None:
        self._columns = [array("q", column) for column in columns]
        self._steps = steps

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
