"""Columns of a table. A column is one value with everything about the column.

A new column is an entry in `candle_columns.COLUMNS` or `stream_columns.COLUMNS`. Widths
are in cells of the terminal.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from klinetail.candle import Candle, Stream
from klinetail.view.theme import Cell, Glyphs


class Align(enum.Enum):
    """How the cells of a column are aligned."""

    LEFT = "left"
    RIGHT = "right"
    POINT = "point"
    """The decimal points are in line, in the column and in all columns of its scale."""


class Row(Protocol):
    """The values available to the cells of every table."""

    @property
    def candle(self) -> Candle | None:
        """The candle of the row; None before the first candle of a stream."""

    @property
    def change(self) -> Cell:
        """The change from the candle's open, in the style of its direction."""

    @property
    def glyphs(self) -> Glyphs:
        """The symbols for the encoding of the terminal."""


AnyRow = TypeVar("AnyRow", bound=Row, contravariant=True)
"""The row of one table. A column of `Row` suits every table."""


def of_candle(
    text: Callable[[Candle], str], *, directed: bool = False
) -> Callable[[Row], Cell]:
    """Return a function that makes a cell from the candle of a row.

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
    """A word, unique in the table."""
    cell: Callable[[AnyRow], Cell]
    """Returns the text and the style of the cell in a row."""
    heading: str | Callable[[AnyRow | None], str] | None = None
    """The text above the column, or a function that returns the text. In a candle table
    the function gets the newest row, or None before the first candle; in a stream
    table, always None. By default, the text is the name."""
    width: int | Callable[[Sequence[Stream], Glyphs], int] = 0
    """The width of the column, or a function that returns the width for the streams of
    the table. A column that `grows` has at least this width."""
    grows: bool = False
    """Whether the column becomes as wide as the widest cell so far."""
    align: Align = Align.RIGHT
    """The alignment of the cells and the heading; `POINT` puts the heading right."""
    scale: str = ""
    """Growing columns with the same word here are equally wide; "" means alone."""
    rank: int = 0
    """On a narrow screen, the columns with the greatest rank go first, and columns of
    equal rank go together. Columns of rank 0 stay."""
    instead: Column[AnyRow] | None = None
    """A narrower column for a screen without room for this column; None for nothing."""
    needed: Callable[[Sequence[Stream]], bool] = always
    """Returns whether a table of the given streams has the column at all."""
    timed: bool = False
    """Whether a cell changes with the time alone, without an event."""

    def __post_init__(self) -> None:
        if self.instead is not None and self.instead.rank >= self.rank:
            raise ValueError(f"{self.name}: the rank of `instead` is not smaller")
