"""What each answer that is none does to a run: REST and the WebSocket's handshake side
by side, before the first success of the run and after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import cycle, pairwise, repeat
from typing import NamedTuple

import pytest

from klinetail.clock import Moment
from klinetail.collector.retry import retry
from klinetail.contract.attempts import RETRY
from klinetail.contract.series import Series
from klinetail.errors import (
    FORBIDDEN,
    ExchangeError,
    Forbidden,
    Refused,
    Unavailable,
    Unreachable,
)
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.actions import GiveUp, Tell
from klinetail.exchange.backoff import BACKOFF
from klinetail.exchange.inputs import Due, Served, broken_by
from klinetail.exchange.status import Status
from klinetail.exchange.supervision import transition
from klinetail.protocol.rest_errors import error_of
from tests.collector.passing import Time
from tests.strategies import BTCUSDT_1M

HOUR = 3600.0
HTML = b"<html>Attention Required!</html>"
NEVER = math.inf


class Row(NamedTuple):
    """What becomes of a run that gets this answer again and again."""

    status: int
    body: bytes
    before: float
    """Seconds after which it ends, if it has had no success yet."""
    asked: float = 0.0
    """Seconds that the exchange asks to be left alone for."""


TABLE = [
    Row(200, HTML, NEVER),
    Row(202, b"", NEVER),
    Row(204, b"", NEVER),
    Row(302, HTML, 0.0),
    Row(400, b'{"code":-1102,"msg":"Mandatory parameter"}', 0.0),
    Row(401, b"", 0.0),
    Row(403, HTML, FORBIDDEN),
    Row(403, b'{"code":-7,"msg":"not from here"}', FORBIDDEN),
    Row(404, b'{"msg":"not found"}', 0.0),
    Row(404, HTML, 0.0),
    Row(408, b"", NEVER),
    Row(418, b'{"code":-1003,"msg":"banned"}', NEVER, 77.0),
    Row(425, b"", NEVER),
    Row(429, b'{"code":-1003,"msg":"too many"}', NEVER, 7.0),
    Row(451, b'{"code":0,"msg":"restricted location"}', 0.0),
    Row(500, HTML, NEVER),
    Row(502, HTML, NEVER),
    Row(503, b'{"code":-1016,"msg":"no longer available"}', NEVER),
    Row(504, HTML, NEVER),
    Row(522, HTML, NEVER),
]


class Course(NamedTuple):
    """How it went."""

    ended: float
    """Seconds after the first answer; infinite if it still went on after an hour."""
    pauses: list[float]
    """Seconds between the attempts."""
    told: list[float]
    """Seconds for which it was said each time that it would go on."""


def failure(row: Row) -> ExchangeError:
    """What an attempt that is answered so fails with. Of a 200 that is no answer, REST
    says that it is no JSON, and the handshake that no WebSocket is there."""
    wait = f"{row.asked:.0f}" if row.asked else None
    error = error_of(row.status, row.body, retry_after=wait, server_time=None)
    return error or Unreachable("the server offers no WebSocket")


def by_rest(failures: Iterable[ExchangeError], *, answered: bool = False) -> Course:
    """Asking, over and over; each attempt fails with the next of these."""
    time, left, told = Time(), iter(failures), []
    began = time.now

    def ask() -> None:
        raise next(left)

    def tell(event: LinkEvent) -> None:
        told.append(event.patience)
        if time.now >= began + HOUR:
            time.set()

    try:
        retry(
            ask, now=lambda: time.now, random=lambda: 0.5, patience=math.inf,
            stopping=time, tell=tell, answered=answered,
        )  # fmt: skip
    except ExchangeError:
        return Course(time.now - began, time.pauses, told)
    return Course(NEVER, time.pauses, told)


def by_handshake(
    failures: Iterable[ExchangeError], *, answered: bool = False
) -> Course:
    """Connecting, over and over; the same."""
    now, pauses, told = 0.0, [], []
    status = Status(LinkState.CONNECTING)
    if answered:
        status, _ = transition(status, Served(), now, lambda: 0.5)
    for error in failures:
        status, actions = transition(status, broken_by(error), now, lambda: 0.5)
        if isinstance(actions[-1], GiveUp):
            return Course(now, pauses, told)
        assert isinstance(actions[-1], Tell)
        assert actions[-1].delay == status.due - now
        told.append(actions[-1].patience)
        if now >= HOUR:
            break
        pauses.append(status.due - now)
        now = status.due
        status, _ = transition(status, Due(), now, lambda: 0.5)
    return Course(NEVER, pauses, told)


SIDES = pytest.mark.parametrize("side", [by_rest, by_handshake])
EACH = pytest.mark.parametrize(
    "row", TABLE, ids=lambda row: f"{row.status} {row.body[:6]!r}"
)


@EACH
@SIDES
def test_before_the_first_success(side: Callable[..., Course], row: Row) -> None:
    course = side(repeat(failure(row)))
    assert course.ended == pytest.approx(row.before)
    assert min(course.pauses, default=row.asked) >= row.asked
    if row.before == FORBIDDEN:
        assert 4 <= len(course.pauses) <= 12, "it is tried again, ever more slowly"
        left = [FORBIDDEN - sum(course.pauses[:n]) for n in range(len(course.told))]
        assert course.told == pytest.approx(left), (
            "it is said at once, and for how long"
        )
    else:
        assert set(course.told) <= {NEVER}


@EACH
@SIDES
def test_after_the_first_success_nothing_ends(
    side: Callable[..., Course], row: Row
) -> None:
    course = side(repeat(failure(row)), answered=True)
    assert course.ended == NEVER
    assert set(course.told) == {NEVER}
    assert min(course.pauses) >= row.asked
    if row.before < NEVER:
        assert set(course.pauses) == {BACKOFF[1]}


@EACH
def test_a_fetch_is_tried_again_too(row: Row) -> None:
    """Sooner at first than a connection is, since what waits for it is given up after
    the hold, and as slowly in the end."""
    series, now, tries = Series(BTCUSDT_1M, lines=3), 0.0, []
    begun, error = 1_760_000_000_000, failure(row)
    series.begin(Moment(begun, now))
    while now < HOUR:
        moment = Moment(begun + int(now * 1000), now)
        assert series.take_wish(moment) is not None
        tries.append(now)
        series.fail(str(error), moment, getattr(error, "retry_after", 0.0))
        now = series.due(moment)
    pauses = [b - a for a, b in pairwise(tries)]
    expected = [max(row.asked, min(RETRY[1], 2.0**n)) for n in range(len(pauses))]
    assert pauses == pytest.approx(expected)


@SIDES
def test_what_is_refused_now_and_then_only_is_not_given_up(
    side: Callable[..., Course],
) -> None:
    course = side(cycle([Forbidden("no"), Unavailable("503")]))
    assert course.ended == NEVER


@SIDES
def test_an_outage_before_does_not_shorten_the_trial(
    side: Callable[..., Course],
) -> None:
    outage = [Unreachable("no route")] * 20
    course = side([*outage, *[Forbidden("no")] * 99])
    assert course.ended == pytest.approx(sum(course.pauses[:20]) + FORBIDDEN)


@SIDES
def test_what_will_never_work_ends_the_trial(side: Callable[..., Course]) -> None:
    course = side([Forbidden("no"), Forbidden("no"), Refused("451"), Forbidden("no")])
    assert len(course.pauses) == 2
    assert course.ended < FORBIDDEN
