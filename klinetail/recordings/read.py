"""Reading of a file of candles in any registered format; the content tells the
format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from klinetail.candle import Candle
from klinetail.errors import BadRecording
from klinetail.formats import BlockReader, Reader, reader_of
from klinetail.formats.registry import DUMPS, FORMATS, readers
from klinetail.recordings.open import Opened, opened

MAX_LINE: Final = 64 << 10
"""Bytes of a line at most; a candle's line has about 300."""

BLOCK: Final = 64 << 10
"""Bytes of lines decoded together: their values fit into a processor's cache."""

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
        lines = _Lines(file)
        for block in blocks(file):
            yield from lines.candles(block)


def _reader(line: bytes) -> Reader:
    """Return the format of a file, chosen by the first line.

    Args:
        line: the first line, a header or a candle, without a byte-order mark.

    Raises:
        BadRecording: the line does not begin any known format.
    """
    if (form := reader_of(line)) is None:
        known = ", ".join((*FORMATS, *DUMPS))
        raise BadRecording(f"no candles in a known format ({known})")
    return form


class _Lines:
    """The decoder of the lines of one file.

    Args:
        file: the file.
    """

    def __init__(self, file: Opened) -> None:
        self._file = file
        """The file."""
        self._headers = tuple(
            h for form in readers().values() if (h := form.HEADER.rstrip())
        )
        """The headers of all formats."""
        self._decode: Callable[[bytes], Candle] | None = None
        """The decoder of a line; None before the first line."""
        self._decode_block: Callable[[bytes], list[Candle] | None] | None = None
        """The decoder of many lines, if the format has one."""
        self._number = 0
        """The number of lines decoded."""

    def candles(self, block: bytes) -> Iterator[Candle]:
        """Yield the candles of whole lines without the last line break.

        Raises:
            BadRecording: a line is no candle; the text begins with `FILE:LINE: `.
        """
        while self._decode is None:
            line, more, block = block.partition(b"\n")
            yield from self._one_by_one(line)
            if not more:
                return
        found = None
        if self._decode_block is not None and not has_long_line(block):
            found = self._decode_block(block)
        if found is None:
            yield from self._one_by_one(block)
        else:
            self._number += len(found)
            yield from found

    def _one_by_one(self, block: bytes) -> Iterator[Candle]:
        for line in block.split(b"\n"):
            self._number += 1
            try:
                candle = self._candle(line)
            except BadRecording as error:
                where = f"{self._file.name}:{self._number}"
                raise BadRecording(f"{where}: {error}") from None
            if candle is not None:
                yield candle

    def _candle(self, line: bytes) -> Candle | None:
        """Return the candle of a line; None for a header or a blank line."""
        if self._number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > MAX_LINE:
            raise BadRecording(f"no record: longer than {MAX_LINE} bytes")
        line = line.strip(b" \t\r\n")
        if not line:
            return None
        if self._decode is None:
            form = _reader(line)
            self._decode = form.decoder(self._file.path)
            if isinstance(form, BlockReader):
                self._decode_block = form.block_decoder(self._file.path)
        return None if line.startswith(self._headers) else self._decode(line)


def has_long_line(block: bytes) -> bool:
    """Return whether a line may be longer than `MAX_LINE`: such a line covers a
    multiple of that."""
    for inside in range(MAX_LINE, len(block), MAX_LINE):
        end = block.find(b"\n", inside)
        start = block.rfind(b"\n", 0, inside)
        if (end if end >= 0 else len(block)) - start > MAX_LINE:
            return True
    return False


def blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines, each block without its last line break.

    A line much longer than `MAX_LINE` comes in several blocks.
    """
    rest = b""
    for piece in pieces:
        start = 0
        while (end := _last_break(piece, start)) >= 0:
            yield rest + piece[start:end]
            rest, start = b"", end + 1
        rest += piece[start:]
        if len(rest) > 2 * MAX_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest


def _last_break(piece: bytes, start: int) -> int:
    """Return the index of the last line break of a block that begins at `start`, or
    -1 without any line break."""
    end = piece.rfind(b"\n", start, start + BLOCK)
    return end if end >= 0 else piece.find(b"\n", start)
