"""The table of `attempts`: what each event resets; and how the pauses grow."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from klinetail.clock import Moment
from klinetail.contract.attempts import RETRY, Attempts

NOW = Moment(1_700_000_000_000, 1_000.0)
FIELDS = ("failing_since", "failures", "denied_since", "retry_at", "ask_from")

Event = Callable[[Attempts], None]

EVENTS: dict[str, Event] = {
    "moved_on": Attempts.moved_on,
    "delivered": Attempts.delivered,
    "line_up": Attempts.line_up,
    "line_up, holding": lambda attempts: attempts.line_up(holding=True),
    "failed": lambda attempts: attempts.failed("HTTP 503", NOW),
    "answered": Attempts.answered,
    "young": lambda attempts: attempts.young(77),
    "lacking": lambda attempts: attempts.lacking(NOW, later=False),
    "lacking, with later ones": lambda attempts: attempts.lacking(NOW, later=True),
}

TABLE = {
    # event: failing since, failures, denied since, retry at, ask from
    "moved_on": (900.0, 3, None, 950.0, 0),
    "delivered": (None, 0, 910.0, 950.0, 55),
    "line_up": (None, 0, None, -math.inf, 55),
    "line_up, holding": (900.0, 0, None, -math.inf, 55),
    "failed": (900.0, 4, None, 1_008.0, 55),
    "answered": (None, 3, 910.0, 950.0, 55),
    "young": (900.0, 3, None, 950.0, 77),
    "lacking": (900.0, 4, 910.0, 1_008.0, 55),
    "lacking, with later ones": (900.0, 4, None, 1_008.0, 55),
}


def test_at_first_everything_may_be_asked() -> None:
    attempts = Attempts()
    assert attempts.allowed(NOW._replace(exchange=0, monotonic=-1e9))
    assert (attempts.failures, attempts.reason) == (0, "")
    assert attempts.failing_since is attempts.denied_since is None
    assert not hasattr(attempts, "__dict__"), "the whole market has 11,800 of them"


def state(attempts: Attempts) -> tuple[object, ...]:
    return tuple(getattr(attempts, name) for name in FIELDS)


@pytest.mark.parametrize("event", EVENTS)
def test_what_each_event_resets(event: str) -> None:
    attempts = Attempts()
    for name, value in zip(FIELDS, (900.0, 3, 910.0, 950.0, 55), strict=True):
        setattr(attempts, name, value)
    EVENTS[event](attempts)
    assert state(attempts) == TABLE[event]


@pytest.mark.parametrize("event", EVENTS)
def test_what_each_event_sets_first(event: str) -> None:
    attempts = Attempts()
    assert state(attempts) == (None, 0, None, -math.inf, 0)
    EVENTS[event](attempts)
    failing = 1_000.0 if event == "failed" else None
    denied = 1_000.0 if event == "lacking" else None
    assert (attempts.failing_since, attempts.denied_since) == (failing, denied)
    assert attempts.reason == ("HTTP 503" if event == "failed" else "")


def test_the_pauses_grow_to_thirty_seconds_and_no_further() -> None:
    assert RETRY == (1.0, 30.0)
    attempts = Attempts()
    pauses = []
    for number in range(2_000):
        if number % 2:
            attempts.failed("HTTP 503", NOW)
        else:
            attempts.lacking(NOW, later=True)
        pauses.append(attempts.retry_at - NOW.monotonic)
    assert pauses == [1, 2, 4, 8, 16] + [30] * 1_995


def test_the_exchange_may_ask_for_a_longer_pause() -> None:
    attempts = Attempts()
    attempts.failed("HTTP 429", NOW, 0.5)
    assert attempts.retry_at == 1_001.0
    attempts.failed("HTTP 429", NOW, 60.0)
    assert attempts.retry_at == 1_060.0


def test_a_pause_ends_when_it_is_to_be_asked_in_any_case() -> None:
    for until, retry_at in ((999.0, 1_008.0), (1_000.0, 1_008.0), (1_003.0, 1_003.0)):
        attempts = Attempts()
        attempts.failures = 3
        attempts.lacking(NOW, later=True, until=until)
        assert attempts.retry_at == retry_at


def test_it_is_allowed_by_both_clocks_or_not() -> None:
    attempts = Attempts()
    assert attempts.allowed(NOW)
    attempts.failed("HTTP 503", NOW)
    assert not attempts.allowed(NOW._replace(monotonic=1_000.9))
    assert attempts.allowed(NOW._replace(monotonic=1_001.0))
    attempts.young(NOW.exchange + 5)
    late = Moment(NOW.exchange + 5, 1_001.0)
    assert attempts.allowed(late)
    assert not attempts.allowed(late._replace(exchange=NOW.exchange + 4))
