"""Formats: candles as lines, one module for each format, listed in `registry`. Pure.

A decoder raises `BadRecording` for a line without a candle, and no other error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from klinetail.errors import BadRecording, UsageError
from klinetail.formats.registry import FORMATS, either, readers, suffixes

if TYPE_CHECKING:
    from klinetail.candle import Candle
    from klinetail.formats.rows import RowsOf


class Output(Protocol):
    """The writing half of a format: candles become lines."""

    HEADER: bytes
    """The first line of a file, with its line break; empty for a format without a
    header."""

    def line(self, candle: Candle, /) -> str:
        """Return the candle as a line, line break included."""

    def encode(self, candles: Sequence[Candle], /) -> bytes:
        """Return the candles as whole lines, without the header."""


class Reader(Protocol):
    """The reading half of a format: lines are recognised and become candles."""

    HEADER: bytes
    """The header that a file may begin with: a whole line, the beginning of a line, or
    empty."""

    def recognises(self, line: bytes, /) -> bool:
        """Return whether a line looks like a candle in the format; a faulty candle
        counts.

        Args:
            line: a stripped line, not a header.
        """

    def decoder(self, path: str | None, /) -> Callable[[bytes], Candle]:
        """Return a function that makes a candle of a line of a file.

        Args:
            path: the file's path, for formats whose lines do not tell the stream; None
                to check lines alone.

        Raises:
            BadRecording: the path does not tell the stream.
        """


@runtime_checkable
class BlockReader(Protocol):
    """A reader that can also decode many lines at once, for speed. No reader has to."""

    def block_decoder(self, path: str, /) -> Callable[[bytes], list[Candle] | None]:
        """Return a function that makes candles of a block of lines.

        The function gets whole lines without the last line break. It returns a candle
        for each line, the same as those of `Reader.decoder`, or None if it is not
        certain of a line.

        Args:
            path: the file's path, for formats whose lines do not tell the stream.

        Raises:
            BadRecording: the path does not tell the stream.
        """


@runtime_checkable
class RowsReader(Protocol):
    """A reader that can also check many lines at once, for speed. No reader has to."""

    def rows_decoder(self, path: str, /) -> RowsOf:
        """Return a function that makes rows of a block of lines; see `rows.RowsOf`.

        Args:
            path: the file's path, for formats whose lines do not tell the stream.

        Raises:
            BadRecording: the path does not tell the stream.
        """


class Format(Output, Reader, Protocol):
    """A format of recordings, which can be written and read again."""


def by_suffix(path: str) -> Format:
    """Return the format named by a path's suffix.

    Raises:
        UsageError: no format has the suffix.
    """
    suffix = PurePath(path).suffix[1:].lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"{path}: name it {either(suffixes())}, the suffix tells the format"
        )
    return FORMATS[suffix]


BEGINNING: Final = 65_536
"""Bytes at the beginning of a file that suffice to recognise the content: many times
the length of a candle's line."""


def recognised(beginning: bytes) -> str | None:
    """Return the name of a file's format, or None if the file holds anything but
    candles.

    The first line decides: a header or a sound candle.

    Args:
        beginning: the first `BEGINNING` bytes of the file.
    """
    line = beginning.lstrip().partition(b"\n")[0]
    for name, form in readers().items():
        begins = form.HEADER and (line + b"\n").startswith(form.HEADER)
        if begins or holds_candle(form, line):
            return name
    return None


def holds_candle(form: Reader, line: bytes) -> bool:
    """Return whether a line holds a sound candle in a format."""
    try:
        form.decoder(None)(line)
    except BadRecording:
        return False
    return True


def reader_of(line: bytes) -> Reader | None:
    """Return the format that a file's first line looks like, or None; a faulty candle
    counts.

    Args:
        line: a header or a candle, stripped.
    """
    forms = readers().values()
    for form in forms:
        if form.HEADER and line.startswith(form.HEADER.rstrip()):
            return form
    return next((form for form in forms if form.recognises(line)), None)


def joined(lines: Sequence[str]) -> bytes:
    """Return the lines as bytes."""
    return "".join(lines).encode()


def whole_lines(data: bytes, most: int, at: int = 0) -> bytes:
    """Return whole lines of `data`: as many as fit, at least one.

    Args:
        data: whole lines.
        most: bytes to return at most, unless the first line alone is longer.
        at: the offset of the first line to return.
    """
    if len(data) - at <= most:
        return data[at:]
    end = data.rfind(b"\n", at, at + most)
    return data[at : (end if end >= 0 else data.index(b"\n", at)) + 1]
