"""The vocabulary: Candle, Interval, Stream.

Times are milliseconds since the epoch, UTC. Prices and volumes keep the exchange's own
digits as text, and are read as `Decimal`, never as a float.
"""

from __future__ import annotations

import enum
import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from klinetail.errors import UsageError
from klinetail.escape import printable
from klinetail.spelling import intervals_like, spelled

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_MONDAY: Final = 4 * DAY  # the first Monday: the epoch was a Thursday
_CYCLE: Final = 146_097 * DAY  # 400 years, after which the calendar repeats
LAST_TIME: Final = 253_370_764_799_999
"""The last time accepted, at the end of the year 9998 (ms): a `datetime` can still show
the times that follow."""

MAX_SYMBOL: Final = 40
"""Characters of a symbol at most."""


class Interval(enum.StrEnum):
    """A candle's length, by the exchange's name. Case matters: 1m is a minute, 1M a
    month.

    Source: "Kline/Candlestick chart intervals" of the USDⓈ-M futures documentation.
    """

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    D3 = "3d"
    W1 = "1w"
    MO1 = "1M"

    @classmethod
    def of(cls, name: str) -> Interval:
        """Return the interval of the exchange's name.

        Raises:
            UsageError: the name is unknown; the message suggests similar intervals.
        """
        try:
            return cls(name)
        except ValueError:
            pass
        alike = intervals_like(name, cls) or ()
        hint = f"; did you mean {' or '.join(alike)}?" if alike else "."
        shown = name[:MAX_SYMBOL]
        raise UsageError(
            f"there is no interval {shown!r}{hint} There are {', '.join(cls)}"
        )

    @functools.cached_property
    def length(self) -> int | None:
        """The length in ms, or None for the calendar month."""
        unit = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}.get(self.value[-1])
        return unit and unit * int(self.value[:-1])

    @functools.cached_property
    def anchor(self) -> int:
        """An open time of the interval, ms: weeks open on Monday. For 3d a guess."""
        return _MONDAY if self is Interval.W1 else 0

    def floor(self, time: int, anchor: int | None = None) -> int:
        """Return the open time (ms) of the candle covering `time`.

        Args:
            time: ms since the epoch.
            anchor: any known open time of the stream; only 3d depends on the anchor.
        """
        if self.length is None:
            return _month_start(_month(time))
        return time - (time - (self.anchor if anchor is None else anchor)) % self.length

    def shift(self, open_time: int, steps: int) -> int:
        """Return the open time (ms) `steps` candles later, or earlier if negative."""
        if self.length is None:
            return _month_start(_month(open_time) + steps)
        return open_time + steps * self.length

    def close_time(self, open_time: int) -> int:
        """Return the last millisecond of the candle opening at `open_time` (ms)."""
        return self.shift(open_time, 1) - 1

    def steps(self, start: int, end: int) -> int:
        """Return how many candles open in [start, end); both are open times (ms)."""
        if self.length is None:
            return _month(end) - _month(start)
        return (end - start) // self.length

    def opens_at(self, time: int) -> bool:
        """Return whether a candle can open at `time` (ms); 3d may open on any day."""
        return time == (time - time % DAY if self is Interval.D3 else self.floor(time))


