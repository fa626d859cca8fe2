"""Events in, figures out: what the status line and the receipt say."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import assert_never

import msgspec

from klinetail.candle import Candle, Source, Stream
from klinetail.events import (
    CandleEvent,
    Drop,
    DropEvent,
    EndedEvent,
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    MuteEvent,
    PreviewEvent,
    RevisionEvent,
    UnconfirmedEvent,
)

_DELAYS_KEPT = 10_000


class Stats:
    """The figures of one run. Not thread-safe: one owner feeds and reads it."""

    def __init__(self) -> None:
        self.closed = 0
        """Closed candles delivered."""
        self.by_rest = 0
        """Those of them that came by REST."""
        self.updates = 0
        """Forming candles delivered."""
        self.gaps = 0
        """Gaps announced."""
        self.missing = 0
        """Candles in gaps that could not be filled later."""
        self.revisions = 0
        self.ended = 0
        """Streams whose symbol is not traded any more."""
        self.dropped: Counter[Drop] = Counter()
        self.links: dict[str, LinkEvent] = {}
        """Each link's latest event; links without work are left out. While a link tries
        again, the event has the reason of the failure before."""
        self.mute: set[Stream] = set()
        """Streams of which no frame comes now, though REST shows trades."""
        self.unconfirmed: set[Stream] = set()
        """Streams whose next closed candle REST has shown, too young to be believed."""
        self.reconnects = 0
        self._broken: set[str] = set()
        self._was_live: set[str] = set()
        self._delays: deque[int] = deque(maxlen=_DELAYS_KEPT)

    def apply(self, event: Event) -> None:
        """Count one event in."""
        match event:
            case CandleEvent(candle):
                self.count([candle] if candle.closed else [], not candle.closed)
            case PreviewEvent():
                pass  # it is counted when it is delivered
            case GapEvent():
                self._gap(event)
            case DropEvent(why):
                self.dropped[why] += 1
            case RevisionEvent():
                self.revisions += 1
            case EndedEvent(stream):
                self.ended += 1
                self.mute.discard(stream)
                self.unconfirmed.discard(stream)
            case UnconfirmedEvent(stream):
                self.unconfirmed.add(stream)
            case MuteEvent(stream, over):
                (self.mute.discard if over else self.mute.add)(stream)
            case LinkEvent():
                self._link(event)
            case _:
                assert_never(event)

    def _gap(self, event: GapEvent) -> None:
        if event.filled:
            self.missing -= len(event.candles)
        else:
            self.unconfirmed.discard(event.stream)
            self.gaps += 1
            self.missing += event.stream.interval.steps(event.start, event.end)

    def count(self, closed: Sequence[Candle], updates: int) -> None:
        """Count candles in: the closed ones, and how many forming ones."""
        self.updates += updates
        self.closed += len(closed)
        if self.unconfirmed:
            self.unconfirmed.difference_update(candle.stream for candle in closed)
        for candle in closed:
            if candle.source is Source.REST:
                self.by_rest += 1
            else:
                self._delays.append(candle.event_time - candle.close_time)

    def _link(self, event: LinkEvent) -> None:
        if event.state is LinkState.IDLE:
            self.links.pop(event.link, None)
            return
        before = self.links.get(event.link)
        again = event.state in (LinkState.CONNECTING, LinkState.SUBSCRIBING)
        if again and before is not None and not event.reason:
            event = msgspec.structs.replace(
                event, reason=before.reason, where=before.where
            )
        self.links[event.link] = event
        if event.state is LinkState.WAITING and event.link in self._was_live:
            self._broken.add(event.link)
        elif event.state is LinkState.LIVE:
            self.reconnects += event.link in self._broken
            self._broken.discard(event.link)
            self._was_live.add(event.link)

    def as_json(self) -> bytes:
        """All figures as a line of JSON; keys are only ever added."""
        delay = self.close_delay
        figures = {
            "closed": self.closed,
            "by_rest": self.by_rest,
            "updates": self.updates,
            "gaps": self.gaps,
            "missing": self.missing,
            "duplicates_dropped": self.dropped[Drop.DUPLICATE],
            "stale_dropped": self.dropped[Drop.STALE],
            "bad_dropped": self.dropped[Drop.BAD],
            "revisions": self.revisions,
            "reconnects": self.reconnects,
            "ended": self.ended,
            "close_delay_median_s": None if delay is None else delay[0],
            "close_delay_max_s": None if delay is None else delay[1],
        }
        return msgspec.json.encode(figures) + b"\n"

    @property
    def close_delay(self) -> tuple[float, float] | None:
        """Median and greatest time, in seconds of exchange time, from a candle's
        close to the push that said so; of the latest 10,000 pushed closes."""
        if not self._delays:
            return None
        import statistics

        return statistics.median(self._delays) / 1000, max(self._delays) / 1000
