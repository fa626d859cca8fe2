"""What a person should hear while it runs and at the end, as plain lines. Pure.

One line a change of state, not one an attempt. Text from the network is in these
lines as it came; whoever prints them escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from klinetail.candle import Candle
from klinetail.errors import with_where
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
    RevisionEvent,
)
from klinetail.stats import Stats

SLOW: Final = 10.0
"""Seconds of a pause from which on it is said once more what goes wrong: by then it is
often something else than what broke the connection."""


_AGAIN: Final = {
    REST: "REST answers again",
    CLOCK: "the exchange's clock can be believed again",
}
_DOWN: Final = {REST: "REST down", CLOCK: "the exchange's clock in doubt"}


class Notices:
    """Turns events into lines.

    Args:
        verbose: also say what was dropped, and each change of a link.
        patience: seconds without an answer before giving up.
    """

    def __init__(self, *, verbose: bool = False, patience: float = math.inf) -> None:
        self._verbose = verbose
        self._patience = patience
        self._down: dict[str, bool] = {}
        """Links that do not work, and whether it was said that they are slow to."""
        self._said_bad = False
        self._named: dict[str, str] = {}
        self._slow: set[str] = set()
        """Links of which it was said that they are slow to connect."""
        self._silent: set[str] = set()
        """Links of which it was said that they bring no candle."""

    def lines(self, event: Event) -> list[str]:
        """What to say about an event: often nothing."""
        match event:
            case GapEvent(stream, start, end, reason) if event.filled:
                return [f"gap filled: {stream} {_range(start, end)} (not in order)"]
            case GapEvent(stream, start, end, reason):
                return [f"gap: {stream} {_range(start, end)} is missing: {reason}"]
            case RevisionEvent(_, revised):
                when = utc(revised.open_time)
                return [f"revised: {revised.stream} {when}: {_change(event)}"]
            case EndedEvent(stream, status):
                return [f"ended: {stream} is not traded any more ({status})"]
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
        if event.why is Drop.BAD and (self._verbose or not self._said_bad):
            self._said_bad = True
            return [f"dropped a message: {event.detail}"]
        return [f"dropped: {event.why} {event.stream}"] if self._verbose else []

    def _tries(self, delay: float) -> str:
        shown = f"{delay:.1f}"
        soon = "at once" if float(shown) == 0 else f"in {shown} s"
        if self._patience == math.inf:
            return f"trying again {soon}, and on until it works"
        return f"trying again {soon}, for {self._patience:g} s at most"

    def _link(self, event: LinkEvent) -> list[str]:
        name, silent = event.link, event.link in self._silent
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
            if known is None or (slow and not known) or self._verbose:
                return [f"{reason}; {self._tries(event.delay)}"]
        elif event.state is LinkState.CONNECTING and event.reason:
            known = name in self._slow or name in self._down
            self._slow.add(name)
            return [reason] if not known or self._verbose else []
        elif event.state in (LinkState.LIVE, LinkState.IDLE) and name in self._down:
            del self._down[name]
            return [_AGAIN.get(name, "connected again")]
        elif event.state is LinkState.LIVE and silent:
            return ["candles come again"]
        elif self._verbose:
            return [f"{name}: {event.state}"]
        return []


def receipt(
    stats: Stats,
    files: Sequence[tuple[str, int]],
    source: str,
    *,
    awaited: int = 0,
) -> str:
    """The last line: what was delivered, and what was not, and what is down.

    Args:
        stats: the run's figures.
        files: path and candles written, of each recording.
        source: where the candles came from.
        awaited: streams whose next candles were being fetched at the end.
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
    """What was tried and does not work now."""
    failing = [
        event for event in links if event.attempt and event.state is not LinkState.LIVE
    ]
    connections = sum(event.connection for event in failing)
    parts = [f"{plural(connections, 'connection')} down"] if connections else []
    return parts + [_DOWN[event.link] for event in failing if not event.connection]


def utc(time: int) -> str:
    """A time in ms as text for people, UTC."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


def _change(event: RevisionEvent) -> str:
    """Which values changed; all there are if the delivered ones are not kept."""
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
    """A candle's values, the exchange's digits, by the record's keys."""
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
    """So many of something: `1 candle`, `2,000 candles`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
