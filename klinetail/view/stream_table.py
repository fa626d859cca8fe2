"""Several streams: a row a stream, in the order they were asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import Final

from rich.cells import cell_len

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
)
from klinetail.view import figures
from klinetail.view.columns import Column, Layout, fit
from klinetail.view.notes import (
    Gaps,
    Note,
    ended_note,
    gap_note,
    mute_note,
    pending_note,
    revision_note,
)
from klinetail.view.theme import QUIET, TITLE, Cell, Glyphs, Line, clipped, line

_SPARK_WIDE: Final = 24
_SPARK: Final = 12

_CHOICES: Final = (
    "mark symbol interval close change wide high low volume closes",
    "mark symbol interval close change spark high low volume closes",
    "mark symbol interval close change spark high low closes",
    "mark symbol interval close change spark closes",
    "mark symbol interval close change closes",
    "mark symbol interval close change",
    "symbol interval close change",
    "symbol close change",
    "symbol close",
    "close",
)
_HEADERS: Final = {
    "mark": "",
    "interval": "",
    "change": "vs open",
    "wide": "last closes",
    "spark": "last closes",
    "closes": "closes in",
}
_LEFT: Final = ("mark", "symbol", "interval", "wide", "spark")
_NOTES_KEPT: Final = 100
_NOTES_SHOWN: Final = 5


class _Track:
    """What is kept of one stream."""

    def __init__(self) -> None:
        self.newest: Candle | None = None
        self.last_closed: Candle | None = None
        self.closes: deque[Decimal] = deque(maxlen=_SPARK_WIDE)
        self.change = ("", "")
        """Of the newest: its text and style."""
        self.measured: Candle | None = None
        """The candle that the columns were made wide enough for."""
        self.unconfirmed = -1
        """Open time of a closed candle that is still to be confirmed; -1 for none."""
        self.built: tuple[object, Line] | None = None

    def put(self, candle: Candle) -> None:
        last = self.last_closed
        if candle.closed and (last is None or candle.open_time > last.open_time):
            self.last_closed = candle
            if candle.open_time >= self.unconfirmed:
                self.unconfirmed = -1
            self.closes.append(candle.close)
        if self.newest is None or _age(candle) >= _age(self.newest):
            self.newest = candle

    def sparkline(self, width: int, glyphs: Glyphs) -> str:
        values = list(self.closes)
        if self.newest is not None and not self.newest.closed:
            values.append(self.newest.close)
        return figures.sparkline(values[-width:], glyphs)


def _age(candle: Candle) -> tuple[int, bool, int]:
    return candle.open_time, candle.closed, candle.event_time


class StreamTable:
    """The rows of many streams. A row is built again only when it changed."""

    def __init__(
        self, streams: Sequence[Stream], *, tz: tzinfo, glyphs: Glyphs
    ) -> None:
        self._tracks = {stream: _Track() for stream in streams}
        self._streams = tuple(self._tracks)
        self.shown: Sequence[Stream] = self._streams
        """The streams that there is room for."""
        self._notes: dict[tuple[Stream, str, int], Note] = {}
        self._worst: dict[Stream, Note] = {}
        self._gaps = Gaps()
        self._tz = tz
        self._glyphs = glyphs
        self._widths = {
            "mark": 1,
            "symbol": max(cell_len(glyphs.label(s.symbol)) for s in streams),
            "interval": max(len(s.interval) for s in streams),
            "close": 5,
            "change": 8,
            "wide": _SPARK_WIDE,
            "spark": _SPARK,
            "high": 4,
            "low": 3,
            "volume": 6,
            "closes": 9,
        }
        self._layout = Layout((), 0)
        self._settled: object = None

    @property
    def interval(self) -> Interval | None:
        """The interval of all streams, if they share one."""
        intervals = {stream.interval for stream in self._tracks}
        return intervals.pop() if len(intervals) == 1 else None

    def put(self, candle: Candle) -> None:
        """Take in a candle of one of the streams."""
        if (track := self._tracks.get(candle.stream)) is not None:
            track.put(candle)

    def mark(self, event: Event) -> None:
        """Mark a stream's row: a gap, a revision, silence, that it is not traded."""
        tz, glyphs = self._tz, self._glyphs
        match event:
            case GapEvent(stream) if stream in self._tracks:
                gone, new = self._gaps.heed(event)
                for gap in gone:
                    self._say((stream, "gap", gap.start), None)
                track = self._tracks[stream]
                if not event.filled and track.unconfirmed < event.end:
                    track.unconfirmed = -1
                for gap in new:
                    note = gap_note(gap, tz=tz, glyphs=glyphs)
                    self._say((stream, "gap", gap.start), note)
            case RevisionEvent(_, new) if new.stream in self._tracks:
                note = revision_note(event, tz=tz, glyphs=glyphs)
                self._say((new.stream, "revision", new.open_time), note)
            case EndedEvent(stream) if stream in self._tracks:
                self._say((stream, "ended", 0), ended_note(event, glyphs=glyphs))
                self._say((stream, "mute", 0), None)
                self._tracks[stream].unconfirmed = -1
            case UnconfirmedEvent(stream, open_time) if stream in self._tracks:
                track = self._tracks[stream]
                last = track.last_closed
                if last is None or open_time > last.open_time:
                    track.unconfirmed = open_time
            case MuteEvent(stream, over) if stream in self._tracks:
                self._say((stream, "mute", 0), None if over else mute_note(glyphs))
            case PendingEvent(stream) if stream in self._tracks:
                note = pending_note(event, tz=tz, glyphs=glyphs)
                self._say((stream, "pending", 0), note)
            case TradedEvent(stream) if stream in self._tracks:
                self._say((stream, "ended", 0), None)
                self._say((stream, "pending", 0), None)
            case _:
                pass

    def header(self, width: int) -> Line:
        """The columns' names; it also settles which columns there are."""
        self._settle(width)
        cells: dict[str, Cell] = {
            column.name: (_HEADERS.get(column.name, column.name), QUIET)
            for column in self._layout.columns
        }
        return clipped(self._layout.row(cells, self._glyphs), width, self._glyphs)

    def rows(self, width: int, height: int, exchange_time: int | None) -> list[Line]:
        """The first streams that fit, how many more there are, the newest notes."""
        notes = self._note_lines(width, min(height // 3, _NOTES_SHOWN))
        height -= len(notes)
        hidden = len(self._streams) - height
        more: list[Line] = []
        if hidden > 0 and height > 1:
            hidden += 1
            text = line((f" +{hidden} more", QUIET))
            more = [clipped(text, width, self._glyphs)]
        self.shown = self._streams[: max(height - len(more), 0)]
        for stream in self.shown:
            self._measure(self._tracks[stream])
        self._settle(width)
        rows = [self._row(stream, width, exchange_time) for stream in self.shown]
        return [*rows, *more, *notes]

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

    def _say(self, key: tuple[Stream, str, int], note: Note | None) -> None:
        self._notes.pop(key, None)
        if note is not None:
            self._notes[key] = note
        while len(self._notes) > _NOTES_KEPT:
            # The oldest of the least: a flood of revisions hides no gap and no end.
            del self._notes[min(self._notes, key=lambda key: self._notes[key].weight)]
        of_stream = [n for (stream, _, _), n in self._notes.items() if stream == key[0]]
        self._worst.pop(key[0], None)
        if of_stream:
            self._worst[key[0]] = max(of_stream, key=lambda n: n.weight)

    def _row(self, stream: Stream, width: int, exchange_time: int | None) -> Line:
        track, note = self._tracks[stream], self._worst.get(stream)
        closes = self._closes(track.newest, exchange_time)
        if (stream, "ended", 0) in self._notes:
            closes = "ended"
        elif (stream, "mute", 0) in self._notes:
            closes = "mute"
        waits = track.unconfirmed >= 0
        key = (track.newest, track.last_closed, note, waits, closes, self._settled)
        if track.built is not None and track.built[0] == key:
            return track.built[1]
        cells = self._cells(stream, track)
        if waits:
            cells["mark"] = (self._glyphs.closing, QUIET)
        if note is not None:
            cells["mark"] = (note.mark, note.style)
        cells["closes"] = (closes, QUIET)
        text = clipped(self._layout.row(cells, self._glyphs), width, self._glyphs)
        track.built = key, text
        return text

    def _cells(self, stream: Stream, track: _Track) -> dict[str, Cell]:
        glyphs = self._glyphs
        cells: dict[str, Cell] = {
            "symbol": (glyphs.label(stream.symbol), TITLE),
            "interval": (stream.interval, QUIET),
        }
        if (candle := track.newest) is None:
            cells["close"] = (glyphs.none, QUIET)
            return cells
        changed, style = track.change
        cells |= {
            "close": (glyphs.label(candle.close_text), style),
            "change": (changed, style),
            "high": (glyphs.label(candle.high_text), ""),
            "low": (glyphs.label(candle.low_text), ""),
            "volume": (glyphs.label(candle.volume_text), ""),
        }
        for name, width in (("wide", _SPARK_WIDE), ("spark", _SPARK)):
            if name in self._layout:
                cells[name] = (track.sparkline(width, glyphs), QUIET)
        return cells

    def _closes(self, candle: Candle | None, exchange_time: int | None) -> str:
        if candle is None:
            return ""
        if candle.closed:
            return "closed"
        remaining = figures.left(candle, exchange_time)
        if remaining is None:
            return "forming"
        return figures.span(remaining) if remaining > 0 else "closing"

    def _measure(self, track: _Track) -> None:
        candle = track.newest
        if candle is None or candle is track.measured:
            return
        track.measured = candle
        track.change = figures.change(candle, self._glyphs)
        widths = self._widths
        for name, text in (
            ("close", candle.close_text),
            ("high", candle.high_text),
            ("low", candle.low_text),
            ("volume", candle.volume_text),
            ("change", track.change[0]),
        ):
            widths[name] = max(widths[name], cell_len(self._glyphs.label(text)))

    def _settle(self, width: int) -> None:
        settled = (width, *self._widths.values())
        if settled == self._settled:
            return
        self._settled = settled
        self._layout = fit(
            [
                [
                    Column(name, self._widths[name], right=name not in _LEFT)
                    for name in choice.split()
                    if name != "interval" or self.interval is None
                ]
                for choice in _CHOICES
            ],
            width,
        )
