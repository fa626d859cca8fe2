"""The layout of columns on a line. Widths are in cells of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic

import msgspec
from rich.cells import cell_len

from klinetail.candle import Stream
from klinetail.view.columns import Align, AnyRow, Column
from klinetail.view.theme import QUIET, Cell, Glyphs, Line, clipped, line

MARGIN: Final = 1
"""Blank cells at the left of a line."""

_GAP: Final = 2
"""Blank cells between two columns at least."""

_WIDE_GAP: Final = 4
"""Blank cells between two columns at most."""


class Place(msgspec.Struct, Generic[AnyRow], frozen=True):
    """A column of a layout, with the width of the column."""

    column: Column[AnyRow]
    """The column, whose own `width` is not used any more."""
    width: int
    """The width of every cell."""
    whole: int = 0
    """The part of the width for digits before decimal points."""
    fraction: int = 0
    """The part of the width for decimal points and the digits after them."""

    def filled(self, text: str, glyphs: Glyphs) -> str:
        """Return `text` in exactly `width` cells; a text that is wider is cut."""
        spare = self.width - cell_len(text)
        if spare < 0:
            return glyphs.crop(text, self.width)
        left = self.column.align is Align.LEFT
        return text + " " * spare if left else " " * spare + text

    def cell(self, row: AnyRow) -> Cell:
        """Return the cell of `row`, with the decimal point in its place."""
        text, style = self.column.cell(row)
        if self.column.align is Align.POINT:
            whole, point, digits = text.partition(".")
            before = " " * (self.whole - cell_len(whole))
            text = before + text + " " * (self.fraction - cell_len(point + digits))
        return text, style


class Layout(msgspec.Struct, Generic[AnyRow], frozen=True):
    """Columns side by side on a line."""

    places: tuple[Place[AnyRow], ...]
    """The columns from left to right."""
    gap: int
    """Blank cells between two columns."""
    margin: int = MARGIN
    """Blank cells before the first column."""

    @property
    def width(self) -> int:
        """The width of a line whose cells are all full."""
        inner = sum(place.width for place in self.places)
        return self.margin + inner + self.gap * (len(self.places) - 1)

    def line(self, cells: Sequence[Cell], glyphs: Glyphs, style: str = "") -> Line:
        """Return the line of the cells.

        Args:
            cells: a cell for each column, in order; a blank cell is `("", "")`.
            glyphs: the symbols for the encoding of the terminal.
            style: the style of the whole line; each cell adds its own style.
        """
        parts: list[Cell] = []
        gap = " " * self.margin
        for place, (text, own) in zip(self.places, cells, strict=True):
            parts.append((gap, ""))
            parts.append((place.filled(text, glyphs), f"{style} {own}".strip()))
            gap = " " * self.gap
        while parts and not parts[-1][0].strip(" "):
            parts.pop()
        if parts:
            text, own = parts[-1]
            parts[-1] = (text.rstrip(" "), own)
        return line(*parts)


def choices(columns: Sequence[Column[AnyRow]]) -> list[tuple[Column[AnyRow], ...]]:
    """Return the columns to show on ever narrower screens, all columns first."""
    kept = tuple(columns)
    found = [kept]
    while greatest := max((column.rank for column in kept), default=0):
        left = [col if col.rank < greatest else col.instead for col in kept]
        kept = tuple(column for column in left if column is not None)
        found.append(kept)
    return found


def fit(choices: Sequence[Sequence[Place[AnyRow]]], width: int) -> Layout[AnyRow]:
    """Return the layout of the first choice that is at most `width` cells wide.

    Spare room widens the gaps, up to a limit. If every choice is too wide, the last
    choice is laid out without a margin, and its last column is cut.
    """
    for places in choices:
        tight = Layout(tuple(places), _GAP)
        if tight.width <= width:
            spare = (width - tight.width) // max(len(places), 1)
            return Layout(tight.places, min(_GAP + spare, _WIDE_GAP))
    *head, last = choices[-1]
    used = sum(place.width + 1 for place in head)
    cut = Place(last.column, max(width - used, 0), last.whole, last.fraction)
    return Layout((*head, cut), 1, 0)


class _Room:
    """The widest cells so far of a growing column, or of all columns of a scale."""

    def __init__(self) -> None:
        self.whole = 0
        """The width of the widest text; with `Align.POINT`, before its point."""
        self.fraction = 0
        """The width of the longest part from a decimal point on."""

    def grow(self, text: str, align: Align) -> bool:
        """Make room for `text` and return whether the room was too small."""
        fraction = 0
        if align is Align.POINT and (at := text.find(".")) >= 0:
            fraction = cell_len(text[at:])
            text = text[:at]
        whole = cell_len(text)
        if whole <= self.whole and fraction <= self.fraction:
            return False
        self.whole = max(self.whole, whole)
        self.fraction = max(self.fraction, fraction)
        return True


class _Sized(Generic[AnyRow]):
    """A column of a table, with the numbers that decide the column's width."""

    def __init__(self, column: Column[AnyRow], least: int, room: _Room | None) -> None:
        self.column = column
        """The column itself."""
        self.least = least
        """The column's width, or the least width of a column that grows."""
        self.room = room
        """The widest cells; None for a column of fixed width."""

    def place(self) -> Place[AnyRow]:
        """Return the column with the width for all cells so far."""
        if (room := self.room) is None:
            return Place(self.column, self.least)
        width = max(self.least, room.whole + room.fraction)
        return Place(self.column, width, room.whole, room.fraction)


