"""What can happen to a link: the inputs of `supervision`. Pure."""

from __future__ import annotations

from typing import NamedTuple

from klinetail.errors import ExchangeError, RateLimited, Refused


class Start(NamedTuple):
    """Begin."""


class Admit(NamedTuple):
    """From now on it may subscribe."""


class Opened(NamedTuple):
    """Connected; these requests are to be sent."""

    requests: frozenset[int]


class Acked(NamedTuple):
    """A request was acked."""

    request: int


class Ponged(NamedTuple):
    """Our ping came back."""


class Broken(NamedTuple):
    """An attempt failed or a connection ended."""

    reason: str
    candles: int = 0
    wait: float = 0.0
    """Seconds that the exchange asks to wait at least."""
    error: Refused | None = None
    """Set where trying again as such makes no sense."""
    code: int | None = None
    """Of the close, if the server gave one."""
    where: str = ""
    """What was being done, with the address."""


class NextOpened(NamedTuple):
    """The second connection is open; these requests are to be sent."""

    requests: frozenset[int]


class NextAcked(NamedTuple):
    """One of its requests was acked."""

    request: int


class NextBroken(NamedTuple):
    """It failed or ended."""


class NextLater(NamedTuple):
    """It has to wait for its turn: other links are being renewed."""

    at: float


class Due(NamedTuple):
    """The time `Status.due` has come."""

    candles: int = 0
    """Over the connection so far."""
    next_candles: int = 0
    """Over the second connection so far."""


class Doubt(NamedTuple):
    """Somebody has reason to doubt that the connection lives: after a sleep."""


class Distrust(NamedTuple):
    """The connection lives and yet does not bring what it should."""

    reason: str
    where: str = ""


class Again(NamedTuple):
    """Some streams say nothing: they are to be subscribed once more."""

    streams: tuple[str, ...]
    reason: str = ""
    """Set if the user should know."""
    where: str = ""


class Served(NamedTuple):
    """Another link is live: the exchange serves this run."""


class Stop(NamedTuple):
    """End."""


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
    """What an event of the second connection means to the link."""
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
    """What a failed attempt to connect means to the link."""
    if isinstance(error, RateLimited):
        return Broken(error.cause, wait=error.retry_after, where=error.where)
    refused = error if isinstance(error, Refused) else None
    return Broken(error.cause, error=refused, where=error.where)
