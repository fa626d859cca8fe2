"""Many lines at once: the values of a block of lines, checked and joined by columns.

A block is a few hundred lines. What these functions accept is right to the last check
of `Candle.fault`. A block that they do not accept may be right, too, in a rare
spelling: the decoder of single lines decides, and has the words for what is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import le, mod, sub
from typing import Final

import msgspec

from klinetail.candle import (
    DAY,
    LAST_TIME,
    Candle,
    Interval,
    Source,
    Stream,
    symbol_fault,
)

_UNITS: Final = {
    str(interval): DAY if interval is Interval.D3 else interval.length
    for interval in Interval
    if interval.length is not None and interval.anchor == 0
}
"""By interval, the number of ms that divides every open time. Weeks and months take
more than a division."""

_SPANS: Final = {
    str(interval): interval.length - 1
    for interval in Interval
    if interval.length is not None and str(interval) in _UNITS
}
"""By interval, the ms from the open time to the close time."""

_EXACT: Final = 15
"""Characters of decimals that are in the same order as floats: a float holds 15
digits."""

_SHORT: Final = 18
"""Characters of a decimal that is short enough for `Candle.fault` in any case."""

STREAMS: Final = 32_768
"""Streams of a file that are remembered at most."""

_integers: Final = msgspec.json.Decoder(list[int])
_floats: Final = msgspec.json.Decoder(list[float])


class Streams(dict[tuple[str, str], Stream]):
    """The streams of a file by the texts of symbol and interval.

    A look-up makes a stream that is not known yet. A `KeyError` means that the texts
    name none.

    Args:
        most: the number of streams that are remembered at most.
    """

    def __init__(self, most: int = STREAMS) -> None:
        super().__init__()
        self._most = most
        """The number of streams that are remembered at most."""

    def __missing__(self, key: tuple[str, str]) -> Stream:
        symbol, interval = key
        if symbol_fault(symbol) is not None or interval not in _INTERVALS:
            raise KeyError(key)
        if len(self) >= self._most:
            self.clear()
        stream = self[key] = Stream(symbol, _INTERVALS[interval])
        return stream


_INTERVALS: Final = {str(interval): interval for interval in Interval}


def cells(block: bytes, least: int) -> tuple[list[str], int] | None:
    """Return the cells of CSV lines in a row, and how many cells a line has; behind the
    cells of each line follows a cell with a line break.

    Args:
        block: whole lines without the last line break.
        least: the smallest number of cells of a line.

    Returns:
        None if the lines differ in their number of cells, or have fewer than `least`.
    """
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return None
    found = text.replace("\n", ",\n,").split(",")
    found.append("\n")
    width = found.index("\n")
    lines = len(found) // (width + 1)
    if width < least or len(found) != lines * (width + 1):
        return None
    return (found, width) if found[width :: width + 1].count("\n") == lines else None


def integers(columns: Sequence[Sequence[str]]) -> list[list[int]] | None:
    """Return columns of whole numbers without a sign, or None if one is no such
    number."""
    rows = len(columns[0])
    text = ",".join(_joined(columns)).encode()
    if text.translate(None, b"0123456789,"):
        return None
    try:
        found = _integers.decode(b"[%b]" % text)
    except ValueError:
        return None
    if len(found) != rows * len(columns):
        return None  # a single empty cell
    return [found[n * rows : (n + 1) * rows] for n in range(len(columns))]


def _joined(columns: Sequence[Sequence[str]]) -> list[str]:
    """Return the columns one after the other."""
    found: list[str] = []
    for column in columns:
        found += column
    return found


def candles(
    streams: Sequence[Stream],
    intervals: Sequence[str],
    times: Sequence[Sequence[int]],
    texts: Sequence[Sequence[str]],
    closed: Iterable[bool],
    sources: Iterable[Source],
) -> list[Candle] | None:
    """Return the candles of columns, or None if a value is not certain to be right.

    Args:
        streams: the streams.
        intervals: the names of their intervals.
        times: open times, close times and numbers of trades.
        texts: the eight decimals, in the order of `Candle.texts`.
        closed: whether each candle is closed.
        sources: the sources.
    """
    opened, closing, counts = times
    if min(counts) < 0 or max(counts) >= 1 << 53:
        return None
    if not (timely(intervals, opened, closing) and _ordered(texts)):
        return None
    first, high, low, last, volume, quote, taker, taker_quote = texts
    return [
        *map(
            Candle,
            streams,
            opened,
            first,
            high,
            low,
            last,
            volume,
            closing,
            quote,
            counts,
            taker,
            taker_quote,
            closed,
            sources,
        )
    ]


def timely(
    intervals: Sequence[str], opened: Sequence[int], closing: Sequence[int]
) -> bool:
    """Return whether all open and close times (ms) are those of a candle."""
    if min(opened) < 0 or max(opened) > LAST_TIME or max(closing) > LAST_TIME:
        return False
    if intervals.count(intervals[0]) == len(intervals):
        span, unit = _SPANS.get(intervals[0]), _UNITS.get(intervals[0])
        if span is not None and unit is not None:
            return {*map(sub, closing, opened)} == {span} and not any(
                map(mod, opened, repeat(unit))
            )
    try:
        spans = [*map(_SPANS.__getitem__, intervals)]
    except KeyError:
        return [*map(close_time, intervals, opened)] == [*closing]
    return [*map(sub, closing, opened)] == spans and not any(
        map(mod, opened, map(_UNITS.__getitem__, intervals))
    )


@functools.lru_cache(maxsize=4_096)
def close_time(name: str, open_time: int) -> int | None:
    """Return the close time (ms) of a candle, or None if none opens then."""
    interval = _INTERVALS[name]
    return interval.close_time(open_time) if interval.opens_at(open_time) else None


def _ordered(columns: Sequence[Sequence[str]]) -> bool:
    """Return whether all decimals are plain and short, and every open and close lies
    between low and high.

    Args:
        columns: open, high, low and close, and then the volumes.
    """
    rows = len(columns[0])
    prices = _joined(columns[:4])
    texts = prices + _joined(columns[4:])
    joined = ",".join(texts).encode()
    if joined.translate(None, b"0123456789.,"):
        return False
    longest = max(map(len, texts))
    if longest > _SHORT or (longest > _EXACT and max(map(len, prices)) > _EXACT):
        return False
    try:
        # JSON's numbers are plain decimals, but for a sign and an exponent.
        numbers = _floats.decode(b"[%b]" % joined)
    except ValueError:
        return False
    first, high, low, last = (numbers[n * rows : (n + 1) * rows] for n in range(4))
    return (
        len(numbers) == len(texts)
        and all(map(le, low, first))
        and all(map(le, low, last))
        and all(map(le, first, high))
        and all(map(le, last, high))
    )
