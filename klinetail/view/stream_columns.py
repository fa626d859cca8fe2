"""The columns of the stream table.

An entry in `COLUMNS` adds a column. No other place names a column.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from rich.cells import cell_len

from klinetail.candle import Candle, Stream
from klinetail.view import figures
from klinetail.view.columns import Align, Column, of_candle
from klinetail.view.notes import Note
from klinetail.view.theme import QUIET, TITLE, Cell, Glyphs

_LONG: Final = 24
"""Closes in the sparkline of a wide screen."""

_SHORT: Final = 12
"""Closes in the sparkline of a narrow screen."""


class StreamRow:
    """The state of one stream, from which the cells of the row are made.

    Args:
        stream: the stream.
        glyphs: the symbols for the encoding of the terminal.
    """

    def __init__(self, stream: Stream, glyphs: Glyphs) -> None:
        self.stream = stream
        self.glyphs = glyphs
        self.candle: Candle | None = None
        """The newest candle, closed or forming."""
        self.last_closed: Candle | None = None
        """The newest closed candle."""
        self.closes: deque[Decimal] = deque(maxlen=_LONG)
        """The close prices of the last closed candles, oldest first."""
        self.change: Cell = ("", "")
        """The change from the open of `measured`, in the style of its direction."""
        self.measured: Candle | None = None
        """The candle of `change`, for which the columns are wide enough."""
        self.unconfirmed = -1
        """Open time (ms) of a closed candle before REST confirms it; -1 for none."""
        self.note: Note | None = None
        """The note with the greatest weight."""
        self.ended = False
        """Whether the exchange does not trade the symbol any more."""
        self.mute = False
        """Whether the stream sends no frame although REST shows trades."""
        self.exchange_time: int | None = None
        """The time for countdowns, ms; None while the exchange's time is unknown."""

    def put(self, candle: Candle) -> None:
        """Take in a candle of the stream; an old forming candle is ignored."""
        last = self.last_closed
        if candle.closed and (last is None or candle.open_time > last.open_time):
            self.last_closed = candle
            if candle.open_time >= self.unconfirmed:
                self.unconfirmed = -1
            self.closes.append(candle.close)
        if self.candle is None or _age(candle) >= _age(self.candle):
            self.candle = candle

    @property
    def facts(self) -> tuple[object, ...]:
        """All values that cells are made from, except the time."""
        return (
            self.candle,
            self.last_closed,
            self.note,
            self.unconfirmed,
            self.ended,
            self.mute,
        )


def _age(candle: Candle) -> tuple[int, bool, int]:
    return candle.open_time, candle.closed, candle.event_time


def _mark(row: StreamRow) -> Cell:
    if row.note is not None:
        return row.note.mark, row.note.style
    return (row.glyphs.closing, QUIET) if row.unconfirmed >= 0 else ("", "")


def _symbol(row: StreamRow) -> Cell:
    return row.glyphs.label(row.stream.symbol), TITLE


def _widest_symbol(streams: Sequence[Stream], glyphs: Glyphs) -> int:
    return max(cell_len(glyphs.label(stream.symbol)) for stream in streams)


def _interval(row: StreamRow) -> Cell:
    return row.stream.interval, QUIET


def _widest_interval(streams: Sequence[Stream], _: Glyphs) -> int:
    return max(len(stream.interval) for stream in streams)


def _intervals_differ(streams: Sequence[Stream]) -> bool:
    return len({stream.interval for stream in streams}) > 1


_close_of_candle: Final = of_candle(lambda candle: candle.close_text, directed=True)


def _close(row: StreamRow) -> Cell:
    return (row.glyphs.none, QUIET) if row.candle is None else _close_of_candle(row)


def _change(row: StreamRow) -> Cell:
    return row.change


def _sparkline(width: int) -> Callable[[StreamRow], Cell]:
    """Return the function that draws the last `width` closes."""

    def cell(row: StreamRow) -> Cell:
        values = list(row.closes)
        if row.candle is None:
            return "", ""
        if not row.candle.closed:
            values.append(row.candle.close)
        return figures.sparkline(values[-width:], row.glyphs), QUIET

    return cell


def _countdown(row: StreamRow) -> Cell:
    candle = row.candle
    if row.ended:
        text = "ended"
    elif row.mute:
        text = "mute"
    elif candle is None:
        text = ""
    elif candle.closed:
        text = "closed"
    elif (remaining := figures.left(candle, row.exchange_time)) is None:
        text = "forming"
    else:
        text = figures.span(remaining) if remaining > 0 else "closing"
    return text, QUIET


COLUMNS: Final[tuple[Column[StreamRow], ...]] = (
    Column("mark", _mark, heading="", width=1, align=Align.LEFT, rank=40),
    Column("symbol", _symbol, width=_widest_symbol, align=Align.LEFT, rank=10),
    Column(
        "interval",
        _interval,
        heading="",
        width=_widest_interval,
        align=Align.LEFT,
        rank=30,
        needed=_intervals_differ,
    ),
    Column("close", _close, width=5, grows=True, rank=0),
    Column("change", _change, heading="vs open", width=8, grows=True, rank=20),
    Column(
        "last closes",
        _sparkline(_LONG),
        width=_LONG,
        align=Align.LEFT,
        rank=90,
        instead=Column(
            "last closes", _sparkline(_SHORT), width=_SHORT, align=Align.LEFT, rank=60
        ),
    ),
    Column(
        "high",
        of_candle(lambda candle: candle.high_text),
        width=4,
        grows=True,
        rank=70,
    ),
    Column(
        "low",
        of_candle(lambda candle: candle.low_text),
        width=3,
        grows=True,
        rank=70,
    ),
    Column(
        "volume",
        of_candle(lambda candle: candle.volume_text),
        width=6,
        grows=True,
        rank=80,
    ),
    Column("closes in", _countdown, width=9, rank=50, timed=True),
)
"""The columns from left to right. Steps of ten leave ranks for further columns."""
