"""What the benchmark exchange trades and pushes, pure and the same in every run.

Streams are pushed in turn: frame i is of stream i modulo their number. Each frame is
unique and carries its own number in the digits of its taker buy quote volume, so that a
line of any client's output can be traced back to the moment when its frame was sent.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from klinetail.candle import Candle, Interval, Source, Stream
from klinetail.protocol.frames import encode_kline, stream_name
from klinetail.sim.bars import Steps
from klinetail.sim.history import Instrument

HOUR = 1_760_000_400_000
"""An open time of all candles up to 1h: 2025-10-09 09:00 UTC."""

LEAD = 20_000
"""How long before `HOUR` (ms) exchange time begins: late enough in a minute that the
last closed candle is old enough to be believed by REST."""

BEGIN = HOUR - LEAD
"""Exchange time at the start, ms."""

FIRST_NUMBER = 10_000_000
"""The number of frame 0. All have eight digits, those of past candles seven."""

NUMBER = re.compile(rb'(?:"Q": ?"|taker_buy_quote_volume": ?"?)([0-9]{8})(?![0-9])')
"""Finds a frame's number in a line, in the exchange's words or in klinetail's."""

_KNOWN = (
    "BTC ETH SOL XRP DOGE BNB ADA AVAX LINK DOT LTC BCH UNI ATOM ETC FIL APT ARB "
    "OP SUI NEAR INJ TIA SEI RUNE AAVE ALGO XLM VET ICP HBAR SAND MANA AXS EGLD "
    "THETA FTM GRT CRV LDO"
).split()
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def symbols(count: int) -> list[str]:
    """So many symbols; the first 40 are well known."""
    names = _KNOWN[:count]
    for n in range(count - len(names)):
        names.append(
            "Q" + _LETTERS[n // 676] + _LETTERS[n // 26 % 26] + _LETTERS[n % 26]
        )
    return [f"{name}USDT" for name in names]


def streams(count: int, intervals: int = 15) -> list[Stream]:
    """So many streams: as many intervals of each symbol, the shortest first."""
    chosen = list(Interval)[:intervals]
    names = symbols(-(-count // intervals))
    return [Stream(name, i) for name in names for i in chosen][:count]


class Feed:
    """The frames of one kind of run.

    Args:
        streams: in the order in which they are pushed.
        first: event time of frame 0, ms.
        rate: frames a second of exchange time. No stream gets more than one a ms.
    """

    def __init__(self, streams: Sequence[Stream], first: int, rate: float) -> None:
        if rate > 1000 * len(streams):
            raise ValueError("event times of a stream would not increase")
        self.streams = streams
        self.first = first
        self.rate = rate
        self.closings: dict[tuple[Stream, int], Candle] = {}
        """By stream and open time: the closes that were built so far."""

    def event_time(self, i: int) -> int:
        """Event time of frame i, ms."""
        return self.first + int(i * 1000 / self.rate)

    def candles(self, count: int) -> Iterator[Candle]:
        """The candles of the first so many frames. The first push of a stream after
        a candle's end closes it."""
        number = len(self.streams)
        opened = [s.interval.floor(self.first) for s in self.streams]
        closes = [
            s.interval.close_time(o) for s, o in zip(self.streams, opened, strict=True)
        ]
        for i in range(count):
            n = i % number
            time = self.event_time(i)
            closed = time > closes[n]
            stream = self.streams[n]
            candle = _candle(
                stream, opened[n], closes[n], i // number, i, FIRST_NUMBER + i,
                closed=closed, event_time=time,
            )  # fmt: skip
            if closed:
                self.closings[stream, opened[n]] = candle
                opened[n] = stream.interval.floor(time)
                closes[n] = stream.interval.close_time(opened[n])
            yield candle


@functools.lru_cache(maxsize=32_768)
def _base(symbol: str) -> tuple[int, int]:
    """A symbol's price in ticks, and the tick's decimals."""
    seed = sum(ord(c) * 31**k for k, c in enumerate(symbol))
    return 300_000 + seed % 600_000, 1 + seed % 5


def _candle(
    stream: Stream,
    open_time: int,
    close_time: int,
    age: int,
    seed: int,
    number: int,
    *,
    closed: bool,
    event_time: int,
) -> Candle:
    price, decimals = _base(stream.symbol)
    price += open_time // 60_000 % 997
    traded = 120_000_000 + age * 61_007 + seed % 7919
    return Candle(
        stream,
        open_time,
        _decimal(price, decimals),
        _decimal(price + 1000 + age // 7, decimals),
        _decimal(price - 1000 - age // 5, decimals),
        _decimal(price - 999 + seed * 7919 % 1999, decimals),
        _decimal(traded, 3),
        close_time,
        _decimal(traded * 7_013 + seed % 100_003, 5),
        150 + age * 3,
        _decimal(traded // 2 + seed % 977, 3),
        _decimal(number * 100_000 + seed * 7 % 100_000, 5),
        closed,
        Source.STREAM,
        event_time,
    )


def _decimal(units: int, decimals: int) -> str:
    digits = str(units)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def text_frame(payload: bytes) -> bytes:
    """An unmasked WebSocket text frame of 126 to 65,535 bytes."""
    return b"\x81\x7e" + struct.pack("!H", len(payload)) + payload


def frames(candles: Iterable[Candle]) -> list[bytes]:
    """Each candle as a WebSocket frame, as on `/ws`."""
    built = []
    for candle in candles:
        text = encode_kline(
            candle,
            first_trade=7_200_000_000 + candle.open_time // 60_000,
            last_trade=7_200_000_000 + candle.open_time // 60_000 + candle.count,
            combined=False,
        )
        built.append(text_frame(text.encode()))
    return built


def combined(frame: bytes, stream: Stream) -> bytes:
    """A frame of `/ws` as it looks on `/stream`."""
    return text_frame(b'{"stream":"%s","data":%s}' % (_name(stream), frame[4:]))


@functools.lru_cache(maxsize=32_768)
def _name(stream: Stream) -> bytes:
    return stream_name(stream).encode()


class RestMarket:
    """The same market as REST tells it. Every symbol has candles since 2020."""

    label = "the benchmark's"
    start = BEGIN
    end = None

    def __init__(self, symbols: Sequence[str], feed: Feed) -> None:
        self.instruments = [
            Instrument(symbol, _STEPS, Interval.M1, _LISTED) for symbol in symbols
        ]
        self._symbols = frozenset(symbols)
        self._feed = feed

    def intervals(self, symbol: str) -> frozenset[Interval]:
        """All, of a listed symbol."""
        return frozenset(Interval) if symbol in self._symbols else frozenset()

    def klines(
        self,
        stream: Stream,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now: int,
    ) -> list[Candle]:
        """The rows at exchange time `now`, as `klinetail.sim.market.Market` says."""
        interval = stream.interval
        last = interval.floor(now if end is None else min(now, end))
        if start is None:
            opened = max(interval.shift(last, 1 - limit), interval.floor(_LISTED))
        else:
            opened = interval.floor(max(start, _LISTED))
            opened = opened if opened >= start else interval.shift(opened, 1)
        rows = []
        while opened <= last and len(rows) < limit:
            rows.append(self._row(stream, opened, now))
            opened = interval.shift(opened, 1)
        return rows

    def _row(self, stream: Stream, opened: int, now: int) -> Candle:
        close = stream.interval.close_time(opened)
        pushed = self._feed.closings.get((stream, opened))
        if pushed is not None and close < now:
            return pushed
        seed = opened // 60_000 + len(stream.symbol)
        return _candle(
            stream, opened, close, seed % 240, seed, 1_000_000 + seed % 1_000_000,
            closed=close < now, event_time=0,
        )  # fmt: skip


_LISTED = 1_577_836_800_000
_STEPS = Steps(Decimal("0.1"), Decimal("0.001"), Decimal("0.00001"))
