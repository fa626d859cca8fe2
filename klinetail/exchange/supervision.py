"""The next steps of a link: one state, one owner, a pure transition function.

Reconnects never end. The pause between attempts grows with the failures in a row, with
full jitter. The pauses start afresh only after candles have flowed for a while: a
server that accepts connections and hangs up would otherwise be stormed.

A connection without candles is tested: the server has to answer our ping. Pings and
other messages of the server do not prove that the server still reads.

A second connection is opened before the exchange's 24 h are over. The first connection
is closed only once candles come over the second connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from klinetail.events import LinkState
from klinetail.exchange.actions import (
    Actions,
    DropNext,
    GiveUp,
    Hangup,
    Open,
    OpenNext,
    Ping,
    Subscribe,
    SubscribeAll,
    SubscribeNext,
    Swap,
    Tell,
    TellQuiet,
)
from klinetail.exchange.backoff import BACKOFF, backoff, insistence
from klinetail.exchange.inputs import (
    Acked,
    Admit,
    Again,
    Broken,
    Distrust,
    Doubt,
    Due,
    Input,
    NextAcked,
    NextBroken,
    NextLater,
    NextOpened,
    Opened,
    Ponged,
    Served,
    Start,
    Stop,
)
from klinetail.exchange.status import (
    ACK_TIMEOUT,
    CONNECT_TIMEOUT,
    EARLY,
    FIRST_ANSWERS,
    FIRST_QUIET,
    LATER_QUIET,
    LIFETIME,
    LOOK,
    OVERLAP,
    PING_TIMEOUT,
    POLICY,
    POLICY_LIMIT,
    QUIET,
    STEADY,
    Renewal,
    Status,
)


def transition(
    status: Status,
    event: Input,
    now: float,
    random: Callable[[], float],
    lifetime: float = LIFETIME,
) -> tuple[Status, Actions]:
    """Return the new status of a link after an input, and the actions to do.

    Args:
        status: the status of the link.
        event: the input.
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
    """Return whether an input leads to an attempt to connect."""
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
    """Begin an attempt to connect."""
    connecting = status._replace(
        state=LinkState.CONNECTING, due=now + 2 * CONNECT_TIMEOUT
    )
    return connecting, (Tell(LinkState.CONNECTING, failures=status.failures), Open())


def _early(
    status: Status, event: Input, now: float, random: Callable[[], float]
) -> tuple[Status, Actions]:
    """Return the step of a link that may not subscribe yet.

    The link tries to connect once. A failure is not reported, unless the exchange asks
    for a pause.
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
            # Whether the refusal is final shows once the link may subscribe.
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
    """Begin to subscribe to every stream."""
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
            return live.scheduled(now), (Tell(LinkState.LIVE),)
        case _:
            return status, ()


def _renewal(now: float, random: Callable[[], float], lifetime: float) -> float:
    """Return the time of the next renewal, spread over the links of one start."""
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
            return acked.scheduled(now), ()
        case NextBroken() | NextLater() if status.renewal is not Renewal.NONE:
            return _renewal_put_off(status, event, now)
        case Due():
            return _live_due(status, event, now, random, lifetime)
        case _:
            return status, ()


def _asking(status: Status, now: float) -> tuple[Status, Actions]:
    """Send a ping and wait for the answer."""
    asking = status._replace(pinged=True, quiet_at=now + PING_TIMEOUT)
    return asking.scheduled(now), (Ping(),)


def _answered(status: Status, now: float) -> tuple[Status, Actions]:
    """Take note of the answer to our ping, and plan the next ping."""
    answers = status.answers + 1
    if answers < FIRST_ANSWERS:
        pause = FIRST_QUIET
    else:
        pause = QUIET if status.candles else LATER_QUIET
    calm = status._replace(pinged=False, quiet_at=now + pause, answers=answers)
    return calm.scheduled(now), (TellQuiet(),)


def _again(again: Again) -> Actions:
    """Return the actions for streams that have to be subscribed to once more."""
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
        # The last candle may have come right after the last look.
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
        return renewing.scheduled(now), (OpenNext(),)
    if now < status.quiet_at:
        return status.scheduled(now), ()
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
    return put_off.scheduled(now), (DropNext(),)


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
    return swapped.scheduled(now), (Swap(), tell)


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
