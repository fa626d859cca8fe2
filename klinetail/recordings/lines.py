"""The lines of a file for a check, in blocks, with the decoders of the file's format.

A plain file can be read in ranges: each range has the lines that begin in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from klinetail.candle import Candle, Interval
from klinetail.errors import BadRecording
from klinetail.formats import BlockReader, Reader, RowsReader, reader_of
from klinetail.formats.foreign import Columns, Foreign
from klinetail.formats.registry import DUMPS, FORMATS, readers
from klinetail.formats.rows import RowsOf
from klinetail.recordings.open import CutShort, opened
from klinetail.recordings.read import BLOCK, MAX_LINE

_PIECE: Final = 256 << 10
"""Bytes of a file read at once."""

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"


class Asked(NamedTuple):
    """How to read the files of a check."""

    columns: Mapping[str, str] | None = None
    """By key of the record, the columns of another program's files."""
    symbol: str | None = None
    """The symbol, where a file does not tell it; upper case."""
    interval: Interval | None = None
    """The interval, where a file does not tell it."""
    since: int | None = None
    """Open time (ms) of the first candle that counts."""
    until: int | None = None
    """Open time (ms) of the first candle that does not count any more."""


class Piece(NamedTuple):
    """A file, or a range of its lines."""

    path: str
    """The path of the file; `-` is stdin."""
    file: int
    """The number of the file."""
    start: int = 0
    """The range has the lines that begin at this offset or later."""
    end: int | None = None
    """The range has no line that begins at this offset or later; None for the whole
    file, which may be compressed."""


class Decoders(NamedTuple):
    """The decoders of one file."""

    headers: tuple[bytes, ...]
    """Lines that begin so are headers."""
    line: Callable[[bytes], Candle]
    """Makes a candle of a line."""
    block: Callable[[bytes], list[Candle] | None] | None
    """Makes candles of a block of lines, if the format can."""
    rows: RowsOf | None
    """Makes rows of a block of lines, if the format can."""


def decoders_of(line: bytes, path: str, asked: Asked) -> Decoders:
    """Return the decoders of a file.

    Args:
        line: the first line that is not blank, stripped.
        path: the name that can tell the stream.
        asked: how to read the file.

    Raises:
        BadRecording: the line begins no known format, or nothing tells the stream.
    """
    headers = tuple(h for form in readers().values() if (h := form.HEADER.rstrip()))
    form: Reader | None
    if asked.columns is not None and not line.startswith(headers):
        form = Foreign(line, Columns(asked.columns, asked.symbol, asked.interval))
        headers = (form.HEADER,) if form.HEADER else ()
    elif (form := reader_of(line)) is None:
        known = ", ".join((*FORMATS, *DUMPS))
        raise BadRecording(
            f"no candles in a known format ({known}); for other CSV --columns"
            " open_time=NAME,open=NAME,... tells which column is which"
        )
    try:
        decode = form.decoder(path)
    except BadRecording as error:
        if asked.symbol is None or asked.interval is None:
            raise BadRecording(f"{error}, or give --symbol and --interval") from None
        path = f"{asked.symbol}-{asked.interval}-1970-01.csv"
        decode = form.decoder(path)
    return Decoders(
        headers,
        decode,
        form.block_decoder(path) if isinstance(form, BlockReader) else None,
        form.rows_decoder(path) if isinstance(form, RowsReader) else None,
    )


