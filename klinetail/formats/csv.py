"""CSV: one header line, then one line a candle; columns are the record's keys in order.

Fields need no quoting: symbols consist of letters, digits and underscores, and all
other fields are numbers or fixed words. No field holds a comma, a quote or a line
break, and none begins like a spreadsheet formula.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Final

from klinetail.candle import Candle, Interval, Source, Stream, symbol_fault
from klinetail.errors import BadRecording
from klinetail.formats import columns
from klinetail.formats.rows import RowsOf, of_csv, of_record
from klinetail.formats.values import BOOLEANS, plain, sound

COLUMNS: Final = (
    "symbol",
    "interval",
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "closed",
    "source",
)
_REST: Final = Source.REST
_ENDS: Final = tuple(
    tuple(f"{word},{source}\n" for source in Source) for word in ("false", "true")
)
"""The ends of lines, by `closed`, then by whether the source is REST."""

_SOURCES: Final = {str(source): source for source in Source}

HEADER: Final = (",".join(COLUMNS) + "\n").encode()


def encode(candles: Sequence[Candle]) -> bytes:
    """Return the candles as lines, without the header."""
    return "".join(map(line, candles)).encode()


def line(candle: Candle) -> str:
    """Return the candle as a line."""
    return (
        f"{_names(candle.stream)}{candle.open_time},"
        f"{candle.open_text},{candle.high_text},{candle.low_text},"
        f"{candle.close_text},{candle.volume_text},{candle.close_time},"
        f"{candle.quote_volume_text},{candle.count},"
        f"{candle.taker_buy_volume_text},{candle.taker_buy_quote_volume_text},"
        f"{_ENDS[candle.closed][candle.source is _REST]}"
    )


@functools.lru_cache(maxsize=32_768)
def _names(stream: Stream) -> str:
    return f"{stream.symbol},{stream.interval},"


def recognises(line: bytes) -> bool:
    """Return whether a line looks like a candle: enough cells, and not a header."""
    first = line.partition(b",")[0]
    return first != b"symbol" and line.count(b",") >= len(COLUMNS) - 1


def decoder(_path: str | None) -> Callable[[bytes], Candle]:
    """Return `decode`: each line tells its stream."""
    return decode


def block_decoder(_path: str) -> Callable[[bytes], list[Candle] | None]:
    """Return a function that makes candles of a block of lines; see
    `formats.BlockReader`."""
    streams = columns.Streams()

    def decode_block(block: bytes) -> list[Candle] | None:
        if (found := columns.cells(block, len(COLUMNS))) is None:
            return None
        cells, width = found
        column = [cells[n :: width + 1] for n in range(len(COLUMNS))]
        try:
            return candles_of(
                [*map(streams.__getitem__, zip(column[0], column[1], strict=True))],
                column[1],
                column[2:13],
                [*map(BOOLEANS.__getitem__, column[13])],
                [*map(_SOURCES.__getitem__, column[14])],
            )
        except KeyError:  # of a stream, a truth value or a source
            return None

    return decode_block


def rows_decoder(_path: str) -> RowsOf:
    """Return a function that makes rows of a block of lines; see
    `formats.RowsReader`."""
    return of_record(of_csv(COLUMNS))


def decode(line: bytes) -> Candle:
    """Return the candle of a line; columns added by later versions are ignored.

    Raises:
        BadRecording: the line holds no candle.
    """
    fields = fields_of(line, len(COLUMNS))
    symbol, interval, closed, source = fields[0], fields[1], fields[13], fields[14]
    if (fault := symbol_fault(symbol)) is not None:
        raise BadRecording(f"no record: {fault}")
    if interval not in Interval.__members__.values():
        raise BadRecording(f"no record: there is no interval {interval[:20]!r}")
    if closed not in BOOLEANS or source not in _SOURCES:
        raise BadRecording(
            f"no record: closed is {closed[:20]!r}, source is {source[:20]!r}"
        )
    stream = Stream(symbol, Interval(interval))
    return candle_of(stream, fields[2:13], BOOLEANS[closed], _SOURCES[source])


_WHOLE_NUMBER: Final = re.compile("0|[1-9][0-9]{0,15}").fullmatch


def fields_of(line: bytes, least: int) -> list[str]:
    """Return the cells of a line.

    Raises:
        BadRecording: the line has fewer cells than `least`.
    """
    try:
        fields = line.decode().rstrip("\r\n").split(",")
    except UnicodeDecodeError as error:
        raise BadRecording(f"no record: {error}") from None
    if len(fields) < least:
        raise BadRecording(f"no record: {len(fields)} columns instead of {least}")
    return fields


def candle_of(
    stream: Stream, fields: Sequence[str], closed: bool, source: Source
) -> Candle:
    """Return a candle made of the cells from `open_time` to `taker_buy_quote_volume`.

    Raises:
        BadRecording: the cells are no sound candle.
    """
    integers = (fields[0], fields[6], fields[8])
    if not all(map(_WHOLE_NUMBER, integers)):
        raise BadRecording("no candle: a time or the count is not a whole number")
    first, high, low, last, volume = map(plain, fields[1:6])
    quote, taker, taker_quote = map(plain, (fields[7], fields[9], fields[10]))
    return sound(
        Candle(
            stream,
            int(fields[0]),
            first,
            high,
            low,
            last,
            volume,
            int(fields[6]),
            quote,
            int(fields[8]),
            taker,
            taker_quote,
            closed,
            source,
        )
    )


def candles_of(
    streams: Sequence[Stream],
    intervals: Sequence[str],
    fields: Sequence[Sequence[str]],
    closed: Sequence[bool],
    sources: Sequence[Source],
) -> list[Candle] | None:
    """Return the candles made of the columns from `open_time` to
    `taker_buy_quote_volume`, or None if a value is not certain to be right.

    Args:
        streams: the stream of each line.
        intervals: the name of its interval.
        fields: the columns.
        closed: whether the candle of each line is closed.
        sources: the source of each line.
    """
    times = columns.integers((fields[0], fields[6], fields[8]))
    if times is None:
        return None
    texts = (*fields[1:6], fields[7], fields[9], fields[10])
    return columns.candles(streams, intervals, times, texts, closed, sources)
