"""The stream table: one row for each of several streams, in the order asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from klinetail.candle import Candle, Interval, Stream
from klinetail.events import (
    EndedEvent,
    Event,
    GapEvent,
    MuteEvent,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
    UnconfirmedEvent,
    stream_of,
)
from klinetail.view import figures
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
)
from klinetail.view.stream_columns import COLUMNS, StreamRow
from klinetail.view.theme import QUIET, Glyphs, Line, clipped, line

_NOTES_KEPT: Final = 100
"""Notes of all streams to keep."""

_NOTES_SHOWN: Final = 5
"""The lines for notes at most, the blank line above the notes included."""


class StreamTable:
    """The rows of several streams. A line is made again only if its row has changed.

    Args:
        streams: the streams; candles and events of other streams are ignored.
        tz: the zone of all times.
        glyphs: the symbols for the encoding of the terminal.
        columns: the columns from left to right.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        tz: tzinfo,
        glyphs: Glyphs,
        columns: Sequence[Column[StreamRow]] = COLUMNS,
    ) -> None:
        self._rows = {stream: StreamRow(stream, glyphs) for stream in streams}
        """The state of each stream."""
        self._streams = tuple(self._rows)
        """The streams in the order of their rows."""
        self.shown: Sequence[Stream] = self._streams
        """The streams on the screen."""
        self._notes: dict[tuple[Stream, str, int], Note] = {}
        """The notes by stream, topic and open time (ms), the newest last."""
        self._gaps = Gaps()
        """The gaps with notes."""
        self._tz = tz
        self._glyphs = glyphs
        self._grid = Grid(columns, self._streams, glyphs)
        """The layout of the columns."""
        self._lines: dict[Stream, tuple[object, Line]] = {}
        """The latest line of each stream, with the values in the line."""

    @property
    def interval(self) -> Interval | None:
        """The interval of the streams; None if the intervals differ."""
        intervals = {stream.interval for stream in self._rows}
        return intervals.pop() if len(intervals) == 1 else None

    def put(self, candle: Candle) -> None:
        """Take in a candle, closed or forming."""
        if (row := self._rows.get(candle.stream)) is not None:
            row.put(candle)

    def mark(self, event: Event) -> None:
        """Take in an event. Gaps, revisions, silence and the end become notes."""
        stream = stream_of(event)
        row = None if stream is None else self._rows.get(stream)
        if row is None:
            return
        tz, glyphs = self._tz, self._glyphs
        match event:
            case GapEvent():
                self._mark_gap(row, event)
            case RevisionEvent(_, new):
                note = revision_note(event, tz=tz, glyphs=glyphs)
                self._say(row, "revision", note, new.open_time)
            case EndedEvent():
                row.ended, row.mute, row.unconfirmed = True, False, -1
                self._say(row, "ended", ended_note(event, glyphs=glyphs))
                self._say(row, "mute", None)
            case UnconfirmedEvent(_, open_time):
                last = row.last_closed
                if last is None or open_time > last.open_time:
                    row.unconfirmed = open_time
            case MuteEvent(_, over):
                row.mute = not over
                self._say(row, "mute", None if over else mute_note(glyphs))
            case PendingEvent():
                note = pending_note(event, tz=tz, glyphs=glyphs)
                self._say(row, "pending", note)
            case TradedEvent():
                row.ended = False
                self._say(row, "ended", None)
                self._say(row, "pending", None)
            case _:
                pass

    def _mark_gap(self, row: StreamRow, event: GapEvent) -> None:
        gone, new = self._gaps.heed(event)
        for gap in gone:
            self._say(row, "gap", None, gap.start)
        if not event.filled and row.unconfirmed < event.end:
            row.unconfirmed = -1
        for gap in new:
            note = gap_note(gap, tz=self._tz, glyphs=self._glyphs)
            self._say(row, "gap", note, gap.start)

    def header(self, width: int) -> Line:
        """Return the line of headings, for the columns that fit into `width` cells."""
        self._grid.settle(width)
        return self._grid.header(None)

    def rows(self, width: int, height: int, exchange_time: int | None) -> list[Line]:
        """Return the lines of the table: rows, the number of hidden streams, notes.

        Args:
            width: the greatest width of a line.
            height: the greatest number of lines.
            exchange_time: the exchange's time, ms; None while unknown.
        """
        notes = self._note_lines(width, min(height // 3, _NOTES_SHOWN))
        height -= len(notes)
        hidden = len(self._streams) - height
        more: list[Line] = []
        if hidden > 0 and height > 1:
            hidden += 1
            text = line((f" +{hidden} more", QUIET))
            more = [clipped(text, width, self._glyphs)]
        self.shown = self._streams[: max(height - len(more), 0)]
        shown = [self._rows[stream] for stream in self.shown]
        for row in shown:
            row.exchange_time = exchange_time
            self._measure(row)
        self._grid.settle(width)
        return [*(self._line(row, width) for row in shown), *more, *notes]

    def _note_lines(self, width: int, room: int) -> list[Line]:
        if room < 2 or not self._notes:
            return []
        ages = list(enumerate(self._notes.items()))
        heaviest = sorted(ages, key=lambda n: (n[1][1].weight, n[0]))[1 - room :]
        return [
            Line(),
            *(
                note.line(width, self._glyphs, of=self._glyphs.label(str(stream)))
                for _, ((stream, _, _), note) in sorted(heaviest, key=lambda n: n[0])
            ),
        ]

    def _say(
        self, row: StreamRow, topic: str, note: Note | None, time: int = 0
    ) -> None:
        key = (row.stream, topic, time)
        self._notes.pop(key, None)
        if note is not None:
            self._notes[key] = note
        while len(self._notes) > _NOTES_KEPT:
            # The oldest of the lightest notes goes, so that a flood of revisions
            # hides neither a gap nor an end.
            del self._notes[min(self._notes, key=lambda key: self._notes[key].weight)]
        of_stream = [
            n for (stream, _, _), n in self._notes.items() if stream == row.stream
        ]
        row.note = max(of_stream, key=lambda note: note.weight, default=None)

    def _line(self, row: StreamRow, width: int) -> Line:
        key = (width, self._grid.layout, row.facts, self._grid.timed(row))
        known = self._lines.get(row.stream)
        if known is not None and known[0] == key:
            return known[1]
        text = self._grid.line(row)
        self._lines[row.stream] = key, text
        return text

    def _measure(self, row: StreamRow) -> None:
        candle = row.candle
        if candle is None or candle is row.measured:
            return
        row.measured = candle
        row.change = figures.change(candle, self._glyphs)
        self._grid.measure(row)
