"""The table of checked recordings, which `klinetail check` prints once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from klinetail.view.terminal import coloured, glyphs_of, is_dumb
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

    Text is escaped, and characters without a place in the encoding become question
    marks.

    Args:
        rows: the streams in the order of the rows.
        lines: one for each finding, escaped.
        stdout: the terminal.
        environ: `NO_COLOR` switches colours off. If `TERM` names a dumb terminal, the
            table has neither colours nor bold text.
    """
    console = Console(
        file=stdout,
        force_terminal=True,
        color_system=None if is_dumb(environ) else "standard",
        no_color=not coloured(environ),
        markup=False,
        emoji=False,
        highlight=False,
    )
    glyphs = glyphs_of(stdout)
    names = {row.files for row in rows}
    with console.capture() as captured:
        if len(names) == 1:
            console.print(Text(glyphs.label(*names)), soft_wrap=True)
        if rows:
            console.print(_table(rows, glyphs, several=len(names) > 1))
        for line in lines:
            console.print(Text(line), soft_wrap=True)
    return captured.get().encode(stdout.encoding, "replace")


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
