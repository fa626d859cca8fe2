"""Retry: how often and how long, and what ends it."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.collector.retry import retry
from klinetail.errors import BadMessage, RateLimited, Refused, Unreachable
from klinetail.events import REST, LinkEvent, LinkState
from tests.collector.passing import Time
from tests.venue import PATIENCE

FAILURES = st.one_of(
    st.just(Unreachable("no route")),
    st.just(BadMessage("a page of HTML")),
    st.floats(0, 100).map(lambda wait: RateLimited("slow", wait)),
)


def asked(failures, patience, fraction):
    """The answer, or the error that ended it, the time, and what was told."""
    time, told, left = Time(), [], list(failures)

    def ask():
        if left:
            raise left.pop(0)
        return "answer"

    try:
        answer = retry(
            ask, now=lambda: time.now, random=lambda: fraction, patience=patience,
            stopping=time, tell=told.append,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - it is looked at
        answer = error
    return answer, time, told


@given(
    st.lists(FAILURES, max_size=12),
    st.floats(0, 300),
    st.floats(0, 1, exclude_max=True),
)
def test_it_asks_until_there_is_an_answer_or_patience_ends(
    failures, patience, fraction
):
    answer, time, told = asked(failures, patience, fraction)
    for failure, pause in zip(failures, time.pauses, strict=False):
        assert pause >= getattr(failure, "retry_after", 0.0)
        assert pause <= max(30.0, getattr(failure, "retry_after", 0.0))
    assert time.now - 50.0 <= patience + 1e-6
    states = [event.state for event in told]
    if answer == "answer":
        assert len(time.pauses) == len(failures)
        assert states == [LinkState.WAITING] * len(failures) + [LinkState.IDLE] * bool(
            failures
        )
    else:
        assert answer is failures[len(time.pauses)]
        assert states == [LinkState.WAITING] * len(time.pauses)


def test_who_is_refused_asks_no_more():
    answer, time, told = asked([Unreachable("no"), Refused("no")], 1e9, 0.5)
    assert isinstance(answer, Refused)
    assert len(time.pauses) == len(told) == 1


def test_who_is_stopped_asks_no_more():
    time = Time()
    time.set()
    answer = retry(
        lambda: pytest.fail("asked"), now=lambda: 0.0, random=lambda: 0.5,
        patience=1.0, stopping=time, tell=print,
    )  # fmt: skip
    assert answer is None


def test_a_slow_answer_is_told_of_while_it_is_awaited():
    told, asked = [], threading.Event()

    def tell(event):
        told.append(event)
        asked.set()

    answer = retry(
        lambda: asked.wait(PATIENCE),
        now=time.monotonic,
        random=lambda: 0.0,
        patience=60.0,
        stopping=threading.Event(),
        tell=tell,
        under_way=lambda: ("looking up the name", "asking https://slow.example"),
    )
    assert answer
    assert told == [
        LinkEvent(
            REST,
            LinkState.CONNECTING,
            "still looking up the name",
            where="asking https://slow.example",
        ),
        LinkEvent(REST, LinkState.IDLE),
    ]
