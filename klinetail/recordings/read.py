"""Reading of a file of candles in any registered format; the content tells the
format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import IO, Final

from klinetail.candle import Candle
from klinetail.errors import BadRecording
from klinetail.formats import reader_of
from klinetail.formats.registry import DUMPS, FORMATS, readers

MAX_LINE: Final = 64 << 10
"""Bytes of a line at most; a candle's line has about 300."""

_BOM: Final = b"\xef\xbb\xbf"
"""The UTF-8 byte-order mark; spreadsheet programs write one."""


def read(path: str | os.PathLike[str]) -> Iterator[Candle]:
    """Yield the candles of a file, line by line, forming candles included.

    An empty file holds no candles. Blank lines and repeated headers are skipped.

    Args:
        path: the file's path. The name of a public dump must tell the symbol and
            interval, as `BTCUSDT-1m-2023-11-14.csv` does.

    Raises:
        BadRecording: the file cannot be read, or a line is no candle. The text begins
            with `FILE:LINE: `.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            yield from _candles(file, name)
    except OSError as error:
        raise BadRecording(f"{name}: {error.strerror}") from None


def _decoder(line: bytes, path: str) -> Callable[[bytes], Candle]:
    """Return the decoder of a file's lines, chosen by the first line.

    Args:
        line: the first line, a header or a candle, without a byte-order mark.
        path: the file's path.

    Raises:
        BadRecording: the line does not begin any known format.
    """
    if (form := reader_of(line)) is None:
        known = ", ".join((*FORMATS, *DUMPS))
        raise BadRecording(f"no candles in a known format ({known})")
    return form.decoder(path)


def _candles(file: IO[bytes], name: str) -> Iterator[Candle]:
    decode: Callable[[bytes], Candle] | None = None
    headers = tuple(h for form in readers().values() if (h := form.HEADER.rstrip()))
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
                decode = _decoder(line, name)
            if line.startswith(headers):
                continue
            candle = decode(line)
        except BadRecording as error:
            raise BadRecording(f"{name}:{number}: {error}") from None
        yield candle


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 2):
        yield line
