"""The inputs of `supervision`: the events in the life of a link. Pure."""

from __future__ import annotations

from typing import NamedTuple

from klinetail.errors import ExchangeError, RateLimited, Refused


class Start(NamedTuple):
    """The link has to begin."""


class Admit(NamedTuple):
    """The link may subscribe from now on."""


class Opened(NamedTuple):
    """The connection is open."""

    requests: frozenset[int]
    """The numbers of the requests to send."""


class Acked(NamedTuple):
    """The exchange has acked a request."""

    request: int
    """The number of the request."""


class Ponged(NamedTuple):
    """The exchange has answered our ping."""


class Broken(NamedTuple):
    """An attempt failed, or the connection ended."""

    reason: str
    """The reason, in words."""
    candles: int = 0
    """The number of candles that the connection brought."""
    wait: float = 0.0
    """The least number of seconds to wait, if the exchange has named a number."""
    error: Refused | None = None
    """The refusal, if the exchange has refused the attempt."""
    code: int | None = None
    """The code of the server's close frame, or None."""
    where: str = ""
    """The operation that failed, with the address."""


class NextOpened(NamedTuple):
    """The second connection is open."""

    requests: frozenset[int]
    """The numbers of the requests to send."""


class NextAcked(NamedTuple):
    """The exchange has acked a request on the second connection."""

    request: int
    """The number of the request."""


class NextBroken(NamedTuple):
    """The second connection failed or ended."""


class NextLater(NamedTuple):
    """The renewal has to wait: other links are being renewed."""

    at: float
    """The earliest time of the renewal, monotonic seconds."""


class Due(NamedTuple):
    """The time `Status.due` has come."""

    candles: int = 0
    """The number of candles that the connection brought."""
    next_candles: int = 0
    """The number of candles that the second connection brought."""


class Doubt(NamedTuple):
    """The connection may be dead: the machine slept, for example."""


class Distrust(NamedTuple):
    """The connection lives, but candles that should come are missing."""

    reason: str
    """The reason for connecting anew, in words."""
    where: str = ""
    """The operation, with the address."""


class Again(NamedTuple):
    """Some streams bring nothing and have to be subscribed to once more."""

    streams: tuple[str, ...]
    """The names of the streams on the wire."""
    reason: str = ""
    """The reason to report, in words; empty if the user need not know."""
    where: str = ""
    """The operation, with the address."""


class Served(NamedTuple):
    """Another link of the run is live: the exchange serves this run."""


class Stop(NamedTuple):
    """The link has to end."""


Input = (
    Start
    | Admit
    | Opened
    | Acked
    | Ponged
    | Broken
    | NextOpened
    | NextAcked
    | NextBroken
    | NextLater
    | Due
    | Doubt
    | Distrust
    | Again
    | Served
    | Stop
)


def of_second(event: Input) -> Input | None:
    """Return the link's input for an input from the second connection, or None."""
    match event:
        case Opened(requests):
            return NextOpened(requests)
        case Acked(request):
            return NextAcked(request)
        case Broken():
            return NextBroken()
        case _:
            return None


def broken_by(error: ExchangeError) -> Broken:
    """Return the link's input for an attempt to connect that failed."""
    if isinstance(error, RateLimited):
        return Broken(error.cause, wait=error.retry_after, where=error.where)
    refused = error if isinstance(error, Refused) else None
    return Broken(error.cause, error=refused, where=error.where)
