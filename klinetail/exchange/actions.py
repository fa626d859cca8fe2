"""What a link is told to do: the actions that `supervision` decides on. Pure."""

from __future__ import annotations

from typing import NamedTuple

from klinetail.errors import Refused
from klinetail.events import LinkState
from klinetail.exchange.inputs import Broken, NextBroken


class Open(NamedTuple):
    """To do: connect."""


class Hangup(NamedTuple):
    """To do: drop every connection."""


class Ping(NamedTuple):
    """To do: send a ping of ours."""


class SubscribeAll(NamedTuple):
    """To do: subscribe everything."""


class Subscribe(NamedTuple):
    """To do: subscribe these, whose ack is not waited for."""

    streams: tuple[str, ...]


class OpenNext(NamedTuple):
    """To do: connect a second time."""


class SubscribeNext(NamedTuple):
    """To do: subscribe everything over the second connection."""


class DropNext(NamedTuple):
    """To do: drop the second connection."""


class Swap(NamedTuple):
    """To do: drop the first connection and go on with the second."""


class Tell(NamedTuple):
    """To do: report."""

    state: LinkState
    reason: str = ""
    failures: int = 0
    delay: float = 0.0
    where: str = ""
    patience: float = float("inf")
    """Seconds after which it gives up, if all attempts fail like the last one."""


class TellQuiet(NamedTuple):
    """To do: report that the connection lives and says nothing."""


class GiveUp(NamedTuple):
    """To do: report that there is no use in going on."""

    error: Refused


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
    """What it means to a link that an action could not be done: the connection that
    the action was about is broken; None if the action was about none."""
    match action:
        case TellQuiet():
            return None  # whoever looks into the silence is called again while it lasts
        case OpenNext() | SubscribeNext() | DropNext() | Swap():
            return NextBroken()
        case _:
            return Broken(reason)
