"""JSON lines: one object a line. Decimals are number literals with the exchange's own
digits (`37123.40` stays `37123.40`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from klinetail.candle import Candle, Interval, Source, Stream, symbol_fault
from klinetail.errors import BadRecording
from klinetail.formats import columns
from klinetail.formats.rows import RowsOf, of_jsonl
from klinetail.formats.values import plain, sound

HEADER: Final = b""

_REST: Final = Source.REST
_ENDS: Final = tuple(
    tuple(f'"closed":{word},"source":"{source}"}}\n' for source in Source)
    for word in ("false", "true")
)
"""The ends of lines, by `closed`, then by whether the source is REST."""


def encode(candles: Sequence[Candle]) -> bytes:
    """Return the candles as lines."""
    return "".join(map(line, candles)).encode()


def line(candle: Candle) -> str:
    """Return the candle as a line."""
    return (
        f'{_names(candle.stream)}"open_time":{candle.open_time},'
        f'"open":{candle.open_text},"high":{candle.high_text},'
        f'"low":{candle.low_text},"close":{candle.close_text},'
        f'"volume":{candle.volume_text},"close_time":{candle.close_time},'
        f'"quote_volume":{candle.quote_volume_text},"count":{candle.count},'
        f'"taker_buy_volume":{candle.taker_buy_volume_text},'
        f'"taker_buy_quote_volume":{candle.taker_buy_quote_volume_text},'
        f"{_ENDS[candle.closed][candle.source is _REST]}"
    )


@functools.lru_cache(maxsize=32_768)
def _names(stream: Stream) -> str:
    symbol = msgspec.json.encode(stream.symbol).decode()
    return f'{{"symbol":{symbol},"interval":"{stream.interval}",'


class _Record(msgspec.Struct):
    symbol: str
    interval: Interval
    open_time: int
    open: msgspec.Raw
    high: msgspec.Raw
    low: msgspec.Raw
    close: msgspec.Raw
    volume: msgspec.Raw
    close_time: int
    quote_volume: msgspec.Raw
    count: int
    taker_buy_volume: msgspec.Raw
    taker_buy_quote_volume: msgspec.Raw
    closed: bool
    source: Source


_decoder = msgspec.json.Decoder(_Record)
_block_decoder = msgspec.json.Decoder(list[_Record])

_TIMES: Final = [*map(attrgetter, ("open_time", "close_time", "count"))]
_TEXTS: Final = [
    attrgetter(name)
    for name in (
        "open",
        "high",
        "low",
        "close",
        "volume",
        "quote_volume",
        "taker_buy_volume",
        "taker_buy_quote_volume",
    )
]


def recognises(line: bytes) -> bool:
    """Return whether a line looks like a candle: an object begins."""
    return line.startswith(b"{")


def decoder(_path: str | None) -> Callable[[bytes], Candle]:
    """Return `decode`: each line tells its stream."""
    return decode


def block_decoder(_path: str) -> Callable[[bytes], list[Candle] | None]:
    """Return a function that makes candles of a block of lines; see
    `formats.BlockReader`."""
    streams = columns.Streams()

    def decode_block(block: bytes) -> list[Candle] | None:
        # Each line is one object, and no object is in another: as many braces as lines,
        # with each line break between two objects.
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
        breaks = block.count(b"\n")
        if block.count(b"{") != breaks + 1 or block.count(b"}\n{") != breaks:
            return None
        try:
            records = _block_decoder.decode(b"[%b]" % block.replace(b"\n", b",\n"))
            texts = b",".join([raw for get in _TEXTS for raw in map(get, records)])
            decimals = texts.decode().split(",")
            named = [(record.symbol, record.interval) for record in records]
            found = [*map(streams.__getitem__, named)]
        except (ValueError, RecursionError, KeyError):
            return None
        rows = len(records)
        if len(decimals) != rows * len(_TEXTS):
            return None
        return columns.candles(
            found,
            [interval for _, interval in named],
            [[*map(get, records)] for get in _TIMES],
            [decimals[n * rows : (n + 1) * rows] for n in range(len(_TEXTS))],
            [record.closed for record in records],
            [record.source for record in records],
        )

    return decode_block


def rows_decoder(_path: str) -> RowsOf:
    """Return a function that makes rows of a block of lines; see
    `formats.RowsReader`."""
    return of_jsonl()


def decode(line: bytes) -> Candle:
    """Return the candle of a line; keys added by later versions are ignored.

    Raises:
        BadRecording: the line holds no candle.
    """
    try:
        record = _decoder.decode(line)
    except (ValueError, RecursionError) as error:
        raise BadRecording(f"no record: {error}") from None
    if (fault := symbol_fault(record.symbol)) is not None:
        raise BadRecording(f"no record: {fault}")
    return sound(
        Candle(
            Stream(record.symbol, record.interval),
            record.open_time,
            _digits(record.open),
            _digits(record.high),
            _digits(record.low),
            _digits(record.close),
            _digits(record.volume),
            record.close_time,
            _digits(record.quote_volume),
            record.count,
            _digits(record.taker_buy_volume),
            _digits(record.taker_buy_quote_volume),
            record.closed,
            record.source,
        )
    )


def _digits(raw: msgspec.Raw) -> str:
    return plain(bytes(raw).decode("utf-8", "backslashreplace"))
