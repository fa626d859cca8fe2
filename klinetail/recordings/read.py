"""Files into candles: klinetail's own CSV and JSON lines, and the exchange's public
dumps (data.binance.vision), recognised by their content."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import IO, Final

from klinetail.candle import Candle, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats import csv, jsonl

MAX_LINE: Final = 64 << 10
"""Bytes a line may have; a candle has some 300."""

_BOM: Final = b"\xef\xbb\xbf"
_HEADERS: Final = tuple(
    ",".join(columns).encode() for columns in (csv.COLUMNS, csv.DUMP_COLUMNS)
)
_DUMP_NAME: Final = re.compile(r"(.+?)-(\d+[a-zA-Z]+)-\d{4}-\d{2}(?:[-_].*)?\.csv")


def read(path: str | os.PathLike[str]) -> Iterator[Candle]:
    """The candles of a file, line by line, forming ones included.

    An empty file has none. Blank lines and repeated CSV headers are no candles and
    no fault either.

    Args:
        path: the name of a public dump must tell its symbol and interval, as
            `BTCUSDT-1m-2023-11-14.csv` does.

    Raises:
        BadRecording: the file cannot be read, or a line is no candle; its text
            begins with `FILE:LINE: `.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            yield from _candles(file, name)
    except OSError as error:
        raise BadRecording(f"{name}: {error.strerror}") from None


def recognise(line: bytes, path: str) -> Callable[[bytes], Candle]:
    """The decoder of a file's lines, told from its first one.

    Args:
        line: the first line, a header or a candle, without a byte-order mark.
        path: the file's name, which only matters to a public dump.

    Raises:
        BadRecording: it is the beginning of no known format.
    """
    if line.startswith(b"{"):
        return jsonl.decode
    first = line.partition(b",")[0]
    own, dump = _HEADERS
    if line.startswith(dump) or first.isdigit():
        return functools.partial(csv.decode_dump, stream=dump_stream(path))
    headless = first != b"symbol" and line.count(b",") >= len(csv.COLUMNS) - 1
    if line.startswith(own) or headless:
        return csv.decode
    raise BadRecording("neither JSON lines nor CSV of candles")


def dump_stream(path: str) -> Stream:
    """The stream that a public dump's name tells.

    Raises:
        BadRecording: it tells none.
    """
    match = _DUMP_NAME.fullmatch(os.path.basename(path))
    try:
        if match is not None:
            return Stream.of(match[1], {"1mo": "1M"}.get(match[2], match[2]))
    except UsageError:
        pass
    raise BadRecording(
        "a public dump whose name does not tell the symbol and interval; name it"
        " like BTCUSDT-1m-2023-11-14.csv"
    )


def _candles(file: IO[bytes], name: str) -> Iterator[Candle]:
    decode: Callable[[bytes], Candle] | None = None
    for number, line in enumerate(_lines(file), 1):
        if number == 1:
            line = line.removeprefix(_BOM)
        line = line.strip(b" \t\r\n")
        try:
            if len(line) > MAX_LINE:
                raise BadRecording(f"no record: longer than {MAX_LINE} bytes")
            if not line:
                continue
            if decode is None:
                decode = recognise(line, name)
            if line.startswith(_HEADERS):
                continue
            candle = decode(line)
        except BadRecording as error:
            raise BadRecording(f"{name}:{number}: {error}") from None
        yield candle


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 2):
        yield line
