"""The actions that `supervision` decides on: what a link has to do. Pure."""

from __future__ import annotations

from typing import NamedTuple

from klinetail.errors import Refused
from klinetail.events import LinkState
from klinetail.exchange.inputs import Broken, NextBroken


class Open(NamedTuple):
    """Action: connect."""


class Hangup(NamedTuple):
    """Action: drop every connection."""


class Ping(NamedTuple):
    """Action: send a ping."""


class SubscribeAll(NamedTuple):
    """Action: subscribe to every stream."""


class Subscribe(NamedTuple):
    """Action: subscribe to some streams, without waiting for the ack."""

    streams: tuple[str, ...]
    """The names of the streams on the wire."""


class OpenNext(NamedTuple):
    """Action: open a second connection."""


class SubscribeNext(NamedTuple):
    """Action: subscribe to every stream over the second connection."""


class DropNext(NamedTuple):
    """Action: drop the second connection."""


class Swap(NamedTuple):
    """Action: drop the first connection and go on with the second connection."""


class Tell(NamedTuple):
    """Action: publish a `LinkEvent`; the fields are the fields of the event."""

    state: LinkState
    """The state of the link."""
    reason: str = ""
    """The reason of the change, in words."""
    failures: int = 0
    """The number of failures in a row."""
    delay: float = 0.0
    """Seconds until the next attempt."""
    where: str = ""
    """The operation that failed, with the address."""
    patience: float = float("inf")
    """Seconds until the link gives up, if all attempts fail like the last attempt."""


class TellQuiet(NamedTuple):
    """Action: report a connection that lives and brings no candle."""


class GiveUp(NamedTuple):
    """Action: report that the link has given up."""

    error: Refused
    """The refusal of the last attempt."""


Action = (
    Open
    | Hangup
    | Ping
    | SubscribeAll
    | Subscribe
    | OpenNext
    | SubscribeNext
    | DropNext
    | Swap
    | Tell
    | TellQuiet
    | GiveUp
)
Actions = tuple[Action, ...]


def failed(action: Action, reason: str) -> Broken | NextBroken | None:
    """Return the link's input for an action that failed, or None without a meaning.

    Args:
        action: the action that failed; the connection of the action counts as broken.
        reason: the reason of the failure, in words.
    """
    match action:
        case TellQuiet():
            return None  # the action is repeated while the connection brings no candle
        case OpenNext() | SubscribeNext() | DropNext() | Swap():
            return NextBroken()
        case _:
            return Broken(reason)