class Grid(Generic[AnyRow]):
    """The columns of one table, laid out anew when a width changes.

    Args:
        columns: the columns from left to right.
        streams: the streams of the table.
        glyphs: the symbols for the encoding of the terminal.

    Raises:
        ValueError: no column has rank 0, or two columns have the same name.
    """

    def __init__(
        self,
        columns: Sequence[Column[AnyRow]],
        streams: Sequence[Stream],
        glyphs: Glyphs,
    ) -> None:
        names = [column.name for column in columns]
        if len(set(names)) < len(names):
            raise ValueError(f"two columns have the same name: {', '.join(names)}")
        self._glyphs = glyphs
        self._rooms: dict[str, _Room] = {}
        """The widest cells by scale, or by name for growing columns without a scale."""
        needed = choices([column for column in columns if column.needed(streams)])
        if not needed[-1]:
            raise ValueError("no column has rank 0")
        sized: dict[int, _Sized[AnyRow]] = {}
        for column in (column for choice in needed for column in choice):
            if id(column) not in sized:
                sized[id(column)] = self._sized(column, streams)
        self._choices = [[sized[id(column)] for column in choice] for choice in needed]
        """The columns for ever narrower screens."""
        self._growing = [
            (one.column, one.room) for one in sized.values() if one.room is not None
        ]
        """The growing columns, with the widest cells so far."""
        self._grown = True
        """Whether a column has grown since the columns were laid out."""
        self._width = -1
        """The width of the screen, for which the columns are laid out."""
        self._header: tuple[list[str], Line] | None = None
        """The latest headings and their line; None in a new layout."""
        self._timed: list[Column[AnyRow]] = []
        """The columns on the line whose cells change with the time alone."""
        self.layout: Layout[AnyRow] = Layout((), 0)
        """The columns on the line; empty before `settle`."""

    def _sized(
        self, column: Column[AnyRow], streams: Sequence[Stream]
    ) -> _Sized[AnyRow]:
        width = column.width
        least = width if isinstance(width, int) else width(streams, self._glyphs)
        room = None
        if column.grows:
            room = self._rooms.setdefault(column.scale or column.name, _Room())
        return _Sized(column, least, room)

    def measure(self, row: AnyRow) -> None:
        """Widen the growing columns if the cells of `row` need more room."""
        for column, room in self._growing:
            if room.grow(column.cell(row)[0], column.align):
                self._grown = True

    def settle(self, width: int) -> bool:
        """Lay the columns out for a screen of `width` cells.

        Returns:
            Whether lines made before this call would look different now.
        """
        if width == self._width and not self._grown:
            return False
        layout = fit([[one.place() for one in some] for some in self._choices], width)
        changed = width != self._width or layout != self.layout
        if changed:
            self.layout, self._width = layout, width
            columns = [place.column for place in layout.places]
            self._timed = [column for column in columns if column.timed]
            self._header = None
        self._grown = False
        return changed

    def header(self, newest: AnyRow | None) -> Line:
        """Return the line of headings; `newest` is the argument of `Column.heading`."""
        headings = [_heading(place.column, newest) for place in self.layout.places]
        if self._header is None or self._header[0] != headings:
            cells = [(heading, QUIET) for heading in headings]
            text = self._clipped(self.layout.line(cells, self._glyphs))
            self._header = headings, text
        return self._header[1]

    def line(self, row: AnyRow, style: str = "") -> Line:
        """Return the line of `row`; `style` is the style of the whole line."""
        cells = [place.cell(row) for place in self.layout.places]
        return self._clipped(self.layout.line(cells, self._glyphs, style))

    def timed(self, row: AnyRow) -> list[Cell]:
        """Return the cells of `row` on the line whose columns are `timed`."""
        return [column.cell(row) for column in self._timed]

    def _clipped(self, text: Line) -> Line:
        return clipped(text, self._width, self._glyphs)


def _heading(column: Column[AnyRow], newest: AnyRow | None) -> str:
    heading = column.heading
    if heading is None:
        return column.name
    return heading if isinstance(heading, str) else heading(newest)
