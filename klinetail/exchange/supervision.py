"""What a link does next: one state, one owner, a pure transition function.

Reconnects never end. The pause between attempts grows with the failures in a row,
with full jitter; it starts afresh only after candles have flowed for a while, since
a server that accepts and hangs up would otherwise be stormed.

A live connection that says nothing is asked: our ping must come back. What the server
sends of its own accord, its pings included, proves nothing about what it reads.

Before the exchange's 24 h are over a second connection is opened, and the first one is
closed only once candles come over the second.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, NamedTuple, assert_never

from klinetail.errors import Refused
from klinetail.events import LinkState

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for name, connection, TLS and handshake together."""

ACK_TIMEOUT: Final = 10.0
"""Seconds for the acks of all subscriptions."""

BACKOFF: Final = (0.5, 30.0)
"""Seconds: the bound of the first pause, and of the longest."""

STEADY: Final = 10.0
"""Seconds that candles must have flowed for the pauses to start afresh."""

QUIET: Final = 30.0
"""Seconds without a candle after which the other side is asked."""

LOOK: Final = 1.0
"""Seconds between two looks at whether candles came."""

FIRST_QUIET: Final = 2.5
"""The same for a connection that never brought one, and between the first of its
answers and the next while none comes: whoever looks into the silence sees soon."""

FIRST_ANSWERS: Final = 3
"""Answers in one silence that follow so soon upon one another."""

LATER_QUIET: Final = 10.0
"""Seconds between further ones, for a connection that never brought a candle."""

PING_TIMEOUT: Final = 5.0
"""Seconds for the answer."""

LIFETIME: Final = 23 * 3600.0 + 50 * 60.0
"""Seconds after which a connection is renewed at the latest; the exchange ends it
after 24 h."""

EARLY: Final = 60.0
"""Seconds that a connection which may not subscribe yet is kept for; one that is made
later costs a start little."""

OVERLAP: Final = 60.0
"""Seconds that two connections last at most while candles are awaited on the second;
those of quiet symbols may bring none."""

POLICY: Final = 1008
"""The close code for breaking a rule of the exchange."""

POLICY_LIMIT: Final = (3, 300.0, 60.0)
"""After so many closes for policy within so many seconds, wait so many at least."""


def backoff(failures: int, random: Callable[[], float]) -> float:
    """Seconds to wait after so many failures in a row, with full jitter."""
    base, most = BACKOFF
    return random() * min(most, base * float(2 ** min(failures, 16)))


def insistence(
    error: Exception | None, since: float | None, now: float
) -> tuple[float | None, float]:
    """Since when a run that has had no success yet has only been refused, and for how
    many seconds it still goes on trying: 0 or less if it has to give up.

    Args:
        error: what the last attempt failed with.
        since: what this function said before about the attempt before that.
        now: monotonic seconds.
    """
    if not isinstance(error, Refused):
        return None, float("inf")
    since = now if since is None else since
    return since, since + error.patience - now


class Renewal(enum.Enum):
    """How far the second connection is."""

    NONE = enum.auto()
    OPENING = enum.auto()
    ACKED = enum.auto()


class Status(NamedTuple):
    """All that a link knows about itself. Times are monotonic seconds."""

    state: LinkState = LinkState.IDLE
    failures: int = 0
    """In a row."""
    succeeded: bool = False
    """Whether it was ever live, or another link of the same run."""
    unacked: frozenset[int] = frozenset()
    """Requests; while early, those to be sent."""
    live_since: float = 0.0
    due: float = float("inf")
    """When `Due` is to come."""
    candles: int = 0
    """Over this connection, when last looked at."""
    quiet_at: float = float("inf")
    """When the silence has lasted too long, of the line or of our ping's answer."""
    pinged: bool = False
    """Whether our ping is under way."""
    answers: int = 0
    """To our pings, in the present silence."""
    renew_at: float = float("inf")
    renewal: Renewal = Renewal.NONE
    renewal_due: float = float("inf")
    policy: tuple[float, ...] = ()
    """When connections were closed for policy."""
    early: bool = False
    """Whether it has to wait for `Admit` before it subscribes to anything."""
    silent: bool = False
    """Whether it was told that this connection brings no candle."""
    refused_since: float | None = None
    """Since when every attempt has been refused, before the first success."""


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


def transition(
    status: Status,
    event: Input,
    now: float,
    random: Callable[[], float],
    lifetime: float = LIFETIME,
) -> tuple[Status, Actions]:
    """What a link becomes, and what is to be done, when something happens.

    Args:
        status: what it is.
        event: what happened.
        now: monotonic seconds.
        random: uniform in [0, 1).
        lifetime: seconds after which a connection is renewed at the latest.
    """
    if status.state is LinkState.STOPPED:
        return status, ()
    if isinstance(event, Stop):
        stopped = Status(LinkState.STOPPED, succeeded=status.succeeded)
        return stopped, (Hangup(), Tell(LinkState.STOPPED))
    if isinstance(event, Served):
        return status._replace(succeeded=True), ()
    if status.early:
        return _early(status, event, now, random)
    match status.state:
        case LinkState.IDLE | LinkState.WAITING:
            return _connecting(status, now) if connects(status, event) else (status, ())
        case LinkState.CONNECTING | LinkState.SUBSCRIBING:
            return _while_connecting(status, event, now, random, lifetime)
        case LinkState.LIVE:
            return _while_live(status, event, now, random, lifetime)
        case _:
            assert_never(status.state)


