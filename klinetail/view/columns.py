"""The columns of a table, and the lines that they are laid out on.

A column is one value: all that a table knows about it. Widths are in cells of the
terminal.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec
from rich.cells import cell_len

from klinetail.candle import Candle, Stream
from klinetail.view.theme import QUIET, Cell, Glyphs, Line, clipped, line

MARGIN: Final = 1
"""Blank cells at the left of a line."""

_GAP: Final = 2
_WIDE_GAP: Final = 4


class Align(enum.Enum):
    """The side of its column that a cell is set to."""

    LEFT = "left"
    RIGHT = "right"
    POINT = "point"
    """The decimal points of a column, and of all columns of its scale, are in line."""


class Row(Protocol):
    """The values that a cell of every table can be made from."""

    @property
    def candle(self) -> Candle | None:
        """The candle of the row; None before the first candle of a stream."""

    @property
    def change(self) -> Cell:
        """The change from the candle's open, in the style of its direction."""

    @property
    def glyphs(self) -> Glyphs:
        """The characters that the terminal can show."""


AnyRow = TypeVar("AnyRow", bound=Row, contravariant=True)
"""The row of one table. A column of `Row` suits every table."""


def of_candle(
    text: Callable[[Candle], str], *, directed: bool = False
) -> Callable[[Row], Cell]:
    """Return the function that makes a cell of a row's candle.

    The cell is blank before the first candle.

    Args:
        text: returns the text of the cell.
        directed: whether the cell has the style of the candle's direction.
    """

    def cell(row: Row) -> Cell:
        if (candle := row.candle) is None:
            return "", ""
        return row.glyphs.label(text(candle)), row.change[1] if directed else ""

    return cell


def always(streams: Sequence[Stream]) -> bool:  # noqa: ARG001 - `Column.needed`
    """Return True, whatever the streams are."""
    return True


class Column(msgspec.Struct, Generic[AnyRow], frozen=True):
    """One column of a table.

    Raises:
        ValueError: `instead` does not have a smaller rank.
    """

    name: str
    """A word that no other column of the table has."""
    cell: Callable[[AnyRow], Cell]
    """Returns the text and the style of the column's cell in a row."""
    heading: str | Callable[[AnyRow | None], str] | None = None
    """The text above the column, or the function that returns the text for the newest
    row, None while the table has no row. None means the name."""
    width: int | Callable[[Sequence[Stream], Glyphs], int] = 0
    """The width of the column, or the function that returns the width that the streams
    of the table need. A column that `grows` has at least this width."""
    grows: bool = False
    """Whether the column becomes as wide as the widest cell so far."""
    align: Align = Align.RIGHT
    """The side that the cells and the heading are set to."""
    scale: str = ""
    """Growing columns with the same word here are equally wide; "" means alone."""
    rank: int = 0
    """The columns with the greatest rank are the first to go when the screen is too
    narrow. Columns of equal rank go together, and rank 0 stays."""
    instead: Column[AnyRow] | None = None
    """The narrower column that takes the place of this column when it goes."""
    needed: Callable[[Sequence[Stream]], bool] = always
    """Returns whether the table of these streams has the column at all."""
    timed: bool = False
    """Whether a cell changes with the time alone, without an event."""

    def __post_init__(self) -> None:
        if self.instead is not None and self.instead.rank >= self.rank:
            raise ValueError(f"{self.name}: the rank of `instead` is not smaller")


class Place(msgspec.Struct, Generic[AnyRow], frozen=True):
    """A column at its width."""

    column: Column[AnyRow]
    width: int
    whole: int = 0
    """The part of the width for digits before decimal points."""
    fraction: int = 0
    """The part of the width for decimal points and the digits after them."""

    def filled(self, text: str, glyphs: Glyphs) -> str:
        """Return `text` in exactly `width` cells; a text that is wider is cut."""
        spare = self.width - cell_len(text)
        if spare < 0:
            text = glyphs.crop(text, self.width)
            spare = self.width - cell_len(text)
        left = self.column.align is Align.LEFT
        return text + " " * spare if left else " " * spare + text

    def cell(self, row: AnyRow) -> Cell:
        """Return the cell of `row`, its decimal point in line with others."""
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
        """Return the line of the cells, which are in the order of the columns.

        Args:
            cells: one for each column; a blank cell is `("", "")`.
            glyphs: the characters that the terminal can show.
            style: the style of all cells, before the own style of each cell.
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

    Room that is left widens the gaps, up to a limit. If every choice is too wide, the
    last choice is laid out without a margin, and its last column is cut.
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
    """A column of one table, with the numbers that its width is found from."""

    def __init__(self, column: Column[AnyRow], least: int, room: _Room | None) -> None:
        self.column = column
        self.least = least
        """The column's width, or the least width of a column that grows."""
        self.room = room
        """None for a column that does not grow."""

    def place(self) -> Place[AnyRow]:
        """Return the column at the width that it needs now."""
        if (room := self.room) is None:
            return Place(self.column, self.least)
        width = max(self.least, room.whole + room.fraction)
        return Place(self.column, width, room.whole, room.fraction)


class Grid(Generic[AnyRow]):
    """The columns of one table, laid out anew when a width changes.

    Args:
        columns: the columns from left to right.
        streams: the streams of the table.
        glyphs: the characters that the terminal can show.

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
        """The room of each scale, and of each growing column without a scale."""
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
        """The columns that are measured, with their rooms."""
        self._grown = True
        """Whether a room has grown since the columns were laid out."""
        self._width = -1
        """The width of the screen that the columns are laid out for."""
        self._header: tuple[list[str], Line] | None = None
        """The headings on the line now and their line; None before it is made."""
        self._timed: list[Column[AnyRow]] = []
        """The columns on the line whose cells change with the time alone."""
        self.layout: Layout[AnyRow] = Layout((), 0)
        """The columns that are on the line now; empty before `settle`."""

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
        """Widen the growing columns so that they have room for the cells of `row`."""
        for column, room in self._growing:
            if room.grow(column.cell(row)[0], column.align):
                self._grown = True

    def settle(self, width: int) -> bool:
        """Lay the columns out for a screen of `width` cells.

        Returns:
            Whether lines that were made before would look different now.
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
        """Return the line of headings; `newest` is the newest row of the table."""
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
        """Return those cells of `row` on the line that change with the time alone."""
        return [column.cell(row) for column in self._timed]

    def _clipped(self, text: Line) -> Line:
        return clipped(text, self._width, self._glyphs)


def _heading(column: Column[AnyRow], newest: AnyRow | None) -> str:
    heading = column.heading
    if heading is None:
        return column.name
    return heading if isinstance(heading, str) else heading(newest)
