"""The table of checked recordings, which `klinetail check` prints once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from rich.table import Table
from rich.text import Text

from klinetail.view.printed import printed
from klinetail.view.terminal import glyphs_of
from klinetail.view.theme import TITLE, Glyphs


class Row(NamedTuple):
    """A stream of a recording."""

    files: str
    """The names of the files."""
    stream: str
    """The stream."""
    first: str
    """The open time of the first candle; empty without any."""
    last: str
    """The open time of the last candle."""
    candles: int
    """All candles."""
    state: str
    """What is wrong, in words."""


def rendered(
    rows: Sequence[Row],
    lines: Sequence[str],
    stdout: TextIO,
    environ: Mapping[str, str],
) -> bytes:
    """Return the table, and lines below it, in the encoding of the terminal.

    The names of the files are a column, or a line above if they are alike.

    Args:
        rows: the streams in the order of the rows.
        lines: one for each finding, escaped.
        stdout: the terminal.
        environ: see `printed`.
    """
    glyphs = glyphs_of(stdout)
    names = {row.files for row in rows}
    parts: list[Table | Text] = []
    if len(names) == 1:
        parts.append(Text(glyphs.label(*names)))
    if rows:
        parts.append(_table(rows, glyphs, several=len(names) > 1))
    return printed(stdout, environ, *parts, *map(Text, lines))


def _table(rows: Sequence[Row], glyphs: Glyphs, *, several: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style=TITLE)
    if several:
        table.add_column("FILE", overflow="fold")
    for name in ("STREAM", "FIRST", "LAST"):
        table.add_column(name, no_wrap=True)
    table.add_column("CANDLES", no_wrap=True, justify="right")
    table.add_column("STATE")
    for row in rows:
        words = (row.stream, row.first, row.last)
        cells = (*([row.files] * several), *words, f"{row.candles:,}", row.state)
        table.add_row(*(Text(glyphs.label(cell or glyphs.none)) for cell in cells))
    return table
