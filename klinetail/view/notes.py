"""Notes about a stream: gaps, revisions, and why no candle comes."""

from __future__ import annotations

import math
from datetime import tzinfo

import msgspec

from klinetail import times
from klinetail.candle import Candle, Interval
from klinetail.events import (
    EndedEvent,
    GapEvent,
    PendingEvent,
    RevisionEvent,
    UnconfirmedEvent,
)
from klinetail.view.theme import LOUD, QUIET, TITLE, Glyphs, Line, clipped, line


class Note(msgspec.Struct, frozen=True):
    """A conspicuous badge and a few words."""

    mark: str
    """A glyph for the row of a stream."""
    badge: str
    """A word in capitals."""
    text: str
    """The words after the badge, harmless to a terminal."""
    style: str
    """The style of the mark and of the badge."""
    weight: int
    """Of several notes, the note with the greatest weight is shown first."""

    def line(self, width: int, glyphs: Glyphs, of: str = "") -> Line:
        """Return the note as a row of its own.

        Args:
            width: the greatest width of the row.
            glyphs: the symbols for the encoding of the terminal.
            of: the name of the stream; "" in the table of a single stream.
        """
        badge, name = f" {self.badge} ", f" {of}" if of else ""
        text = line(
            (" ", ""), (badge, self.style), (name, TITLE), (f" {self.text}", "")
        )
        return clipped(text, width, glyphs)


def gap_note(gap: GapEvent, *, tz: tzinfo, glyphs: Glyphs) -> Note:
    """Return the note that names the missing candles and the reason."""
    interval = gap.stream.interval
    missing = interval.steps(gap.start, gap.end)
    first = times.clock(gap.start, interval, tz)
    last = times.clock(interval.shift(gap.end, -1), interval, tz)
    which = first if missing == 1 else f"{first} {glyphs.arrow} {last}"
    text = f"{which}  {missing} missing: {glyphs.label(gap.reason)}"
    return Note(glyphs.gap, "GAP", text, LOUD, 3)


def revision_note(event: RevisionEvent, *, tz: tzinfo, glyphs: Glyphs) -> Note:
    """Return the note about a closed candle that the exchange changed afterwards.

    The note names the changed values. If the delivered candle is no longer known, the
    note names all values of the new candle.
    """
    delivered, revised = event.delivered, event.revised
    moment = times.clock(revised.open_time, revised.interval, tz)
    now = [(name, glyphs.label(text)) for name, text in _values(revised)]
    if delivered is None:
        text = f"now {', '.join(f'{name} {new}' for name, new in now)}"
    else:
        before = [glyphs.label(text) for _, text in _values(delivered)]
        text = ", ".join(
            f"{name} {old} {glyphs.arrow} {new}"
            for old, (name, new) in zip(before, now, strict=True)
            if old != new
        )
    text = f"{moment}  {text}"
    return Note(glyphs.revised, "REVISED", text, LOUD, 1)


def ended_note(event: EndedEvent, *, glyphs: Glyphs) -> Note:
    """Return the note that the exchange does not trade the symbol any more."""
    text = f"not traded any more: {glyphs.label(event.status)}"
    return Note(glyphs.ended, "ENDED", text, TITLE, 2)


def unconfirmed_line(
    event: UnconfirmedEvent,
    *,
    tz: tzinfo,
    exchange_time: int | None,
    glyphs: Glyphs,
) -> Line:
    """Return the row in place of a closed candle that waits for its confirmation.

    Args:
        event: the candle, and when another answer by REST can confirm the candle.
        tz: the zone of all times.
        exchange_time: the exchange's time, ms; None while unknown.
        glyphs: the symbols for the encoding of the terminal.
    """
    when = times.clock(event.open_time, event.stream.interval, tz)
    text = "being confirmed"
    if exchange_time is not None and event.until > exchange_time:
        text += f", {math.ceil((event.until - exchange_time) / 1000)} s more"
    return line((f" {glyphs.closing} {when}  ", ""), (text, QUIET))


def mute_note(glyphs: Glyphs) -> Note:
    """Return the note that the prices of the stream are old."""
    text = "REST shows trades of which no frame came: not the latest price"
    return Note(glyphs.busy, "MUTE", text, LOUD, 2)


def pending_note(event: PendingEvent, *, tz: tzinfo, glyphs: Glyphs) -> Note:
    """Return the note that the exchange does not trade the symbol yet."""
    time = event.onboard_time
    since = f", from {times.clock(time, Interval.H1, tz)}" if time else ""
    return Note(glyphs.busy, "PENDING", f"not traded yet{since}", TITLE, 2)


def _values(candle: Candle) -> tuple[tuple[str, str], ...]:
    return (
        ("close", candle.close_text),
        ("high", candle.high_text),
        ("low", candle.low_text),
        ("open", candle.open_text),
        ("volume", candle.volume_text),
        ("trades", str(candle.count)),
        ("quote volume", candle.quote_volume_text),
        ("taker buy volume", candle.taker_buy_volume_text),
        ("taker buy quote volume", candle.taker_buy_quote_volume_text),
    )


class Gaps:
    """The open gaps of all streams of a table."""

    def __init__(self) -> None:
        self._open: list[GapEvent] = []
        """The gaps without candles, in the order of their events."""

    def heed(self, event: GapEvent) -> tuple[list[GapEvent], list[GapEvent]]:
        """Take in a gap, or the candles that fill a gap, wholly or in part.

        Returns:
            The gaps to remove from the table, then the gaps to add. A gap that is
            filled in part is removed, and the parts without candles are added.
        """
        gone = [gap for gap in self._open if event.filled and _overlap(gap, event)]
        new = [event]
        if event.filled:
            ends = [(gap, gap.start, event.start) for gap in gone]
            ends += [(gap, event.end, gap.end) for gap in gone]
            new = [
                GapEvent(gap.stream, start, end, gap.reason)
                for gap, start, end in ends
                if start < end
            ]
        self._open = [gap for gap in self._open if gap not in gone] + new
        return gone, new


def _overlap(one: GapEvent, other: GapEvent) -> bool:
    alike = one.stream == other.stream
    return alike and one.start < other.end and other.start < one.end
