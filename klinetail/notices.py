"""What a person should hear while it runs and at the end, as plain lines. Pure.

One line a change of state, not one an attempt. Text from the network is in these
lines as it came; whoever prints them escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from klinetail.events import (
    Drop,
    DropEvent,
    EndedEvent,
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.stats import Stats

SLOW: Final = 10.0
"""Seconds of a pause from which on it is said once more what goes wrong: by then it is
often something else than what broke the connection."""


class Notices:
    """Turns events into lines.

    Args:
        verbose: also say what was dropped, and each change of a link.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._down: dict[str, bool] = {}
        """Links that do not work, and whether it was said that they are slow to."""
        self._said_bad = False
        self._limited: set[str] = set()
        """Links of which it was said that they may be given up."""
        self._named: dict[str, str] = {}

    def lines(self, event: Event) -> list[str]:
        """What to say about an event: often nothing."""
        match event:
            case GapEvent(stream, start, end, reason) if event.filled:
                return [f"gap filled: {stream} {_range(start, end)} (not in order)"]
            case GapEvent(stream, start, end, reason):
                return [f"gap: {stream} {_range(start, end)} is missing: {reason}"]
            case RevisionEvent(delivered):
                when = utc(delivered.open_time)
                return [f"revised: {delivered.stream} {when}: {_change(event)}"]
            case EndedEvent(stream, status):
                return [f"ended: {stream} is not traded any more ({status})"]
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

    def _link(self, event: LinkEvent) -> list[str]:
        name = event.link
        if event.state is LinkState.LIVE and event.attempt:
            first = self._named.get(name) != event.reason
            self._named[name] = event.reason
            return [event.reason] if first or self._verbose else []
        if event.state is LinkState.WAITING:
            slow, known = event.delay >= SLOW, self._down.get(name)
            self._down[name] = slow or bool(known)
            ends = event.patience < math.inf
            new = known is None or (slow and not known)
            new = new or (ends and name not in self._limited)
            if ends:
                self._limited.add(name)
            if new or self._verbose:
                tries = f"trying again in {event.delay:.1f} s"
                until = f"for {event.patience:.0f} s more" if ends else "until it works"
                return [f"{event.reason}; {tries}, and on {until}"]
        elif event.state in (LinkState.LIVE, LinkState.IDLE) and name in self._down:
            del self._down[name]
            self._limited.discard(name)
            return ["REST answers again" if name == "rest" else "connected again"]
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
        event.link
        for event in links
        if event.attempt and event.state is not LinkState.LIVE
    ]
    connections = len(failing) - failing.count("rest")
    parts = [f"{plural(connections, 'connection')} down"] if connections else []
    return [*parts, "REST down"] if "rest" in failing else parts


def utc(time: int) -> str:
    """A time in ms as text for people, UTC."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


def _change(event: RevisionEvent) -> str:
    names = ("open", "high", "low", "close", "volume", "quote_volume", "count")
    changes = [
        f"{name} {old} is now {new}"
        for name in names
        if (old := getattr(event.delivered, name))
        != (new := getattr(event.revised, name))
    ]
    return ", ".join(changes) or "the takers' volumes"


def _range(start: int, end: int) -> str:
    return f"{utc(start)} to before {utc(end)}"


def plural(number: int, noun: str) -> str:
    """So many of something: `1 candle`, `2,000 candles`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
