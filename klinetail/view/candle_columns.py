"""The columns of the candle table.

An entry in `COLUMNS` adds a column. No other place names a column.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Final, NamedTuple

from klinetail import times
from klinetail.candle import Candle
from klinetail.view import figures
from klinetail.view.columns import Align, Column, of_candle
from klinetail.view.theme import Cell, Glyphs


class CandleRow(NamedTuple):
    """The values of a candle's row; the columns make the cells from the values."""

    candle: Candle
    mark: str
    """A glyph for the state of the candle."""
    state: Cell
    """The state of the candle in a word, and the style of the word."""
    change: Cell
    """The change from the open, in the style of its direction."""
    tz: tzinfo
    """The zone of all times."""
    glyphs: Glyphs
    """The symbols for the encoding of the terminal."""


def candle_row(
    candle: Candle, mark: str, state: Cell, *, tz: tzinfo, glyphs: Glyphs
) -> CandleRow:
    """Return the row of a candle.

    Args:
        candle: the candle, closed or forming.
        mark: a glyph for the state of the candle.
        state: the state in a word, and the style of the word.
        tz: the zone of all times.
        glyphs: the symbols for the encoding of the terminal.
    """
    changed = figures.change(candle, glyphs)
    return CandleRow(candle, mark, state, changed, tz, glyphs)


def _time(row: CandleRow) -> Cell:
    candle = row.candle
    return f"{row.mark} {times.clock(candle.open_time, candle.interval, row.tz)}", ""


def _zone(newest: CandleRow | None) -> str:
    if newest is None:
        return "time"
    zone = times.local(newest.candle.open_time, newest.tz).tzname() or ""
    return f"  {newest.glyphs.label(zone)}"


def _change(row: CandleRow) -> Cell:
    return row.change


def _state(row: CandleRow) -> Cell:
    return row.state


COLUMNS: Final[tuple[Column[CandleRow], ...]] = (
    Column("time", _time, heading=_zone, grows=True, align=Align.LEFT, rank=10),
    Column(
        "open",
        of_candle(lambda candle: candle.open_text),
        width=5,
        grows=True,
        align=Align.POINT,
        scale="price",
        rank=50,
    ),
    Column(
        "high",
        of_candle(lambda candle: candle.high_text),
        width=5,
        grows=True,
        align=Align.POINT,
        scale="price",
        rank=40,
    ),
    Column(
        "low",
        of_candle(lambda candle: candle.low_text),
        width=5,
        grows=True,
        align=Align.POINT,
        scale="price",
        rank=40,
    ),
    Column(
        "close",
        of_candle(lambda candle: candle.close_text, directed=True),
        width=5,
        grows=True,
        align=Align.POINT,
        scale="price",
        rank=0,
    ),
    Column("change", _change, heading="vs open", width=7, grows=True, rank=20),
    Column(
        "volume",
        of_candle(lambda candle: candle.volume_text),
        width=6,
        grows=True,
        align=Align.POINT,
        rank=30,
    ),
    Column(
        "trades",
        of_candle(lambda candle: str(candle.count)),
        width=6,
        grows=True,
        rank=60,
    ),
    Column("state", _state, width=7, align=Align.LEFT, rank=70),
)
"""The columns from left to right. Steps of ten leave ranks for further columns."""
