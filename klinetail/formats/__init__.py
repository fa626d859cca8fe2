"""Candles as bytes, one file a format. Pure; whole lines in, whole lines out.

A decoder raises `BadRecording` for a line that is no candle, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import PurePath
from typing import Protocol

from klinetail.candle import Candle
from klinetail.errors import UsageError
from klinetail.formats import csv, jsonl
from klinetail.formats.plain import Plain


class Format(Protocol):
    """What a module of this room offers."""

    HEADER: bytes
    """What a file begins with: a whole line, or nothing."""

    def line(self, candle: Candle, /) -> str:
        """The candle as a whole line."""

    def encode(self, candles: Sequence[Candle], /) -> bytes:
        """The candles as whole lines."""


FORMATS: dict[str, Format] = {"jsonl": jsonl, "csv": csv}
"""The formats of recordings, by the suffix of a file's name."""

OUTPUTS: dict[str, Callable[[tzinfo], Format]] = {
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
