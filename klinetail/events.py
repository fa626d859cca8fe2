"""What a collector tells the rest of a system. All are immutable."""

from __future__ import annotations

import enum
import math

import msgspec

from klinetail.candle import Candle, Stream


class CandleEvent(msgspec.Struct, frozen=True):
    """A candle was accepted: forming or closed, in the contract's order."""

    candle: Candle


class PreviewEvent(msgspec.Struct, frozen=True):
    """A forming candle that came while an earlier one is awaited.

    For views. The same candle, or a newer one of its stream, follows as a
    `CandleEvent` when its turn has come.
    """

    candle: Candle


class GapEvent(msgspec.Struct, frozen=True):
    """Closed candles that could not be delivered in order, or now are there.

    `candles` is empty while they are missing; when they could be fetched after
    all, further events for parts of the range, or all of it, carry them.
    """

    stream: Stream
    start: int
    """Open time of the first missing candle, ms."""
    end: int
    """Open time of the first candle after the gap, ms."""
    reason: str
    candles: tuple[Candle, ...] = ()

    @property
    def filled(self) -> bool:
        return bool(self.candles)


class RevisionEvent(msgspec.Struct, frozen=True):
    """The exchange sent other values for a candle it had already closed."""

    delivered: Candle
    revised: Candle


class LinkState(enum.StrEnum):
    """What a link is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    LIVE = "live"
    WAITING = "waiting"
    STOPPED = "stopped"


class LinkEvent(msgspec.Struct, frozen=True):
    """A link changed its state."""

    link: str
    state: LinkState
    reason: str = ""
    """Why, in words, unescaped: it may hold text from the network."""
    attempt: int = 0
    """Failed attempts in a row. A link that is live after one brings no candle."""
    delay: float = 0.0
    """Seconds until the next attempt, while waiting."""
    patience: float = math.inf
    """Seconds after which it is given up, if nothing else happens until then."""


class EndedEvent(msgspec.Struct, frozen=True):
    """The exchange does not trade this symbol any more."""

    stream: Stream
    status: str


class Drop(enum.StrEnum):
    """Why a message was not used."""

    DUPLICATE = "duplicate"
    STALE = "stale"
    BAD = "bad"


class DropEvent(msgspec.Struct, frozen=True):
    """A message was dropped. None of these loses a closed candle."""

    why: Drop
    stream: Stream | None = None
    detail: str = ""
    """For a bad message, what is wrong and its beginning, unescaped."""


Event = (
    CandleEvent
    | PreviewEvent
    | GapEvent
    | RevisionEvent
    | LinkEvent
    | EndedEvent
    | DropEvent
)
