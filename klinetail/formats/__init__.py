"""Candles as bytes, one file a format. Pure; whole lines in, whole lines out.

A decoder raises `BadRecording` for a line that is no candle, and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import PurePath
from typing import Final, Protocol

from klinetail.candle import Candle, Interval, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats import csv, jsonl
from klinetail.formats.plain import Plain


class Output(Protocol):
    """What writes candles as lines."""

    HEADER: bytes
    """What a file begins with: a whole line, or nothing."""

    def line(self, candle: Candle, /) -> str:
        """The candle as a whole line."""

    def encode(self, candles: Sequence[Candle], /) -> bytes:
        """The candles as whole lines."""


class Format(Output, Protocol):
    """A format of recordings: what writes candles, and reads them again."""

    def decode(self, line: bytes, /) -> Candle:
        """The candle of one line."""


FORMATS: dict[str, Format] = {"jsonl": jsonl, "csv": csv}
"""The formats of recordings, by the suffix of a file's name."""

OUTPUTS: dict[str, Callable[[tzinfo], Output]] = {
    "jsonl": lambda _: jsonl,
    "csv": lambda _: csv,
    "plain": Plain,
}
"""The formats of stdout by their names, for people of a time zone."""


def by_suffix(path: str) -> Format:
    """The format that a file's name asks for.

    Raises:
        UsageError: by none.
    """
    suffix = PurePath(path).suffix[1:].lower()
    if suffix not in FORMATS:
        known = " or ".join(f".{name}" for name in FORMATS)
        raise UsageError(f"{path}: name it {known}, the suffix tells the format")
    return FORMATS[suffix]


BEGINNING: Final = 65_536
"""Bytes of a file that tell what it holds: many times a candle's line."""


def recognised(beginning: bytes) -> str | None:
    """The format of the candles that a file holds: a name of `FORMATS`, or `dump` for
    the exchange's own CSV. None if it holds something else.

    Args:
        beginning: its first `BEGINNING` bytes.
    """
    line = beginning.lstrip().partition(b"\n")[0]
    if line.startswith(csv.DUMP_HEADER):
        return "dump"
    for name, form in FORMATS.items():
        if form.HEADER and line == form.HEADER.rstrip():
            return name
        with contextlib.suppress(BadRecording):
            form.decode(line)
            return name
    with contextlib.suppress(BadRecording):
        csv.decode_dump(line, _ANY)
        return "dump"
    return None


_ANY: Final = Stream("ANY", Interval.M1)
"""A stream for a dump's candles, whose lines do not tell theirs."""


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
