"""Reading of a file of candles in any registered format; the content tells the
format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from klinetail.candle import Candle
from klinetail.errors import BadRecording
from klinetail.formats import reader_of
from klinetail.formats.registry import DUMPS, FORMATS, readers
from klinetail.recordings.open import Opened, opened

MAX_LINE: Final = 64 << 10
"""Bytes of a line at most; a candle's line has about 300."""

_BOM: Final = b"\xef\xbb\xbf"
"""The UTF-8 byte-order mark; spreadsheet programs write one."""


def read(path: str | os.PathLike[str]) -> Iterator[Candle]:
    """Yield the candles of a file, line by line, forming candles included.

    The file may be compressed: `.gz`, `.zst`, or a public dump's `.zip` as downloaded.
    An empty file holds no candles. Blank lines and repeated headers are skipped. Of a
    file whose last frame is torn, all candles before are yielded first.

    Args:
        path: the file's path; `-` is stdin. The name of a public dump must tell the
            symbol and interval, as `BTCUSDT-1m-2023-11-14.csv` does.

    Raises:
        BadRecording: the file cannot be read, or a line is no candle. The text begins
            with `FILE:LINE: `, or with `FILE: ` for faults of no line.
    """
    with opened(os.fspath(path)) as file:
        yield from _candles(file)


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


def _candles(file: Opened) -> Iterator[Candle]:
    decode: Callable[[bytes], Candle] | None = None
    headers = tuple(h for form in readers().values() if (h := form.HEADER.rstrip()))
    lines = (line for block in blocks(file) for line in block.split(b"\n"))
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix(_BOM)
        line = line.strip(b" \t\r\n")
        try:
            if len(line) > MAX_LINE:
                raise BadRecording(f"no record: longer than {MAX_LINE} bytes")
            if not line:
                continue
            if decode is None:
                decode = _decoder(line, file.path)
            if line.startswith(headers):
                continue
            candle = decode(line)
        except BadRecording as error:
            raise BadRecording(f"{file.name}:{number}: {error}") from None
        yield candle


def blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines, each block without its last line break.

    A line much longer than `MAX_LINE` comes in several blocks.
    """
    rest = b""
    for piece in pieces:
        end = piece.rfind(b"\n")
        if end >= 0:
            yield rest + piece[:end]
            rest = piece[end + 1 :]
        else:
            rest += piece
            if len(rest) > 2 * MAX_LINE:
                yield rest
                rest = b""
    if rest:
        yield rest
