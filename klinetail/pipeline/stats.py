"""The figures of the status line and the receipt, counted from the events."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, assert_never

import msgspec

from klinetail.candle import Candle, Source, Stream
from klinetail.escape import brief
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
    PendingEvent,
    PreviewEvent,
    RevisionEvent,
    TradedEvent,
    UnconfirmedEvent,
)

_DELAYS_KEPT = 10_000

ANNOUNCED_KEPT: Final = 100_000
"""The most listed gaps, filled gaps and ends, some 20 MB; the rest are counted."""

_REASON: Final = 300
"""The kept characters of a reason or a status."""


class Announced(msgspec.Struct, frozen=True):
    """A gap, a filled gap or an end, as announced."""

    what: str
    """The kind: `gap`, `filled` or `ended`."""
    stream: str
    """The name of the stream as on the command line, `btcusdt@1m`."""
    start: int | None
    """Open time of the first candle, ms; None for an end."""
    end: int | None
    """Open time of the first candle after the gap, ms; None for an end."""
    candles: int
    """The number of missing or found candles; 0 for an end."""
    reason: str
    """The reason, or an ended symbol's status; harmless to a terminal."""

    @classmethod
    def of(cls, event: GapEvent | EndedEvent) -> Announced:
        """Return the kept form of an event."""
        name = str(event.stream)
        if isinstance(event, EndedEvent):
            return cls("ended", name, None, None, 0, brief(event.status, _REASON))
        number = len(event.candles)
        if not event.filled:
            number = event.stream.interval.steps(event.start, event.end)
        what = "filled" if event.filled else "gap"
        reason = brief(event.reason, _REASON)
        return cls(what, name, event.start, event.end, number, reason)


class Losses:
    """Tells when a lost connection is live again: the rule for counting and for
    reporting reconnects. A connection live for the first time, after any number of
    attempts, is no reconnect."""

    def __init__(self) -> None:
        self._was_live: set[str] = set()
        """Links with a live connection in the past or now."""
        self._lost: set[str] = set()
        """Links with a lost connection, not live again yet."""

    def ended(self, event: LinkEvent) -> bool:
        """Return whether the event ends a loss; expects every event of a link."""
        link = event.link
        if event.state is LinkState.WAITING and link in self._was_live:
            self._lost.add(link)
        if event.state is not LinkState.LIVE or event.attempt:
            return False
        again = link in self._lost
        self._lost.discard(link)
        self._was_live.add(link)
        return again


class Stats:
    """The figures of a run, fed and read by a single owner: not thread-safe."""

    def __init__(self) -> None:
        self.closed = 0
        """Closed candles delivered."""
        self.by_rest = 0
        """Closed candles delivered from REST."""
        self.updates = 0
        """Forming candles delivered."""
        self.gaps = 0
        """Gaps announced."""
        self.missing = 0
        """Candles missing in gaps and not filled later."""
        self.revisions = 0
        """Revisions announced."""
        self._ended: set[Stream] = set()
        """The streams whose symbols are not traded any more."""
        self.announced: list[Announced] = []
        """Each gap, filled gap and end in order, up to `ANNOUNCED_KEPT`."""
        self.unlisted = 0
        """The number of further gaps, filled gaps and ends."""
        self.dropped: Counter[Drop] = Counter()
        """Dropped messages by reason."""
        self.links: dict[str, LinkEvent] = {}
        """Each link's latest event; links without work are left out. While a link tries
        again, the event has the reason of the failure before."""
        self.mute: set[Stream] = set()
        """Streams without frames now, though REST shows trades."""
        self.unconfirmed: dict[Stream, int] = {}
        """Streams whose next closed candle REST has shown, too young to be believed,
        with the exchange time (ms) from which on another answer can confirm the candle.
        """
        self.reconnects = 0
        """The number of lost connections live again."""
        self._losses = Losses()
        """The rule for reconnects, the same for counts and reports."""
        self._delays: deque[int] = deque(maxlen=_DELAYS_KEPT)
        """The delays (ms) of the latest pushed closes."""

    @property
    def ended(self) -> int:
        """Streams whose symbol is not traded any more."""
        return len(self._ended)

    def apply(self, event: Event) -> None:
        """Count an event."""
        match event:
            case CandleEvent(candle):
                self.count([candle] if candle.closed else [], not candle.closed)
            case PreviewEvent():
                pass  # the candle is counted at its delivery
            case GapEvent():
                self._gap(event)
                self._list(event)
            case DropEvent(why):
                self.dropped[why] += 1
            case RevisionEvent():
                self.revisions += 1
            case EndedEvent(stream):
                self._ended.add(stream)
                self._list(event)
                self.mute.discard(stream)
                self.unconfirmed.pop(stream, None)
            case TradedEvent(stream):
                self._ended.discard(stream)
            case PendingEvent():
                pass  # the event is reported, and is no figure
            case UnconfirmedEvent(stream, _, until):
                self.unconfirmed[stream] = until
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
            self.unconfirmed.pop(event.stream, None)
            self.gaps += 1
            self.missing += event.stream.interval.steps(event.start, event.end)

    def _list(self, event: GapEvent | EndedEvent) -> None:
        if len(self.announced) < ANNOUNCED_KEPT:
            self.announced.append(Announced.of(event))
        else:
            self.unlisted += 1

    def count(self, closed: Sequence[Candle], updates: int) -> None:
        """Count candles: the closed candles, and the number of forming candles."""
        self.updates += updates
        self.closed += len(closed)
        if self.unconfirmed:
            for candle in closed:
                self.unconfirmed.pop(candle.stream, None)
        for candle in closed:
            if candle.source is Source.REST:
                self.by_rest += 1
            else:
                self._delays.append(candle.event_time - candle.close_time)

    def _link(self, event: LinkEvent) -> None:
        if event.state is LinkState.IDLE:
            self.links.pop(event.link, None)
        else:
            before = self.links.get(event.link)
            again = event.state in (LinkState.CONNECTING, LinkState.SUBSCRIBING)
            if again and before is not None and before.attempt:
                event = msgspec.structs.replace(
                    event, reason=before.reason, where=before.where
                )
            self.links[event.link] = event
        self.reconnects += self._losses.ended(event)

    def as_json(self) -> bytes:
        """Return all figures as a line of JSON; keys are only ever added."""
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
            "announced": self.announced,
            "unlisted": self.unlisted,
        }
        return msgspec.json.encode(figures) + b"\n"

    @property
    def close_delay(self) -> tuple[float, float] | None:
        """Median and greatest time, in seconds of exchange time, from a candle's
        close to the push of the close; of the latest 10,000 pushed closes."""
        if not self._delays:
            return None
        import statistics

        return statistics.median(self._delays) / 1000, max(self._delays) / 1000
