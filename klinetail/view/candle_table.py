"""The candle table: one row for each candle of one stream, the newest at the bottom."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from datetime import date, tzinfo
from typing import Final

from klinetail import times
from klinetail.candle import HOUR, Candle, Source, Stream
from klinetail.events import (
    EndedEvent,
    Event,
    GapEvent,
    MuteEvent,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
    UnconfirmedEvent,
)
from klinetail.view import figures
from klinetail.view.candle_columns import COLUMNS, CandleRow, candle_row
from klinetail.view.columns import Column
from klinetail.view.grid import Grid
from klinetail.view.notes import (
    Gaps,
    Note,
    ended_note,
    gap_note,
    mute_note,
    pending_note,
    revision_note,
    unconfirmed_line,
)
from klinetail.view.theme import QUIET, TITLE, Glyphs, Line, clipped, line

KEPT: Final = 500
"""Rows of closed candles, gaps and revisions to keep."""

_FORMING_KEPT: Final = 4
"""Forming candles to keep: a new candle may open before earlier candles close."""

_Key = tuple[int, int]
"""The place of a row: the open time (ms) and the rank among rows of equal time."""

_GAP_RANK, _CANDLE_RANK, _REVISION_RANK = range(3)


class CandleTable:
    """The rows of one stream. The line of a closed candle is made once for a layout.

    Args:
        stream: the stream; candles and events of other streams are ignored.
        tz: the zone of all times.
        glyphs: the symbols for the encoding of the terminal.
        columns: the columns from left to right.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        tz: tzinfo,
        glyphs: Glyphs,
        columns: Sequence[Column[CandleRow]] = COLUMNS,
    ) -> None:
        self._stream = stream
        self.shown = (stream,)
        """The streams on the screen."""
        self._tz = tz
        self._glyphs = glyphs
        self._keys: list[_Key] = []
        """The keys of `_rows` in ascending order."""
        self._rows: dict[_Key, Candle | Note] = {}
        """The closed candles, gaps and revisions."""
        self._forming: dict[int, Candle] = {}
        """The forming candles by open time (ms)."""
        self._last_closed = -1
        """The open time (ms) of the newest closed candle; -1 before the first."""
        self._untraded: Note | None = None
        """Why the symbol is not traded: not yet, or not any more."""
        self._mute: Note | None = None
        """The warning that the prices are old."""
        self._unconfirmed: UnconfirmedEvent | None = None
        """A closed candle that waits for its confirmation by REST."""
        self._gaps = Gaps()
        """The gaps with rows."""
        self._grid = Grid(columns, self.shown, glyphs)
        """The layout of the columns."""
        self._built: dict[_Key, Line] = {}
        """The lines of `_rows` made for the present layout."""

    @property
    def newest(self) -> Candle | None:
        """The newest candle, forming or closed; None before the first candle."""
        if self._forming:
            return self._forming[max(self._forming)]
        row = self._rows.get((self._last_closed, _CANDLE_RANK))
        return row if isinstance(row, Candle) else None

    def put(self, candle: Candle) -> None:
        """Take in a closed candle once, or newer values of a forming candle."""
        if candle.stream != self._stream:
            return
        if candle.closed:
            self._insert((candle.open_time, _CANDLE_RANK), candle)
            self._last_closed = max(self._last_closed, candle.open_time)
            self._forget_forming(0, self._last_closed + 1)
            self._confirmed(self._last_closed + 1)
        elif not self._is_news(candle):
            return
        else:
            self._forming[candle.open_time] = candle
            while len(self._forming) > _FORMING_KEPT:
                del self._forming[min(self._forming)]
        self._grid.measure(self._row(candle, self._glyphs.closing, ""))

    def mark(self, event: Event) -> None:
        """Take in an event. Gaps, revisions, silence and the end become rows."""
        match event:
            case GapEvent(stream) if stream == self._stream:
                for candle in event.candles:
                    self.put(candle)
                gone, new = self._gaps.heed(event)
                for gap in gone:
                    self._remove((gap.start, _GAP_RANK))
                for gap in new:
                    note = gap_note(gap, tz=self._tz, glyphs=self._glyphs)
                    self._insert((gap.start, _GAP_RANK), note)
                    self._forget_forming(gap.start, gap.end)
                    self._confirmed(gap.end)
            case RevisionEvent(_, revised) if revised.stream == self._stream:
                key = (revised.open_time, _REVISION_RANK)
                self._remove(key)
                note = revision_note(event, tz=self._tz, glyphs=self._glyphs)
                self._insert(key, note)
            case EndedEvent(stream) if stream == self._stream:
                self._untraded = ended_note(event, glyphs=self._glyphs)
                self._mute = self._unconfirmed = None
            case UnconfirmedEvent(stream, open_time) if stream == self._stream:
                if open_time > self._last_closed:
                    self._unconfirmed = event
            case MuteEvent(stream, over) if stream == self._stream:
                self._mute = None if over else mute_note(self._glyphs)
            case PendingEvent(stream) if stream == self._stream:
                note = pending_note(event, tz=self._tz, glyphs=self._glyphs)
                self._untraded = note
            case TradedEvent(stream) if stream == self._stream:
                self._untraded = None
            case _:
                pass

    def header(self, width: int) -> Line:
        """Return the line of headings, for the columns that fit into `width` cells."""
        self._settle(width)
        newest = self.newest
        row = None if newest is None else self._row(newest, self._glyphs.closing, "")
        return self._grid.header(row)

    def rows(self, width: int, height: int, exchange_time: int | None) -> list[Line]:
        """Return the newest rows, the newest last.

        Args:
            width: the greatest width of a row.
            height: the greatest number of rows.
            exchange_time: the exchange's time, ms; None while unknown.
        """
        self._settle(width)
        found: list[Line] = []
        day: date | None = None
        for row_day, text in self._upwards(width, exchange_time):
            if len(found) >= height:
                break
            if day is not None and row_day is not None and row_day != day:
                found.append(self._day_rule(day, width))
            found.append(text)
            day = row_day or day
        return found[:height][::-1]

    def _upwards(
        self, width: int, exchange_time: int | None
    ) -> Iterator[tuple[date | None, Line]]:
        for note in (self._untraded, self._mute):
            if note is not None:
                yield None, note.line(width, self._glyphs)
        newest = max(self._forming, default=None)
        for open_time in sorted(self._forming, reverse=True):
            candle = self._forming[open_time]
            overdue = open_time != newest
            text = self._forming_line(candle, exchange_time, overdue=overdue)
            yield self._day(open_time), text
        waits = self._unconfirmed
        if waits is not None and waits.open_time not in self._forming:
            text = unconfirmed_line(
                waits, tz=self._tz, exchange_time=exchange_time, glyphs=self._glyphs
            )
            yield self._day(waits.open_time), clipped(text, width, self._glyphs)
        for key in reversed(self._keys):
            yield self._day(key[0]), self._built_line(key, width)

    def _built_line(self, key: _Key, width: int) -> Line:
        if (text := self._built.get(key)) is None:
            row = self._rows[key]
            if isinstance(row, Note):
                text = row.line(width, self._glyphs)
            else:
                text = self._grid.line(self._closed_row(row))
            self._built[key] = text
        return text

    def _closed_row(self, candle: Candle) -> CandleRow:
        if candle.source is Source.REST:
            return self._row(candle, self._glyphs.rest, "by REST", QUIET)
        return self._row(candle, self._glyphs.closed, "closed", QUIET)

    def _forming_line(
        self, candle: Candle, exchange_time: int | None, *, overdue: bool
    ) -> Line:
        remaining = figures.left(candle, exchange_time)
        if overdue or (remaining is not None and remaining <= 0):
            mark, word = self._glyphs.closing, "closing"
        else:
            mark, word = figures.phase(candle, exchange_time, self._glyphs), "forming"
        return self._grid.line(self._row(candle, mark, word), TITLE)

    def _row(self, candle: Candle, mark: str, word: str, style: str = "") -> CandleRow:
        state = (word, style)
        return candle_row(candle, mark, state, tz=self._tz, glyphs=self._glyphs)

    def _day_rule(self, day: date, width: int) -> Line:
        rule = self._glyphs.rule * 2
        text = line((f" {rule} {day:%a} {day:%Y-%m-%d} {rule}", QUIET))
        return clipped(text, width, self._glyphs)

    def _day(self, open_time: int) -> date | None:
        length = self._stream.interval.length
        if length is None or length >= HOUR:
            return None
        return times.local(open_time, self._tz).date()

    def _settle(self, width: int) -> None:
        if self._grid.settle(width):
            self._built.clear()

    def _is_news(self, candle: Candle) -> bool:
        if candle.open_time <= self._last_closed:
            return False
        known = self._forming.get(candle.open_time)
        return known is None or known.event_time <= candle.event_time

    def _insert(self, key: _Key, row: Candle | Note) -> None:
        if key in self._rows:
            return
        bisect.insort(self._keys, key)
        self._rows[key] = row
        while len(self._keys) > KEPT:
            self._remove(self._keys[0])

    def _remove(self, key: _Key) -> None:
        if self._rows.pop(key, None) is not None:
            self._keys.remove(key)
            self._built.pop(key, None)

    def _confirmed(self, before: int) -> None:
        """Forget the unconfirmed candle if its open time is before `before` (ms)."""
        if self._unconfirmed is not None and self._unconfirmed.open_time < before:
            self._unconfirmed = None

    def _forget_forming(self, start: int, end: int) -> None:
        for open_time in [t for t in self._forming if start <= t < end]:
            del self._forming[open_time]
