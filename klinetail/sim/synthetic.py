"""A made-up market, equal for equal seeds.

A day's candles are a pure function of seed, symbol and day: history of any age is
available at once, in any order. Prices at day boundaries are smooth noise, connected
minute by minute by a seeded random bridge. Floats only choose values; the values are
whole ticks and steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

import msgspec

from klinetail.candle import DAY, MINUTE, Interval
from klinetail.sim.bars import Steps, TickBlock
from klinetail.sim.history import Afterlife, History, Instrument
from klinetail.sim.market import HistoryMarket

LISTED_DAYS: Final = 70
"""Whole days of history before the start: few, to keep weeks and months cheap."""

_MINUTES: Final = DAY // MINUTE


class _Coin(NamedTuple):
    """The character of a symbol."""

    symbol: str
    tick: Decimal
    """The smallest change of a price."""
    step: Decimal
    """The smallest change of a volume."""
    price: float
    """The typical price."""
    trades: float
    """The typical number of trades a minute."""
    size: float
    """The typical number of steps a trade."""
    sigma: float
    """The standard deviation of a minute's move, of the price's logarithm."""
    empty: float = 0.0
    """The share of minutes without trades."""
    listed_days: int = LISTED_DAYS
    """Whole days of history before the start."""
    settled_days: int | None = None
    """Whole days since the end of trading; None for a traded symbol."""


def _coin(
    symbol: str,
    tick: str,
    step: str,
    price: float,
    trades: float,
    size: float,
    sigma: float,
) -> _Coin:
    return _Coin(symbol, Decimal(tick), Decimal(step), price, trades, size, sigma)


_COINS: Final = (
    _coin("BTCUSDT", "0.10", "0.001", 83000, 1100, 90, 4e-4),
    _coin("ETHUSDT", "0.01", "0.001", 2900, 900, 900, 5e-4),
    _coin("SOLUSDT", "0.0100", "0.01", 146, 500, 900, 6e-4),
    _coin("XRPUSDT", "0.0001", "0.1", 2.2, 350, 4000, 6e-4),
    _coin("DOGEUSDT", "0.000010", "1", 0.17, 260, 3000, 7e-4),
    _coin("币安人生USDT", "0.0001000", "1", 0.15, 40, 600, 1.5e-3)._replace(
        listed_days=3
    ),
    _coin("ALGOUSDT", "0.0001", "0.1", 0.18, 4, 5000, 9e-4)._replace(empty=1 / 3),
    _coin("OMGUSDT", "0.0001", "0.1", 0.22, 8, 3000, 9e-4)._replace(settled_days=2),
)


class Synthetic(HistoryMarket):
    """The made-up market.

    The symbols include a young one (币安人生USDT), a thin one with empty minutes
    (ALGOUSDT), and one listed but not traded any more (OMGUSDT).

    Args:
        seed: equal seeds give equal candles at equal times.
        start: exchange time at which a run begins, ms. Symbols were listed some tens of
            days before.
        changes: by symbol, values for fields of the `Instrument`: the first candle, the
            end, the afterlife.
    """

    def __init__(
        self,
        seed: int,
        start: int,
        changes: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        midnight = start - start % DAY
        changes = changes or {}
        super().__init__(
            {
                coin.symbol: _history(
                    seed, coin, midnight, changes.get(coin.symbol, {})
                )
                for coin in _COINS
            },
            start=start,
            end=None,
            label=f"a synthetic market (seed {seed})",
        )


def _history(
    seed: int, coin: _Coin, midnight: int, changes: Mapping[str, object]
) -> History:
    """Return the history of a symbol."""
    first = midnight - coin.listed_days * DAY
    settled = coin.settled_days
    end = None if settled is None else midnight - settled * DAY
    steps = Steps(coin.tick, coin.step, coin.tick * coin.step)
    instrument = Instrument(coin.symbol, steps, Interval.M1, first, end, Afterlife.ROWS)
    instrument = msgspec.structs.replace(instrument, **changes)

    def block(time: int) -> TickBlock:
        rows = _day(f"{seed}/{coin.symbol}", coin, time // DAY)
        return TickBlock([*zip(*rows, strict=True)], steps)

    return History(instrument, block, kept=LISTED_DAYS + 10)


_OCTAVES: Final = ((2, 0.012), (7, 0.03), (30, 0.08), (120, 0.2))
"""The periods (days) and amplitudes of the noise of log prices."""


def _boundary(name: str, coin: _Coin, day: int) -> float:
    """Return the logarithm of the price at the start of a day."""
    level = math.log(coin.price)
    for period, amplitude in _OCTAVES:
        index, rest = divmod(day, period)
        left = _lattice(name, period, index)
        right = _lattice(name, period, index + 1)
        x = rest / period
        level += amplitude * (left + (right - left) * x * x * (3 - 2 * x))
    return level


@functools.lru_cache(maxsize=1024)
def _lattice(name: str, period: int, index: int) -> float:
    """Return a random number in [-1, 1] for a point of the noise."""
    return _random(f"{name}/{period}/{index}").uniform(-1, 1)


def _random(name: str) -> Random:
    """Return a random generator seeded by a name."""
    return Random(name)  # noqa: S311 - it has to be reproducible, not secret


def _day(name: str, coin: _Coin, day: int) -> Iterator[tuple[int, ...]]:
    """Yield the minutes of a day in ticks and steps.

    Each tuple holds open, high, low, close, volume, quote volume, count and the taker's
    two volumes.
    """
    random = _random(f"{name}/{day}")
    chance, exponential = random.random, random.expovariate
    left, right = (_boundary(name, coin, day + i) for i in (0, 1))
    walk = [0.0]
    for _ in range(_MINUTES):
        walk.append(walk[-1] + random.gauss(0, coin.sigma))
    drift = (right - left - walk[-1]) / _MINUTES
    wick = coin.sigma / 3 * coin.price / float(coin.tick)
    before, final = _ticks(left, coin), _ticks(right, coin)
    for minute in range(_MINUTES):
        last = minute == _MINUTES - 1
        if chance() < coin.empty and not (last and before != final):
            yield (before, before, before, before, 0, 0, 0, 0, 0)
            continue
        place = left + walk[minute + 1] + drift * (minute + 1)
        close = final if last else _ticks(place, coin)
        high = max(before, close) + int(exponential(1) * wick)
        low = max(1, min(before, close) - int(exponential(1) * wick))
        busy = 1 + 0.5 * math.sin(math.tau * (minute - 540) / _MINUTES)
        count = 1 + int(coin.trades * busy * (0.3 + exponential(1)))
        volume = count + int(count * coin.size * (0.5 + chance()))
        average = low + int(chance() * (high - low))
        quote = volume * average + (int(chance() * volume) if average < high else 0)
        taker = int(volume * (0.2 + 0.6 * chance()))
        taker_quote = quote * taker // volume
        yield (before, high, low, close, volume, quote, count, taker, taker_quote)
        before = close


def _ticks(level: float, coin: _Coin) -> int:
    """Return the price of a logarithm in whole ticks, at least one."""
    return max(1, round(math.exp(level) / float(coin.tick)))
