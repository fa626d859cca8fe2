"""What a collector tells the rest of a system. All are immutable."""

from __future__ import annotations

import enum
import math
from typing import Final, assert_never

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

    delivered: Candle | None
    """As it was delivered before; None if it has left the collector's `buffer`, which
    remembers for a day that its values were other ones, and not which."""
    revised: Candle


class LinkState(enum.StrEnum):
    """What a link is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    LIVE = "live"
    WAITING = "waiting"
    STOPPED = "stopped"


REST: Final = "rest"
"""The name, in a `LinkEvent`, of what is asked for candles and listings."""

CLOCK: Final = "clock"
"""The name, in a `LinkEvent`, of the exchange's clock, which waits while in doubt."""


class LinkEvent(msgspec.Struct, frozen=True):
    """A link changed its state."""

    link: str
    """A connection's name, or `REST` or `CLOCK`."""
    state: LinkState
    reason: str = ""
    """Why, in words, unescaped: it may hold text from the network. While it connects:
    how far it is, told once that takes long."""
    attempt: int = 0
    """Failed attempts in a row. A link that is live after one brings no candle; it is
    live after none again once candles come."""
    delay: float = 0.0
    """Seconds until the next attempt, while waiting."""
    where: str = ""
    """What was being done, with the address, unescaped; `reason` goes before it."""
    patience: float = math.inf
    """Seconds after which it is given up, if nothing else happens until then."""

    @property
    def connection(self) -> bool:
        """Whether it is a connection that changed its state."""
        return self.link not in (REST, CLOCK)


class UnconfirmedEvent(msgspec.Struct, frozen=True):
    """REST has shown a closed candle that is too young to be believed at once.

    For views. The candle, or a gap in its place, follows when it is its turn.
    """

    stream: Stream
    open_time: int
    """The candle's, ms."""
    until: int
    """Exchange time (ms) from which on another answer can confirm it."""


class MuteEvent(msgspec.Struct, frozen=True):
    """A stream is mute: its connection is live and REST shows trades of which no frame
    came. Its closed candles come by REST meanwhile."""

    stream: Stream
    over: bool = False
    """Whether a frame came, so that it is not mute any more."""


class EndedEvent(msgspec.Struct, frozen=True):
    """The exchange does not trade this symbol any more.

    What follows of it is the candle of its last trade, if that has not closed yet. A
    `TradedEvent` takes it back.
    """

    stream: Stream
    status: str


class PendingEvent(msgspec.Struct, frozen=True):
    """The exchange lists this symbol and does not trade it yet: it is awaited.

    A `TradedEvent` tells that it is traded.
    """

    stream: Stream
    onboard_time: int
    """When trading shall begin, ms; 0 if the exchange does not say."""


class TradedEvent(msgspec.Struct, frozen=True):
    """The exchange trades this symbol, after an `EndedEvent` or a `PendingEvent`."""

    stream: Stream


class Drop(enum.StrEnum):
    """Why a message was not used."""

    DUPLICATE = "duplicate"
    STALE = "stale"
    BAD = "bad"
    LISTING = "listing"
    """Not a whole message, but entries of the exchange's list of symbols."""


class DropEvent(msgspec.Struct, frozen=True):
    """A message was dropped. None of these loses a closed candle."""

    why: Drop
    stream: Stream | None = None
    detail: str = ""
    """For a bad message, what is wrong and its beginning; for a list of symbols, how
    many of its entries are odd and the name of one. Unescaped."""


Event = (
    CandleEvent
    | PreviewEvent
    | GapEvent
    | RevisionEvent
    | LinkEvent
    | UnconfirmedEvent
    | MuteEvent
    | EndedEvent
    | PendingEvent
    | TradedEvent
    | DropEvent
)


def stream_of(event: Event) -> Stream | None:
    """The stream that an event is about; None if it is about no single one."""
    match event:
        case CandleEvent(candle) | PreviewEvent(candle):
            return candle.stream
        case RevisionEvent(_, revised):
            return revised.stream
        case GapEvent(stream) | UnconfirmedEvent(stream) | MuteEvent(stream):
            return stream
        case EndedEvent(stream) | PendingEvent(stream) | TradedEvent(stream):
            return stream
        case DropEvent(_, stream):
            return stream
        case LinkEvent():
            return None
        case _:
            assert_never(event)
