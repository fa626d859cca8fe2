"""The events that a collector publishes. All events are immutable."""

from __future__ import annotations

import enum
import math
from typing import Final, assert_never

import msgspec

from klinetail.candle import Candle, Stream


class CandleEvent(msgspec.Struct, frozen=True):
    """A candle was accepted, forming or closed, in the contract's order."""

    candle: Candle


class PreviewEvent(msgspec.Struct, frozen=True):
    """A forming candle arrived while an earlier candle is still awaited.

    The event is for views. The same candle, or a newer candle of the stream, follows in
    order as a `CandleEvent`.
    """

    candle: Candle


class GapEvent(msgspec.Struct, frozen=True):
    """Closed candles could not be delivered in order, or were fetched after all.

    `candles` is empty in the announcement of a gap. Further events for the range, or
    for parts of the range, carry the candles fetched later.
    """

    stream: Stream
    start: int
    """The open time of the first missing candle, ms."""
    end: int
    """The open time of the first candle after the gap, ms."""
    reason: str
    """Why the candles are missing, in words, unescaped."""
    candles: tuple[Candle, ...] = ()
    """The fetched candles of the whole range; empty while the candles are missing."""

    @property
    def filled(self) -> bool:
        """Whether the event carries fetched candles."""
        return bool(self.candles)


class RevisionEvent(msgspec.Struct, frozen=True):
    """The exchange sent other values for a candle already closed."""

    delivered: Candle | None
    """The candle as delivered; None if the candle has left the collector's `buffer`.
    Only the fact of a change is then known: hashes of the values are kept for a day."""
    revised: Candle
    """The candle with the new values."""


class LinkState(enum.StrEnum):
    """The state of a link."""

    IDLE = "idle"
    """Nothing is under way: the first state, and the state of REST or clock after a
    recovery."""
    CONNECTING = "connecting"
    """The socket and the handshake are under way."""
    SUBSCRIBING = "subscribing"
    """The handshake is done; the subscriptions are under way."""
    LIVE = "live"
    """The streams are subscribed."""
    WAITING = "waiting"
    """The link pauses before the next attempt."""
    STOPPED = "stopped"
    """The link is closed for good."""


REST: Final = "rest"
"""The link name of the REST side, for candles and listings."""

CLOCK: Final = "clock"
"""The link name of the exchange's clock, which waits while in doubt."""


class LinkEvent(msgspec.Struct, frozen=True):
    """A link changed state."""

    link: str
    """The name of a connection, or `REST` or `CLOCK`."""
    state: LinkState
    reason: str = ""
    """Why, in words, unescaped: text from the network is possible. For a slow
    connection attempt, the progress, reported once."""
    attempt: int = 0
    """The failed attempts in a row. A live link with failed attempts has brought no
    candle yet; the first candle clears the count."""
    delay: float = 0.0
    """The seconds until the next attempt, while waiting."""
    where: str = ""
    """The action that failed, with the address, unescaped; `reason` goes first in a
    line."""
    patience: float = math.inf
    """The seconds after which the link is given up, without a success until then."""

    @property
    def connection(self) -> bool:
        """Whether the link is a connection, and not `REST` or `CLOCK`."""
        return self.link not in (REST, CLOCK)


class UnconfirmedEvent(msgspec.Struct, frozen=True):
    """REST has shown a closed candle that is too young to be final.

    The event is for views. The candle, or a gap in the candle's place, follows in
    order.
    """

    stream: Stream
    open_time: int
    """The candle's open time, ms."""
    until: int
    """The exchange time (ms) from which another answer can confirm the candle."""


class MuteEvent(msgspec.Struct, frozen=True):
    """A stream is mute: the connection is live, but no frames arrive for trades shown
    by REST.

    Closed candles of a mute stream come by REST.
    """

    stream: Stream
    over: bool = False
    """Whether a frame arrived and ended the mute state."""


class EndedEvent(msgspec.Struct, frozen=True):
    """The exchange does not trade the symbol any more.

    Only the candle of the last trade may still follow. A `TradedEvent` revokes the end.
    """

    stream: Stream
    status: str
    """The symbol's status at the exchange, or another reason in words, unescaped."""


class PendingEvent(msgspec.Struct, frozen=True):
    """The exchange lists the symbol, but does not trade the symbol yet.

    A `TradedEvent` follows once the symbol is traded.
    """

    stream: Stream
    onboard_time: int
    """The announced beginning of trading, ms; 0 if the exchange names no time."""


class TradedEvent(msgspec.Struct, frozen=True):
    """The exchange trades the symbol, after an `EndedEvent` or a `PendingEvent`."""

    stream: Stream


class Drop(enum.StrEnum):
    """Why a message was dropped."""

    DUPLICATE = "duplicate"
    """A closed candle delivered before, with the same values."""
    STALE = "stale"
    """A forming candle not newer than the stream's last frame."""
    BAD = "bad"
    """A message that violates the protocol."""
    LISTING = "listing"
    """Some entries of the exchange's list of symbols, not a whole message."""


class DropEvent(msgspec.Struct, frozen=True):
    """A message was dropped. No drop loses a closed candle."""

    why: Drop
    stream: Stream | None = None
    """The message's stream; None if unknown."""
    detail: str = ""
    """For a bad message, the violation and the beginning of the message. For a list of
    symbols, the number of odd entries and the name of one. Unescaped."""


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
    """Return the stream of an event; None for an event about no single stream."""
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
