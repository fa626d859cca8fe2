"""Notices: events as plain lines for a person, during a run and at its end. Pure.

A change of state makes one line; repeated attempts make none. Lines may hold text from
the network, unescaped and shortened; the printer of a line escapes and caps the text.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.errors import with_where
from klinetail.escape import brief
from klinetail.events import (
    CLOCK,
    REST,
    Drop,
    DropEvent,
    EndedEvent,
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    MuteEvent,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
)
from klinetail.kinds import Kind
from klinetail.pipeline.stats import Losses, Stats

SLOW: Final = 10.0
"""Seconds of a pause that make the reason worth repeating: by then the reason often
differs from the first failure's."""

_REASON: Final = 240
"""Characters of a reason from the network in a longer line."""

_NAMED: Final = 8
"""The streams named in a line about many streams."""


def kind_of(event: Event) -> Kind:
    """Return the kind of an event's lines."""
    match event:
        case GapEvent():
            return Kind.FILLED if event.filled else Kind.GAP
        case EndedEvent():
            return Kind.ENDED
        case RevisionEvent():
            return Kind.REVISED
        case DropEvent():
            return Kind.DROPPED
        case LinkEvent() | MuteEvent():
            return Kind.LINK
        case _:
            return Kind.OWN


_AGAIN: Final = {
    REST: "REST answers again",
    CLOCK: "the exchange's clock can be believed again",
}
"""The line for the recovery of a link that is no connection."""
_DOWN: Final = {REST: "REST down", CLOCK: "the exchange's clock in doubt"}
"""The words in the receipt for a failing link that is no connection."""


class Notices:
    """Turns events into lines.

    Args:
        verbose: whether to report dropped messages and every change of a link, too.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        """Whether dropped messages and every change of a link are reported."""
        self._down: dict[str, bool] = {}
        """The failing links, with whether the line of a slow recovery was issued."""
        self._losses = Losses()
        """Counts lost connections, by the rule of the receipt's reconnects."""
        self._said_bad = False
        """Whether a bad message was reported."""
        self._said_odd = ""
        """The last report about the exchange's list of symbols."""
        self._limited: set[str] = set()
        """The links reported as about to be given up."""
        self._named: dict[str, str] = {}
        """The last reported reason of a link without candles, by link."""
        self._slow: set[str] = set()
        """The links reported as slow to connect."""
        self._silent: set[str] = set()
        """The links reported as live without candles."""

    def lines(self, event: Event) -> list[str]:
        """Return the lines about an event: often none."""
        match event:
            case GapEvent(stream, start, end, reason) if event.filled:
                return [f"gap filled: {stream} {_range(start, end)} (not in order)"]
            case GapEvent(stream, start, end, reason):
                why = brief(reason, _REASON)
                return [f"gap: {stream} {_range(start, end)} is missing: {why}"]
            case RevisionEvent(_, revised):
                when = utc(revised.open_time)
                return [f"revised: {revised.stream} {when}: {_change(event)}"]
            case EndedEvent(stream, status):
                why = brief(status, _REASON)
                return [f"ended: {stream} is not traded any more ({why})"]
            case PendingEvent(stream, time):
                since = f", from {utc(time)}" if time else ""
                return [f"pending: {stream} is not traded yet{since}"]
            case TradedEvent(stream):
                return [f"traded: {stream} is traded now"]
            case MuteEvent(stream, over) if self._verbose:
                if over:
                    return [f"frames of {stream} come again"]
                return [f"mute: {stream}: REST shows trades of which no frame came"]
            case DropEvent():
                return self._dropped(event)
            case LinkEvent():
                return self._link(event)
            case _:
                return []

    def _dropped(self, event: DropEvent) -> list[str]:
        if event.why is Drop.LISTING:
            known, self._said_odd = self._said_odd, event.detail
            return [event.detail] if self._verbose or event.detail != known else []
        if event.why is Drop.BAD and (self._verbose or not self._said_bad):
            self._said_bad = True
            return [f"dropped a message: {event.detail}"]
        return [f"dropped: {event.why} {event.stream}"] if self._verbose else []

    def _link(self, event: LinkEvent) -> list[str]:
        name, silent = event.link, event.link in self._silent
        again = self._losses.ended(event)
        reason = with_where(event.reason, event.where)
        self._silent.discard(name)
        if event.state in (LinkState.LIVE, LinkState.IDLE):
            self._slow.discard(name)
        if event.state is LinkState.LIVE and event.attempt:
            self._silent.add(name)
            first = self._named.get(name) != reason
            self._named[name] = reason
            return [reason] if first or self._verbose else []
        if event.state is LinkState.WAITING:
            slow, known = event.delay >= SLOW, self._down.get(name)
            self._down[name] = slow or bool(known)
            ends = event.patience < math.inf
            new = known is None or (slow and not known)
            new = new or (ends and name not in self._limited)
            if ends:
                self._limited.add(name)
            if new or self._verbose:
                tries = f"trying again {_soon(event.delay)}"
                until = f"for {event.patience:.0f} s more" if ends else "until it works"
                return [f"{brief(reason, _REASON)}; {tries}, and on {until}"]
        elif event.state is LinkState.CONNECTING and event.reason:
            known = name in self._slow or name in self._down
            self._slow.add(name)
            return [reason] if not known or self._verbose else []
        elif event.state is LinkState.LIVE and (again or name in self._down):
            self._down.pop(name, None)
            self._limited.discard(name)
            return ["connected again" if again else "connected"]
        elif event.state is LinkState.IDLE and name in _AGAIN and name in self._down:
            del self._down[name]
            self._limited.discard(name)
            return [_AGAIN[name]]
        elif event.state is LinkState.LIVE and silent:
            return ["candles come again"]
        elif self._verbose:
            return [f"{name}: {event.state}"]
        return []