class Lines:
    """The lines of a piece of a file, in blocks.

    Args:
        piece: the piece.
        asked: how to read the file.
    """

    def __init__(self, piece: Piece, asked: Asked) -> None:
        self._piece = piece
        """The piece."""
        self._asked = asked
        """How to read the file."""
        self.decoders: Decoders | None = None
        """The decoders; None before the first line."""
        self.number = 1
        """The number of the line that comes next."""
        self.tail = b""
        """What follows the last line break, shortened if it is very long."""
        self.cut_off = 0
        """Bytes of `tail` that were left out."""
        self.cut_short: str | None = None
        """Why a compressed file cannot be read to the end."""

    def blocks(self) -> Iterator[bytes]:
        """Yield blocks of whole lines, each block without its last line break.

        `number` is the number of the first line of the block. The first line of the
        file is a block of its own, and blank lines before it.

        Raises:
            BadRecording: the file cannot be read, or is no recording.
        """
        piece = self._piece
        if piece.end is not None:
            with open(piece.path, "rb") as file:
                yield from self._range(file.fileno(), piece.start, piece.end)
            return
        with opened(piece.path) as content:
            try:
                yield from self._of(iter(content), content.path)
            except CutShort as error:
                name = f"{content.name}: "
                self.cut_short = str(error).removeprefix(name)

    def _range(self, fd: int, start: int, end: int) -> Iterator[bytes]:
        path = self._piece.path
        if start:
            first = Lines(Piece(path, 0), self._asked)
            for _ in first.blocks():
                if first.decoders is not None:
                    break
            self.decoders = first.decoders
            start = _next_line(fd, start)
        if start < end:
            yield from self._of(_pieces(fd, start, end), path)

    def _of(self, pieces: Iterator[bytes], path: str) -> Iterator[bytes]:
        rest = b""
        for piece in pieces:
            at = 0
            while (stop := self._last_break(piece, at)) >= 0:
                block = rest + piece[at:stop]
                rest, at, self.cut_off = b"", stop + 1, 0
                if self.decoders is None:
                    self._begin(block, path)
                yield block
                self.number += block.count(b"\n") + 1
            rest += piece[at:]
            if len(rest) > 2 * MAX_LINE:
                self.cut_off += len(rest) - MAX_LINE - 1
                rest = rest[: MAX_LINE + 1]
        self.tail = rest
        if self.decoders is None and not _begins_header(rest.rstrip(b"\0")):
            self._begin(rest, path)

    def _last_break(self, piece: bytes, start: int) -> int:
        """Return the index of the last line break of a block that begins at `start`, or
        of the first line break before the first line is known; -1 without any."""
        if self.decoders is not None:
            end = piece.rfind(b"\n", start, start + BLOCK)
            if end >= 0:
                return end
        return piece.find(b"\n", start)

    def _begin(self, line: bytes, path: str) -> None:
        """Choose the decoders, if the line is not blank.

        Raises:
            BadRecording: the line begins no recording.
        """
        line = cleaned(line, self.number)
        if not line:
            return
        try:
            if len(line) > MAX_LINE:
                raise BadRecording("no candles: the first line is too long")
            self.decoders = decoders_of(line, path, self._asked)
        except BadRecording as error:
            name = "stdin" if self._piece.path == "-" else self._piece.path
            raise BadRecording(f"{name}:{self.number}: {error}") from None


def _begins_header(line: bytes) -> bool:
    """Return whether a line is the beginning of a header, or of any line."""
    return any(form.HEADER.startswith(line) for form in readers().values())


def cleaned(line: bytes, number: int) -> bytes:
    """Return a line without blanks around it, and the first one without a byte-order
    mark."""
    return (line.removeprefix(_BOM) if number == 1 else line).strip(_BLANK)


def _next_line(fd: int, start: int) -> int:
    """Return the offset of the first line of a file that begins at `start` or later;
    without any, the size of the file."""
    at = start - 1
    while data := os.pread(fd, _PIECE, at):
        if (found := data.find(b"\n")) >= 0:
            return at + found + 1
        at += len(data)
    return at


def _pieces(fd: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines of a file that begin from `start` to `end`, in pieces."""
    last = b""
    while start < end and (data := os.pread(fd, min(_PIECE, end - start), start)):
        yield data
        start, last = start + len(data), data[-1:]
    while last not in (b"\n", b"") and (data := os.pread(fd, _PIECE, start)):
        start += len(data)
        stop = data.find(b"\n") + 1
        yield data[:stop] if stop else data
        last = b"\n" if stop else last
