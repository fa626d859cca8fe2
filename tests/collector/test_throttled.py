"""The REST side that keeps account, and keeps away while it is to."""

from __future__ import annotations

import pytest

from klinetail.collector.throttled import ThrottledRest
from klinetail.errors import ExchangeError, RateLimited, Unreachable
from klinetail.protocol.venues import LIVE
from tests.collector.collecting import BTC, START, FakeRest


class Throttled:
    """One, what it reports, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[int] = []
        self.used: list[int | None] = []
        self.inner = FakeRest()
        self.rest = ThrottledRest(
            self.inner,
            LIVE.limits,
            lambda: self.now,
            self.sent.append,
            self.used.append,
        )


def test_every_request_is_accounted_for_by_its_weight() -> None:
    throttled = Throttled()
    throttled.inner.used_weight = 42
    assert throttled.rest.server_time() == START
    for limit in (1, 100, 101, 499):
        throttled.rest.klines(BTC, limit=limit)
    throttled.rest.listings()
    assert throttled.sent == [1, 1, 1, 2, 2, 1]
    assert throttled.used == [42] * 6
    assert throttled.rest.used_weight == 42


def test_one_that_fails_was_sent_all_the_same() -> None:
    throttled = Throttled()
    throttled.inner.failure = Unreachable("no answer")
    with pytest.raises(Unreachable):
        throttled.rest.server_time()
    assert (throttled.sent, throttled.used) == ([1], [None])


def test_whatever_else_is_raised_comes_out_as_what_may_be_raised() -> None:
    """No thread to be had for the name's lookup, say: who asks would end in silence."""
    throttled = Throttled()
    throttled.inner.failure = RuntimeError("can't start new thread")
    with pytest.raises(ExchangeError, match="can't start new thread"):
        throttled.rest.server_time()
    assert (throttled.sent, throttled.used) == ([1], [None])


def test_while_it_is_to_wait_nothing_is_sent() -> None:
    throttled = Throttled()
    throttled.inner.failure = RateLimited("slow down", 30.0)
    with pytest.raises(RateLimited):
        throttled.rest.server_time()
    throttled.inner.failure = None
    throttled.now += 29.0
    with pytest.raises(RateLimited, match="slow down") as caught:
        throttled.rest.klines(BTC, limit=1)
    assert caught.value.retry_after == 1.0
    assert throttled.sent == [1]
    throttled.now += 1.0
    assert throttled.rest.klines(BTC, limit=2) == []
    assert throttled.sent == [1, 1]


def test_closing_closes() -> None:
    throttled = Throttled()
    throttled.rest.close()
    assert throttled.inner.closed