def connects(status: Status, event: Input) -> bool:
    """Whether what happens leads to an attempt to connect, which takes its turn."""
    match status.state:
        case LinkState.IDLE:
            return isinstance(event, Start) or (
                status.early and isinstance(event, Admit)
            )
        case LinkState.WAITING:
            return isinstance(event, Due)
        case _:
            return False


def _connecting(status: Status, now: float) -> tuple[Status, Actions]:
    connecting = status._replace(
        state=LinkState.CONNECTING, due=now + 2 * CONNECT_TIMEOUT
    )
    return connecting, (Tell(LinkState.CONNECTING, failures=status.failures), Open())


def _early(
    status: Status, event: Input, now: float, random: Callable[[], float]
) -> tuple[Status, Actions]:
    """Before it is known whether there is anything to subscribe to: one attempt to
    connect, of whose failure nobody hears, unless the exchange asks to be left alone.
    """
    connecting = status.state is LinkState.CONNECTING
    match event:
        case Admit():
            admitted = status._replace(early=False)
            if status.state is LinkState.IDLE:
                return _connecting(admitted, now)
            if status.unacked:
                return _subscribing(admitted, status.unacked, now)
            return admitted, ()
        case Start() if status.state is LinkState.IDLE:
            return _connecting(status, now)
        case Due() if status.state is LinkState.WAITING:
            return _connecting(status, now)
        case Opened(requests) if connecting:
            return status._replace(unacked=requests, due=now + EARLY), ()
        case Broken(wait=wait) if connecting and wait:
            # Whether it is refused for good shows once it counts.
            asked = event._replace(error=None)
            waiting, actions = _waiting(status, asked, now, random)
            return waiting._replace(early=True), actions
        case Broken() | Due() if connecting:
            again = Status(
                failures=status.failures, succeeded=status.succeeded, early=True
            )
            return again, (Hangup(), Tell(LinkState.IDLE))
        case _:
            return status, ()


def _subscribing(
    status: Status, requests: frozenset[int], now: float
) -> tuple[Status, Actions]:
    asked = status._replace(
        state=LinkState.SUBSCRIBING, unacked=requests, due=now + ACK_TIMEOUT
    )
    return asked, (Tell(LinkState.SUBSCRIBING), SubscribeAll())


def _while_connecting(
    status: Status,
    event: Input,
    now: float,
    random: Callable[[], float],
    lifetime: float,
) -> tuple[Status, Actions]:
    subscribing = status.state is LinkState.SUBSCRIBING
    match event:
        case Broken():
            return _waiting(status, event, now, random)
        case Due() if subscribing:
            reason = f"a subscription was not acked in {ACK_TIMEOUT:g} s"
            return _waiting(status, Broken(reason), now, random)
        case Due():
            return _waiting(status, Broken("no connection in time"), now, random)
        case Opened(requests) if not subscribing:
            return _subscribing(status, requests, now)
        case Acked(request) if subscribing:
            left = status.unacked - {request}
            if left:
                return status._replace(unacked=left), ()
            live = Status(
                LinkState.LIVE,
                status.failures,
                succeeded=True,
                live_since=now,
                quiet_at=now + FIRST_QUIET,
                renew_at=_renewal(now, random, lifetime),
                policy=status.policy,
            )
            return _scheduled(live, now), (Tell(LinkState.LIVE),)
        case _:
            return status, ()


def _renewal(now: float, random: Callable[[], float], lifetime: float) -> float:
    """Spread, so that the links of one start are not renewed at once."""
    return now + lifetime * (1 - random() / 50)


def _while_live(
    status: Status,
    event: Input,
    now: float,
    random: Callable[[], float],
    lifetime: float,
) -> tuple[Status, Actions]:
    match event:
        case Broken() if status.renewal is Renewal.ACKED:
            return _swapped(status, now, random, lifetime)
        case Broken():
            return _waiting(status, event, now, random)
        case Distrust(reason, where):
            broken = Broken(reason, status.candles, where=where)
            return _waiting(status, broken, now, random)
        case Again():
            silent = status.silent or bool(event.reason)
            return status._replace(silent=silent), _again(event)
        case Doubt() if not status.pinged:
            return _asking(status, now)
        case Ponged() if status.pinged:
            return _answered(status, now)
        case NextOpened(requests) if status.renewal is Renewal.OPENING:
            return status._replace(unacked=requests), (SubscribeNext(),)
        case NextAcked(request) if status.renewal is Renewal.OPENING:
            left = status.unacked - {request}
            if left:
                return status._replace(unacked=left), ()
            acked = status._replace(
                unacked=left, renewal=Renewal.ACKED, renewal_due=now + OVERLAP
            )
            return _scheduled(acked, now), ()
        case NextBroken() | NextLater() if status.renewal is not Renewal.NONE:
            return _renewal_put_off(status, event, now)
        case Due():
            return _live_due(status, event, now, random, lifetime)
        case _:
            return status, ()


