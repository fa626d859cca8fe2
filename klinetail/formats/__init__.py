"""Candles as lines, one file a format; `registry` knows which formats there are. Pure.

A decoder raises `BadRecording` for a line that is no candle, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Protocol

from klinetail.errors import BadRecording, UsageError
from klinetail.formats.registry import FORMATS, either, readers, suffixes

if TYPE_CHECKING:
    from klinetail.candle import Candle


class Output(Protocol):
    """What writes candles as lines."""

    HEADER: bytes
    """What a file begins with: a whole line, or nothing."""

    def line(self, candle: Candle, /) -> str:
        """The candle as a whole line."""

    def encode(self, candles: Sequence[Candle], /) -> bytes:
        """The candles as whole lines."""


class Reader(Protocol):
    """What recognises candles in lines, and reads them."""

    HEADER: bytes
    """What a file may begin with: a whole line, the beginning of one, or nothing."""

    def recognises(self, line: bytes, /) -> bool:
        """Whether a line, stripped, looks like a candle, be it a faulty one: what is
        wrong with it the decoder tells. A header is not asked about."""

    def decoder(self, path: str | None, /) -> Callable[[bytes], Candle]:
        """What makes a candle of a line of a file.

        Args:
            path: the file's name, which may tell what its lines do not; None where it
                only matters whether a line holds a candle.

        Raises:
            BadRecording: the name does not tell it.
        """


class Format(Output, Reader, Protocol):
    """A format of recordings: what writes candles, recognises and reads them again."""


def by_suffix(path: str) -> Format:
    """The format that a file's name asks for.

    Raises:
        UsageError: by none.
    """
    suffix = PurePath(path).suffix[1:].lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"{path}: name it {either(suffixes())}, the suffix tells the format"
        )
    return FORMATS[suffix]


BEGINNING: Final = 65_536
"""Bytes of a file that tell what it holds: many times a candle's line."""


def recognised(beginning: bytes) -> str | None:
    """The name of the format of the candles that a file holds for certain: its first
    line is a header or a candle. None if it holds something else.

    Args:
        beginning: its first `BEGINNING` bytes.
    """
    line = beginning.lstrip().partition(b"\n")[0]
    for name, form in readers().items():
        begins = form.HEADER and (line + b"\n").startswith(form.HEADER)
        if begins or holds_candle(form, line):
            return name
    return None


def holds_candle(form: Reader, line: bytes) -> bool:
    """Whether a line holds a candle in a format."""
    try:
        form.decoder(None)(line)
    except BadRecording:
        return False
    return True


def reader_of(line: bytes) -> Reader | None:
    """The format that a file's first line looks like, be it a faulty one; None if it
    looks like none.

    Args:
        line: a header or a candle, stripped.
    """
    forms = readers().values()
    for form in forms:
        if form.HEADER and line.startswith(form.HEADER.rstrip()):
            return form
    return next((form for form in forms if form.recognises(line)), None)


def joined(lines: Sequence[str]) -> bytes:
    """Lines as bytes."""
    return "".join(lines).encode()


def whole_lines(data: bytes, most: int, at: int = 0) -> bytes:
    """The lines of `data` from `at` on that make up at most `most` bytes, one at
    least."""
    if len(data) - at <= most:
        return data[at:]
    end = data.rfind(b"\n", at, at + most)
    return data[at : (end if end >= 0 else data.index(b"\n", at)) + 1]
