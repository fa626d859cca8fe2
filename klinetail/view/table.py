"""The live table, which turns candles and events into the lines of a screen.

The table does no I/O and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from textwrap import wrap
from typing import Final

from klinetail import times
from klinetail.candle import Candle, Stream
from klinetail.errors import with_where
from klinetail.events import CandleEvent, Event, LinkEvent, LinkState, PreviewEvent
from klinetail.pipeline.stats import Stats
from klinetail.view import candle_columns, figures, stream_columns
from klinetail.view.candle_columns import CandleRow
from klinetail.view.candle_table import CandleTable
from klinetail.view.columns import Column
from klinetail.view.status import Piece, pieces_of, status_line
from klinetail.view.stream_columns import StreamRow
from klinetail.view.stream_table import StreamTable
from klinetail.view.theme import (
    LOUD,
    QUIET,
    TITLE,
    UNICODE,
    Cell,
    Glyphs,
    Line,
    clipped,
    line,
)

_WIDEST: Final = 140
"""The greatest width of the title."""

_SPACIOUS: Final = 10
"""The least height of a screen with blank lines above and below the rows."""


class Table:
    """The view of `klinetail watch`: the candles of one stream, or several streams.

    The table is not thread-safe: one owner feeds and renders the table.

    Args:
        streams: at least one stream; the rows have the order of the streams.
        tz: the zone of all times.
        source: the origin of the candles in a few words, for example
            `SIM (synthetic market)`.
        real: whether the candles are certainly those of the real market. Any other
            source is shown loudly.
        glyphs: the symbols for the encoding of the terminal.
        candle_columns: the columns of one stream's candles.
        stream_columns: the columns of several streams.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        tz: tzinfo,
        source: str,
        real: bool,
        glyphs: Glyphs = UNICODE,
        candle_columns: Sequence[Column[CandleRow]] = candle_columns.COLUMNS,
        stream_columns: Sequence[Column[StreamRow]] = stream_columns.COLUMNS,
    ) -> None:
        self._streams = tuple(dict.fromkeys(streams))
        self._tz = tz
        self._glyphs = glyphs
        self._source = glyphs.label(source)
        """The origin of the candles, harmless to a terminal."""
        self._loud = not real
        """Whether the origin must not be overlooked."""
        self._body: CandleTable | StreamTable
        """The rows: candles of a single stream, or a row for each stream."""
        if len(self._streams) == 1:
            (stream,) = self._streams
            self._body = CandleTable(
                stream, tz=tz, glyphs=glyphs, columns=candle_columns
            )
        else:
            self._body = StreamTable(
                self._streams, tz=tz, glyphs=glyphs, columns=stream_columns
            )
        """The rows: candles of one stream, or several streams."""
        self._exchange_time: int | None = None
        """The time for countdowns, ms; None while the exchange's time is unknown."""
        self._since: dict[str, tuple[LinkEvent, float]] = {}
        """The latest event of each link, with the monotonic seconds of its arrival."""
        self._delay: tuple[int, tuple[float, float] | None] = (0, None)
        """The latest close delay, and the number of closed candles at that time."""
        self._pieces: list[Piece] = []
        """The pieces of the status line."""
        self._troubles: list[str] = []
        """The failures to show while no row has come."""
        self.status(Stats(), None, 0.0)

    @property
    def shown(self) -> Sequence[Stream]:
        """The streams on the screen, whose forming candles are needed."""
        return self._body.shown

    def put(self, candles: Iterable[Candle]) -> None:
        """Take in candles of the streams, closed or forming.

        A closed candle is shown once. A forming candle replaces its older values.
        """
        for candle in candles:
            self._body.put(candle)

    def mark(self, event: Event) -> None:
        """Take in an event. `status` takes in the state of links."""
        if isinstance(event, CandleEvent | PreviewEvent):
            self._body.put(event.candle)
        else:
            self._body.mark(event)

    def status(self, stats: Stats, exchange_time: int | None, now: float) -> None:
        """Take in the figures for the status line and the time for countdowns.

        Args:
            stats: the figures of the run, which are read before the call returns.
            exchange_time: the exchange's time, ms; None while unknown.
            now: monotonic seconds, for the countdown of a link that waits.
        """
        self._exchange_time = exchange_time
        self._troubles = list(
            dict.fromkeys(
                self._excuse(event)
                for event in stats.links.values()
                if event.reason and (event.attempt or event.state is not LinkState.LIVE)
            )
        )
        for name, event in stats.links.items():
            if name not in self._since or self._since[name][0] is not event:
                self._since[name] = event, now
        if self._delay[0] != stats.closed:
            self._delay = stats.closed, stats.close_delay
        self._pieces = pieces_of(
            stats,
            glyphs=self._glyphs,
            badge=self._badge if self._loud else "",
            waited={name: now - since for name, (_, since) in self._since.items()},
            delay=self._delay[1],
            clock="" if exchange_time is None else self._clock(exchange_time),
        )

    def render(self, width: int, height: int) -> list[Line]:
        """Return the whole screen: at most `height` lines of at most `width` cells."""
        if width < 1 or height < 1:
            return []
        around = []
        if height >= 3:
            around = [status_line(self._pieces, width, self._glyphs)]
        title = [self._title(width)] if height >= 4 else []
        header = height >= 5
        spaced = height >= _SPACIOUS
        room = height - len(around) - len(title) - header - 2 * spaced
        rows = self._body.rows(width, room, self._exchange_time)
        if not rows:
            rows = self._excuses(width)[: max(0, room)]
        blank = [Line()]
        return [
            *title,
            *(blank if spaced else []),
            *([self._body.header(width)] if header else []),
            *rows,
            *(blank * (room - len(rows))),
            *(blank if spaced else []),
            *around,
        ]

    def _excuse(self, event: LinkEvent) -> str:
        """Return the failure of a link, with the address unless the title shows it."""
        reason = self._glyphs.label(event.reason)
        where = self._glyphs.label(event.where)
        return reason if self._source in where else with_where(reason, where)

    def _excuses(self, width: int) -> list[Line]:
        """Return the failures in full; the status line has too little room."""
        wrapped = [wrap(trouble, max(1, width - 2)) for trouble in self._troubles]
        return [
            clipped(line((f" {text}", QUIET)), width, self._glyphs)
            for lines in wrapped
            for text in lines
        ]

    def summary(self, width: int, height: int) -> list[Line]:
        """Return the lines that stay on the terminal after the end: title and rows."""
        if width < 1 or height < 3:
            return []
        rows = self._body.rows(width, height - 2, self._exchange_time)
        return [self._title(width), self._body.header(width), *rows] if rows else []

    def _title(self, width: int) -> Line:
        frame = min(width, _WIDEST)
        name, price, left = self._name(), self._price(), self._countdown()
        style = LOUD if self._loud else QUIET
        source = ((f" {self._source} ", style),)
        word = ((f" {self._badge} ", style),) if self._loud else ()
        short = ((name, source), (name, word)) if self._loud else ()
        for start, end in (
            ((*name, *price), (*left, *source)),
            ((*name, *price), source),
            *short,
            ((*name, *price), word),
        ):
            text, right = line(*start), line(*end)
            if (space := frame - text.cell_len - right.cell_len) > 0:
                return text + line((" " * space, "")) + right
        return clipped(line(*word, *name), width, self._glyphs)

    @property
    def _badge(self) -> str:
        """A word for the source. The title shows the source in full."""
        if "://" in self._source:
            return "CUSTOM"
        return self._source.split(maxsplit=1)[0] if self._source.strip() else "?"

    def _name(self) -> tuple[Cell, ...]:
        if isinstance(self._body, CandleTable):
            (stream,) = self._streams
            name = f" {self._glyphs.label(stream.symbol)} {stream.interval}"
            return ((name, TITLE),)
        count = (f" {len(self._streams)} streams", TITLE)
        interval = self._body.interval
        return (count,) if interval is None else (count, (f" {interval}", ""))

    def _price(self) -> tuple[Cell, ...]:
        candle = self._body.newest if isinstance(self._body, CandleTable) else None
        if candle is None:
            return ()
        changed, style = figures.change(candle, self._glyphs)
        return (
            (f"  {self._glyphs.label(candle.close_text)}", f"bold {style}"),
            (f" {changed}", style),
        )

    def _countdown(self) -> tuple[Cell, ...]:
        candle = self._body.newest if isinstance(self._body, CandleTable) else None
        if candle is None or candle.closed:
            return ()
        left = figures.left(candle, self._exchange_time)
        if left is None:
            return ()
        text = f"closes in {figures.span(left)}" if left > 0 else "closing"
        return ((f"{text}  ", QUIET),)

    def _clock(self, time: int) -> str:
        moment = times.local(time, self._tz)
        return self._glyphs.label(f"{moment:%Y-%m-%d %H:%M:%S %Z}")