def _scheduled(status: Status, now: float) -> Status:
    """Wake for whatever comes first, and to look whether candles came."""
    dues = [status.quiet_at, status.renew_at, status.renewal_due]
    if not status.pinged or status.renewal is Renewal.ACKED:
        dues.append(now + LOOK)
    return status._replace(due=min(dues))


def _asking(status: Status, now: float) -> tuple[Status, Actions]:
    asking = status._replace(pinged=True, quiet_at=now + PING_TIMEOUT)
    return _scheduled(asking, now), (Ping(),)


def _answered(status: Status, now: float) -> tuple[Status, Actions]:
    answers = status.answers + 1
    if answers < FIRST_ANSWERS:
        patience = FIRST_QUIET
    else:
        patience = QUIET if status.candles else LATER_QUIET
    calm = status._replace(pinged=False, quiet_at=now + patience, answers=answers)
    return _scheduled(calm, now), (TellQuiet(),)


def _again(again: Again) -> Actions:
    if not again.reason:
        return (Subscribe(again.streams),)
    tell = Tell(LinkState.LIVE, again.reason, 1, where=again.where)
    return Subscribe(again.streams), tell


def _live_due(
    status: Status,
    due: Due,
    now: float,
    random: Callable[[], float],
    lifetime: float,
) -> tuple[Status, Actions]:
    if due.candles != status.candles:
        # The last of them may have come right after the look before this one.
        quiet_at = now + QUIET - LOOK
        silent = status.silent
        status = status._replace(
            candles=due.candles,
            pinged=False,
            quiet_at=quiet_at,
            answers=0,
            silent=False,
        )
        if silent:
            heard, actions = _live_due(status, due, now, random, lifetime)
            return heard, (Tell(LinkState.LIVE, "candles come again"), *actions)
    if status.renewal is Renewal.ACKED and (
        due.next_candles or now >= status.renewal_due
    ):
        return _swapped(status, now, random, lifetime)
    if now >= status.renewal_due:
        return _renewal_put_off(status, due, now)
    if now >= status.renew_at:
        renewing = status._replace(
            renew_at=float("inf"),
            renewal=Renewal.OPENING,
            renewal_due=now + 2 * CONNECT_TIMEOUT + ACK_TIMEOUT,
        )
        return _scheduled(renewing, now), (OpenNext(),)
    if now < status.quiet_at:
        return _scheduled(status, now), ()
    if status.pinged:
        reason = f"the exchange did not answer our ping in {PING_TIMEOUT:g} s"
        return _waiting(status, Broken(reason), now, random)
    return _asking(status, now)


def _renewal_put_off(
    status: Status, event: NextBroken | NextLater | Due, now: float
) -> tuple[Status, Actions]:
    until = event.at if isinstance(event, NextLater) else now + OVERLAP
    put_off = status._replace(
        unacked=frozenset(),
        renewal=Renewal.NONE,
        renewal_due=float("inf"),
        renew_at=until,
    )
    return _scheduled(put_off, now), (DropNext(),)


def _swapped(
    status: Status, now: float, random: Callable[[], float], lifetime: float
) -> tuple[Status, Actions]:
    swapped = Status(
        LinkState.LIVE,
        status.failures,
        succeeded=True,
        live_since=now,
        quiet_at=now + QUIET,
        renew_at=_renewal(now, random, lifetime),
        policy=status.policy,
    )
    tell = Tell(LinkState.LIVE, "the connection was renewed")
    return _scheduled(swapped, now), (Swap(), tell)


def _waiting(
    status: Status, broken: Broken, now: float, random: Callable[[], float]
) -> tuple[Status, Actions]:
    refused_since, left = None, float("inf")
    if not status.succeeded:
        refused_since, left = insistence(broken.error, status.refused_since, now)
        if broken.error is not None and left <= 0:
            return Status(LinkState.STOPPED), (Hangup(), GiveUp(broken.error))
    steady = (
        status.state is LinkState.LIVE
        and broken.candles > 0
        and now - status.live_since >= STEADY
    )
    failures = 0 if steady else status.failures
    if broken.error is not None and status.succeeded:
        pause = BACKOFF[1]
    else:
        pause = min(left, backoff(failures, random))
    most, within, slow = POLICY_LIMIT
    policy = tuple(at for at in status.policy if at > now - within)
    reason = broken.reason
    if broken.code == POLICY:
        policy = (*policy, now)[-most:]
        if len(policy) == most:
            pause = max(pause, slow)
            reason = f"{reason} (for the {most}rd time: over a limit of the exchange?)"
    delay = max(broken.wait, pause)
    waiting = Status(
        LinkState.WAITING,
        failures + 1,
        status.succeeded,
        due=now + delay,
        policy=policy,
        refused_since=refused_since,
    )
    tell = Tell(LinkState.WAITING, reason, failures + 1, delay, broken.where, left)
    return waiting, (Hangup(), tell)
