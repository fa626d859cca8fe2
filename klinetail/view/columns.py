"""Columns: which of them fit, and cells put into them. Widths are in cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from rich.cells import cell_len

from klinetail.view.theme import Cell, Glyphs, Line, line

MARGIN: Final = 1
_GAP: Final = 2
_WIDE_GAP: Final = 4


class Column(msgspec.Struct, frozen=True):
    """A place of a fixed width."""

    name: str
    width: int
    right: bool = True


class Layout(msgspec.Struct, frozen=True):
    """Columns side by side, with `gap` cells between them."""

    columns: tuple[Column, ...]
    gap: int
    margin: int = MARGIN

    def __contains__(self, name: str) -> bool:
        return any(column.name == name for column in self.columns)

    @property
    def width(self) -> int:
        inner = sum(column.width for column in self.columns)
        return self.margin + inner + self.gap * (len(self.columns) - 1)

    def row(self, cells: Mapping[str, Cell], glyphs: Glyphs, style: str = "") -> Line:
        """One line of cells by their columns' names; a missing one is blank."""
        parts: list[Cell] = []
        gap = " " * self.margin
        for column in self.columns:
            shown, own = cells.get(column.name, ("", ""))
            shown = glyphs.crop(shown, column.width)
            blank = " " * (column.width - cell_len(shown))
            placed = blank + shown if column.right else shown + blank
            parts += [(gap, ""), (placed, f"{style} {own}".strip())]
            gap = " " * self.gap
        while parts and not parts[-1][0].strip(" "):
            parts.pop()
        if parts:
            shown, own = parts[-1]
            parts[-1] = (shown.rstrip(" "), own)
        return line(*parts)


def fit(choices: Sequence[Sequence[Column]], width: int) -> Layout:
    """The first choice that fits into `width`, spread a little if there is room.

    If none does, the last one without its margin, its last column cut.
    """
    for columns in choices:
        tight = Layout(tuple(columns), _GAP)
        if tight.width <= width:
            spare = (width - tight.width) // max(len(columns), 1)
            return Layout(tight.columns, min(_GAP + spare, _WIDE_GAP))
    *head, tail = choices[-1]
    used = sum(column.width + 1 for column in head)
    cut = Column(tail.name, max(width - used, 0), tail.right)
    return Layout((*head, cut), 1, 0)
