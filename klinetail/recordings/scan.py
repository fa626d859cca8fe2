"""Reading of a part of a file for a check.

A block of lines goes three ways. The first one tells by columns that all lines are
right (`formats.rows`). A block that it does not accept is decoded at once, and if that
fails, too, line by line: that way has the words for what is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation

from klinetail.candle import LAST_TIME, Candle, Stream
from klinetail.errors import BadRecording
from klinetail.formats.rows import Rows
from klinetail.formats.values import BadCandle, has_float
from klinetail.recordings.check import Check
from klinetail.recordings.findings import Kind, Part
from klinetail.recordings.lines import Asked, Decoders, Lines, Piece, cleaned
from klinetail.recordings.read import MAX_LINE, has_long_line


def scan(piece: Piece, asked: Asked) -> Part:
    """Return what is found in a piece of a file. Line numbers count from the beginning
    of the piece."""
    part = Part()
    check = Check(piece.file, asked.since, asked.until)
    lines = Lines(piece, asked)
    scanner = _Scanner(part, check, lines, piece)
    try:
        for block in lines.blocks():
            scanner.block(block)
        scanner.end()
    except OSError as error:
        part.unreadable = f"{piece.path}: {error.strerror}"
    except BadRecording as error:
        part.unreadable = str(error)
    part.lines = lines.number - 1
    part.tracks = check.tracks()
    return part


class _Scanner:
    """Sends the lines of a piece into a check.

    Args:
        part: takes the findings of lines.
        check: takes the candles.
        lines: where the lines come from.
        piece: the piece.
    """

    def __init__(self, part: Part, check: Check, lines: Lines, piece: Piece) -> None:
        self._part = part
        """Takes the findings of lines."""
        self._check = check
        """Takes the candles."""
        self._lines = lines
        """Where the lines come from."""
        self._piece = piece
        """The piece."""

    def block(self, block: bytes) -> None:
        """Take a block of lines."""
        decoders = self._lines.decoders
        if decoders is None:
            return
        rows = None
        if not has_long_line(block):
            rows = decoders.rows(block) if decoders.rows is not None else None
            rows = rows or self._decoded(block, decoders)
        if rows is not None:
            self._check.rows(rows, self._lines.number)
        else:
            for number, line in enumerate(block.split(b"\n"), self._lines.number):
                self._line(line, number, decoders)

    def _decoded(self, block: bytes, decoders: Decoders) -> Rows | None:
        """Return the rows of a block of lines that hold sound candles, or None."""
        if decoders.block is None or (candles := decoders.block(block)) is None:
            return None
        for number, line in enumerate(block.split(b"\n"), self._lines.number):
            self._note(line, number)
        return Rows(
            [(candle.symbol, str(candle.interval)) for candle in candles],
            [candle.open_time for candle in candles],
            [candle.close_time for candle in candles],
            [candle.closed for candle in candles],
        )

    def _line(self, line: bytes, number: int, decoders: Decoders) -> None:
        line = cleaned(line, number if not self._piece.start else 0)
        if not line or (decoders.headers and line.startswith(decoders.headers)):
            return
        try:
            if len(line) > MAX_LINE:
                raise BadRecording(f"no record: longer than {MAX_LINE} bytes")
            candle = decoders.line(line)
        except BadCandle as error:
            self._wrong(error, number)
        except BadRecording as error:
            self._add(Kind.NO_RECORD, number, str(error))
            return
        else:
            self._check.candle(candle, number)
        self._note(line, number)

    def _wrong(self, error: BadCandle, number: int) -> None:
        """Take a candle whose values cannot be right."""
        candle, reason = error.candle, str(error).removeprefix("no candle: ")
        if not _is_timely(candle):
            self._check.unplaced(candle.stream)
            self._add(Kind.TIME, number, reason, candle.stream)
        elif self._check.counts(candle.open_time):
            self._check.candle(candle, number)
            kind = Kind.PRICES if _are_numbers(candle) else Kind.NO_RECORD
            self._add(kind, number, reason, candle.stream)

    def _note(self, line: bytes, number: int) -> None:
        if has_float(line):
            self._add(Kind.FLOAT, number, "the digits that a float leaves behind")

    def _add(
        self, kind: Kind, number: int, text: str, stream: Stream | None = None
    ) -> None:
        self._part.add(kind, (self._piece.file, number), text, stream)

    def end(self) -> None:
        """Take what follows the last line break, and how the file ends."""
        lines = self._lines
        if lines.cut_short is not None:
            self._add(Kind.TORN, lines.number, lines.cut_short)
        if lines.tail:
            self._tail(lines.tail, lines.number)
            lines.number += 1

    def _tail(self, tail: bytes, number: int) -> None:
        line = tail.rstrip(b"\0")
        nuls = len(tail) - len(line) + self._lines.cut_off
        behind = f"{nuls:,} NUL bytes at the end" if nuls else ""
        if not line or nuls:
            before = "a torn last line, then " if line else ""
            self._add(Kind.TORN, number, f"{before}{behind}")
            return
        line = cleaned(line, number)
        decoders = self._lines.decoders
        if not line:
            return
        if decoders is None or not _is_whole(line, decoders):
            size = len(tail) + self._lines.cut_off
            self._add(Kind.TORN, number, f"a torn last line of {size:,} bytes")
            return
        self._line(line, number, decoders)
        self._add(Kind.NO_BREAK, number, "the last line has no line break")


def _is_whole(line: bytes, decoders: Decoders) -> bool:
    """Return whether a line is a header, or has all cells of a candle."""
    if decoders.headers and line.startswith(decoders.headers):
        return True
    try:
        decoders.line(line)
    except BadCandle:
        return True
    except BadRecording:
        return False
    return True


def _is_timely(candle: Candle) -> bool:
    """Return whether the times are those of a candle of the stream."""
    interval = candle.interval
    return (
        0 <= candle.open_time <= LAST_TIME
        and interval.opens_at(candle.open_time)
        and candle.close_time == interval.close_time(candle.open_time)
        and candle.close_time <= LAST_TIME
    )


def _are_numbers(candle: Candle) -> bool:
    try:
        return all(Decimal(text).is_finite() for text in candle.texts)
    except InvalidOperation:
        return False


def values_of(
    piece: Piece, asked: Asked, wanted: Mapping[Stream, Collection[int]]
) -> list[tuple[Stream, int, int]]:
    """Return stream, open time (ms) and a hash of the values of each closed candle of
    a piece that is wanted, in the order of the file.

    Args:
        piece: the piece.
        asked: how to read the file.
        wanted: by stream, the open times (ms) of the candles.
    """
    times = {time for each in wanted.values() for time in each}
    found: list[tuple[Stream, int, int]] = []
    lines = Lines(piece, asked)
    try:
        for block in lines.blocks():
            _take_values(block, lines, times, wanted, found)
        _take_values(lines.tail, lines, times, wanted, found)
    except (OSError, BadRecording):
        pass  # said by `scan`
    return found


def _take_values(
    block: bytes,
    lines: Lines,
    times: set[int],
    wanted: Mapping[Stream, Collection[int]],
    found: list[tuple[Stream, int, int]],
) -> None:
    decoders = lines.decoders
    if decoders is None:
        return
    rows = None if decoders.rows is None else decoders.rows(block)
    if rows is not None and times.isdisjoint(rows.opened):
        return
    for line in block.split(b"\n"):
        try:
            candle = decoders.line(cleaned(line, lines.number))
        except BadCandle as error:
            candle = error.candle
        except BadRecording:
            continue
        if candle.closed and candle.open_time in wanted.get(candle.stream, ()):
            found.append((candle.stream, candle.open_time, _hash(candle)))


def _hash(candle: Candle) -> int:
    """Return a hash of the values as numbers, the same in each process."""
    try:
        numbers = tuple(map(Decimal, candle.texts))
    except InvalidOperation:
        return 0
    return hash((*numbers, candle.count))
