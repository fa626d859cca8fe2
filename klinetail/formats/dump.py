"""The exchange's public dumps (data.binance.vision): CSV whose lines do not tell their
stream, which the file's name does. They may begin with a header. They are read alone.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import Final

from klinetail.candle import Candle, Interval, Source, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats import csv

COLUMNS: Final = (*csv.COLUMNS[2:13], "ignore")

HEADER: Final = ",".join(COLUMNS).encode()
"""What a dump may begin with: not each of them does, and more columns may follow."""

_NAME: Final = re.compile(r"(.+?)-(\d+[a-zA-Z]+)-\d{4}-\d{2}(?:[-_].*)?\.csv")

_ANY: Final = Stream("ANY", Interval.M1)
"""A stream for the candles of a dump without a name."""


def recognises(line: bytes) -> bool:
    """Whether a line looks like a candle of a dump: an open time comes first."""
    return line.partition(b",")[0].isdigit()


def decoder(path: str | None) -> Callable[[bytes], Candle]:
    """What makes candles of the lines of a dump.

    Args:
        path: the dump's name; with None the candles are of a stream that is made up.

    Raises:
        BadRecording: the name does not tell the stream.
    """
    stream = _ANY if path is None else stream_of(path)
    return functools.partial(decode, stream=stream)


def decode(line: bytes, stream: Stream) -> Candle:
    """The candle of one line of a dump.

    Raises:
        BadRecording: it holds none.
    """
    fields = csv.fields_of(line, len(COLUMNS))
    return csv.candle_of(stream, fields[:11], True, Source.REST)


def stream_of(path: str) -> Stream:
    """The stream that a dump's name tells.

    Raises:
        BadRecording: it tells none.
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
