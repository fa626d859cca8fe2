"""The exchange's public dumps (data.binance.vision), read but never written.

A dump is CSV, with or without a header. The file's name tells the stream; the lines do
not.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import Final

from klinetail.candle import Candle, Interval, Source, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats import columns, csv
from klinetail.formats.rows import RowsOf, of_csv, of_dump

COLUMNS: Final = (*csv.COLUMNS[2:13], "ignore")

HEADER: Final = ",".join(COLUMNS).encode()
"""The beginning of a dump's header. Older dumps have no header; later columns may
follow."""

_NAME: Final = re.compile(r"(.+?)-(\d+[a-zA-Z]+)-\d{4}-\d{2}(?:[-_].*)?\.csv")

_ANY: Final = Stream("ANY", Interval.M1)
"""The stream of candles decoded without a path."""


def recognises(line: bytes) -> bool:
    """Return whether a line looks like a candle of a dump: an open time comes first."""
    return line.partition(b",")[0].isdigit()


def decoder(path: str | None) -> Callable[[bytes], Candle]:
    """Return a function that makes a candle of a line of a dump.

    Args:
        path: the dump's path; with None the candles belong to a made-up stream.

    Raises:
        BadRecording: the path does not tell the stream.
    """
    stream = _ANY if path is None else stream_of(path)
    return functools.partial(decode, stream=stream)


def block_decoder(path: str) -> Callable[[bytes], list[Candle] | None]:
    """Return a function that makes candles of a block of lines; see
    `formats.BlockReader`.

    Raises:
        BadRecording: the path does not tell the stream.
    """
    return functools.partial(decode_block, stream=stream_of(path))


def rows_decoder(path: str) -> RowsOf:
    """Return a function that makes rows of a block of lines; see
    `formats.RowsReader`.

    Raises:
        BadRecording: the path does not tell the stream.
    """
    stream = stream_of(path)
    names = stream.symbol, str(stream.interval)
    return of_dump(of_csv((*COLUMNS[:-1], None), names), names)


def decode_block(block: bytes, stream: Stream) -> list[Candle] | None:
    """Return the candles of a block of lines, or None if a line is not certain to be
    right."""
    if (found := columns.cells(block, len(COLUMNS))) is None:
        return None
    cells, width = found
    fields = [cells[n :: width + 1] for n in range(11)]
    rows = len(fields[0])
    return csv.candles_of(
        [stream] * rows,
        [stream.interval] * rows,
        fields,
        [True] * rows,
        [Source.REST] * rows,
    )


def decode(line: bytes, stream: Stream) -> Candle:
    """Return the candle of a line of a dump.

    Raises:
        BadRecording: the line holds no candle.
    """
    fields = csv.fields_of(line, len(COLUMNS))
    return csv.candle_of(stream, fields[:11], True, Source.REST)


def stream_of(path: str) -> Stream:
    """Return the stream told by a dump's path.

    Raises:
        BadRecording: the path does not tell a stream.
    """
    match = _NAME.fullmatch(os.path.basename(path))
    try:
        if match is not None:
            return Stream.of(match[1], {"1mo": "1M"}.get(match[2], match[2]))
    except UsageError:
        pass
    raise BadRecording(
        "a public dump whose name does not tell the symbol and interval; name it"
        " like BTCUSDT-1m-2023-11-14.csv"
    )