def _month(time: int) -> int:
    """Return the month of `time` (ms), counted from the epoch."""
    cycles, rest = divmod(time, _CYCLE)
    moment = datetime.fromtimestamp(rest // 1000, UTC)
    return cycles * 4800 + (moment.year - 1970) * 12 + moment.month - 1


def _month_start(month: int) -> int:
    """Return the first millisecond of a month counted from the epoch."""
    cycles, rest = divmod(month, 4800)
    first = datetime(1970 + rest // 12, rest % 12 + 1, 1, tzinfo=UTC)
    return cycles * _CYCLE + int(first.timestamp()) * 1000


class Stream(msgspec.Struct, frozen=True, order=True, gc=False):
    """A symbol in an interval; `str()` gives `btcusdt@1m`."""

    symbol: str
    """The symbol, in upper case."""
    interval: Interval

    @classmethod
    def of(cls, symbol: str, interval: Interval | str) -> Stream:
        """Return the stream of a symbol, in any case, and an interval.

        Raises:
            UsageError: the interval is unknown, or the symbol is not possible.
        """
        upper = symbol.upper()
        if (fault := symbol_fault(upper)) is not None:
            raise UsageError(fault)
        if upper.lower() != symbol.lower():
            raise UsageError(f"{symbol!r} cannot be a symbol: it is not {upper!r}")
        return cls(upper, Interval.of(interval))

    @classmethod
    def parse(cls, name: str) -> Stream:
        """Return the stream of a name like `btcusdt@5m`, or `btcusdt` for 1m.

        The perpetual's spellings `BTC/USDT:USDT` and `BTCUSDT.P` are understood. A
        spelling of a spot pair, like `BTC/USDT`, is refused: a program has nobody to
        ask for the meaning.

        Raises:
            UsageError: the interval is unknown, the symbol is not possible, or the word
                means a spot pair.
        """
        word, _, interval = name.partition("@")
        symbol, assumed = spelled(word)
        if assumed:
            raise UsageError(
                f"{word!r} means a spot pair elsewhere; the USDⓈ-M perpetual is"
                f" {symbol.lower()!r}"
            )
        return cls.of(symbol, interval or Interval.M1)

    def __str__(self) -> str:
        return f"{self.symbol.lower()}@{self.interval}"


def streams_of(wanted: Iterable[Stream | str]) -> tuple[Stream, ...]:
    """Return the streams named by a program, without repetitions, in the given order.

    Args:
        wanted: `Stream`s, or names like `btcusdt@1m`, as read by `Stream.parse`.

    Raises:
        TypeError: `wanted` is a single name or a mapping, or an element is neither a
            `Stream` nor a name.
        UsageError: a name cannot be a stream's, or is an interval without a symbol.
    """
    if isinstance(wanted, Stream | str):
        raise TypeError(f"streams has to be a list: [{str(wanted)!r:.60}]")
    if isinstance(wanted, bytes | Mapping) or not isinstance(wanted, Iterable):
        raise TypeError(
            "streams has to be a list of names such as 'btcusdt@1m',"
            f" not {wanted!r:.60}"
        )
    return tuple(dict.fromkeys(map(_stream, wanted)))


def _stream(wanted: Stream | str) -> Stream:
    if isinstance(wanted, Stream):
        return wanted
    if not isinstance(wanted, str):
        raise TypeError(
            f"{wanted!r:.60} is no stream; a stream is a name such as 'btcusdt@1m', or"
            " Stream.of('btcusdt', '1m')"
        )
    if wanted in tuple(Interval):
        raise UsageError(
            f"{wanted!r} is an interval without a symbol; a stream is a name such as"
            f" 'btcusdt@{wanted}'"
        )
    return Stream.parse(wanted)


def symbol_fault(symbol: str) -> str | None:
    """Return why `symbol` cannot be an upper-case symbol, or None for a possible
    symbol.

    Symbols are letters and digits of any script and underscores. Control, format and
    separator characters are refused, and letters without a visible glyph: two symbols
    that look alike must be alike. The exchange does list symbols like 币安人生USDT.
    """
    if not 0 < len(symbol) <= MAX_SYMBOL:
        return f"a symbol has 1 to {MAX_SYMBOL} characters, not {len(symbol)}"
    if all(c.isascii() and (c.isalnum() or c == "_") for c in symbol):
        return None if symbol == symbol.upper() else "a symbol is upper case"
    unusual = any(c != "_" and unicodedata.category(c)[0] not in "LN" for c in symbol)
    if unusual or printable(symbol) != symbol:
        return f"{symbol!r} cannot be a symbol: letters, digits and _ only"
    if unicodedata.normalize("NFC", symbol) != symbol:
        return f"{symbol!r} cannot be a symbol: not in Unicode's composed form"
    return None if symbol.lower().upper() == symbol else "a symbol is upper case"


class Source(enum.StrEnum):
    """The side of the exchange that delivered a candle."""

    STREAM = "stream"
    REST = "rest"


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One candle of one stream, closed or forming, with the exchange's own digits.

    The `*_text` fields keep the digits; the properties of the same names without the
    suffix read the digits as `Decimal`. Prices are in the quote asset, `volume` and
    `taker_buy_volume` in the base asset, `quote_volume` and `taker_buy_quote_volume` in
    the quote asset. Times are ms since the epoch.

    A candle decoded from the network or a file is to be checked with `fault` first.

    Source: "Kline/Candlestick Streams" and "Kline/Candlestick Data" of the USDⓈ-M
    futures documentation.
    """

    stream: Stream
    """The symbol and the interval."""
    open_time: int
    """The first millisecond of the candle."""
    open_text: str
    high_text: str
    low_text: str
    close_text: str
    volume_text: str
    close_time: int
    """The last millisecond of the candle."""
    quote_volume_text: str
    count: int
    """The number of trades."""
    taker_buy_volume_text: str
    taker_buy_quote_volume_text: str
    closed: bool
    """Whether the candle's values are final; False while the candle forms."""
    source: Source = Source.STREAM
    """The side of the exchange that delivered the candle."""
    event_time: int = 0
    """The exchange's event time of the push, ms; 0 for a REST row, which has none."""

    @property
    def symbol(self) -> str:
        """The stream's symbol, upper case."""
        return self.stream.symbol

    @property
    def interval(self) -> Interval:
        """The stream's interval."""
        return self.stream.interval

    @property
    def open(self) -> Decimal:
        """The first price, in the quote asset."""
        return Decimal(self.open_text)

    @property
    def high(self) -> Decimal:
        """The highest price, in the quote asset."""
        return Decimal(self.high_text)

    @property
    def low(self) -> Decimal:
        """The lowest price, in the quote asset."""
        return Decimal(self.low_text)

    @property
    def close(self) -> Decimal:
        """The last price so far, in the quote asset."""
        return Decimal(self.close_text)

    @property
    def volume(self) -> Decimal:
        """The traded amount, in the base asset."""
        return Decimal(self.volume_text)

    @property
    def quote_volume(self) -> Decimal:
        """The traded amount, in the quote asset."""
        return Decimal(self.quote_volume_text)

    @property
    def taker_buy_volume(self) -> Decimal:
        """The amount bought by takers, in the base asset."""
        return Decimal(self.taker_buy_volume_text)

    @property
    def taker_buy_quote_volume(self) -> Decimal:
        """The amount bought by takers, in the quote asset."""
        return Decimal(self.taker_buy_quote_volume_text)

    @property
    def texts(self) -> tuple[str, str, str, str, str, str, str, str]:
        """The digits of the eight decimals, in the record's order."""
        return (
            self.open_text,
            self.high_text,
            self.low_text,
            self.close_text,
            self.volume_text,
            self.quote_volume_text,
            self.taker_buy_volume_text,
            self.taker_buy_quote_volume_text,
        )

    def same_values(self, other: Candle) -> bool:
        """Return whether both candles have the same times and values, as numbers: `0`
        equals `0.000`."""
        return (
            self.open_time == other.open_time
            and self.close_time == other.close_time
            and self.count == other.count
            and (
                self.texts == other.texts
                or all(
                    Decimal(mine) == Decimal(theirs)
                    for mine, theirs in zip(self.texts, other.texts, strict=True)
                )
            )
        )

    def fault(self) -> str | None:
        """Return why the values are no possible candle of the stream, or None for a
        sound candle."""
        interval = self.stream.interval
        if not 0 <= self.open_time <= self.close_time <= LAST_TIME:
            return "the times are out of range"
        if not interval.opens_at(self.open_time):
            return f"no {interval} candle opens at {self.open_time}"
        if self.close_time != interval.close_time(self.open_time):
            return f"{self.close_time} does not close a {interval} candle"
        if not 0 <= self.count < 1 << 53:
            return "the number of trades is out of range"
        if not _EIGHT_DECIMALS(",".join(self.texts)):
            return "a price or volume is not a plain decimal"
        low, high = self.low, self.high
        if not (low <= self.open <= high and low <= self.close <= high):
            return "open or close lies outside low to high"
        return None


_DECIMAL: Final = r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?"
_EIGHT_DECIMALS: Final = re.compile(f"{_DECIMAL}(?:,{_DECIMAL}){{7}}").fullmatch