def _soon(delay: float) -> str:
    """Return when the next attempt follows, in words; a pause rounded to 0.0 s is `at
    once`."""
    shown = f"{delay:.1f}"
    return "at once" if float(shown) == 0 else f"in {shown} s"


def summed_up(kind: Kind, events: Sequence[Event]) -> str:
    """Return one line for several gaps, filled gaps or ends: number, streams, range,
    reasons.

    Args:
        kind: the events' kind: `GAP`, `FILLED` or `ENDED`.
        events: at least one event; all of the kind.
    """
    gaps = [event for event in events if isinstance(event, GapEvent)]
    ends = [event for event in events if isinstance(event, EndedEvent)]
    streams = _named([one.stream for one in gaps] + [one.stream for one in ends])
    more = f"{len(events):,} more within a second"
    if ends:
        why = _reasons([end.status for end in ends])
        return f"ended: {more}: {streams} are not traded any more ({why})"
    candles = plural(sum(map(_missing, gaps)), "candle")
    span = _range(min(gap.start for gap in gaps), max(gap.end for gap in gaps))
    if kind is Kind.FILLED:
        return f"gap filled: {more}, {span}: {candles} of {streams} (not in order)"
    why = _reasons([gap.reason for gap in gaps])
    return f"gap: {more}, {span}: {candles} of {streams} are missing: {why}"


def _named(streams: Sequence[Stream]) -> str:
    names = list(dict.fromkeys(map(str, streams)))
    shown = ", ".join(names[:_NAMED])
    others = len(names) - _NAMED
    rest = f" and {others:,} more" if others > 0 else ""
    return f"{plural(len(names), 'stream')} ({shown}{rest})"


def _missing(gap: GapEvent) -> int:
    return gap.stream.interval.steps(gap.start, gap.end)


def _reasons(reasons: Sequence[str]) -> str:
    others = len(set(reasons)) - 1
    first = brief(reasons[0], _REASON // 2)
    return f"{first}, and {plural(others, 'other reason')}" if others else first


def receipt(
    stats: Stats,
    files: Sequence[tuple[str, int]],
    source: str,
    *,
    awaited: int = 0,
) -> str:
    """Return the last line of a run: delivered and missing candles, failures, and
    outputs.

    Args:
        stats: the run's figures.
        files: path and number of candles written, for each recording.
        source: the origin of the candles.
        awaited: streams with candles still being fetched at the end.
    """
    candles = plural(stats.closed, "candle")
    if stats.by_rest:
        candles += f" ({stats.by_rest:,} by REST)"
    parts = [candles, plural(stats.gaps, "gap")]
    if stats.gaps:
        parts[-1] += f" ({plural(stats.missing, 'candle')} still missing)"
    if awaited:
        parts.append(f"{plural(awaited, 'stream')} waiting for a fetch")
    parts.extend(_down(stats.links.values()))
    parts.append(f"{plural(stats.dropped[Drop.DUPLICATE], 'duplicate')} dropped")
    if bad := stats.dropped[Drop.BAD]:
        parts.append(f"{plural(bad, 'bad message')} dropped")
    if stats.revisions:
        parts.append(plural(stats.revisions, "revision"))
    parts.append(plural(stats.reconnects, "reconnect"))
    if (delay := stats.close_delay) is not None:
        parts.append(f"closes {delay[0]:.1f} s late (median; {delay[1]:.1f} s at most)")
    parts.extend(f"wrote {path} ({count:,})" for path, count in files)
    return f"{', '.join(parts)}; from {source}"


def _down(links: Collection[LinkEvent]) -> list[str]:
    """Return the links that fail at the end, in words."""
    failing = [
        event for event in links if event.attempt and event.state is not LinkState.LIVE
    ]
    connections = sum(event.connection for event in failing)
    parts = [f"{plural(connections, 'connection')} down"] if connections else []
    return parts + [_DOWN[event.link] for event in failing if not event.connection]


def utc(time: int) -> str:
    """Return a time (ms since the epoch) as text for people, UTC."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


def _change(event: RevisionEvent) -> str:
    """Return the changed values in words; all revised values if the delivered are not
    kept."""
    revised = _values(event.revised)
    if event.delivered is None:
        now = ", ".join(f"{name} {text}" for name, text in revised.items())
        return f"now {now} (the values delivered are not kept any more)"
    return ", ".join(
        f"{name} {old} is now {revised[name]}"
        for name, old in _values(event.delivered).items()
        if Decimal(old) != Decimal(revised[name])
    )


def _values(candle: Candle) -> dict[str, str]:
    """Return a candle's values, with the exchange's digits, by the record's keys."""
    return {
        "open": candle.open_text,
        "high": candle.high_text,
        "low": candle.low_text,
        "close": candle.close_text,
        "volume": candle.volume_text,
        "quote_volume": candle.quote_volume_text,
        "count": str(candle.count),
        "taker_buy_volume": candle.taker_buy_volume_text,
        "taker_buy_quote_volume": candle.taker_buy_quote_volume_text,
    }


def _range(start: int, end: int) -> str:
    return f"{utc(start)} to before {utc(end)}"


def plural(number: int, noun: str) -> str:
    """Return a number with a noun: `1 candle`, `2,000 candles`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
