"""Deadlines: only what is due is taken, and nothing that is due is left."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Stream
from klinetail.clock import Moment
from klinetail.collector.deadlines import Deadlines
from klinetail.contract.close import GRACE
from klinetail.contract.series import Series
from tests.contract.minutes import STREAM, T0, candle

ALL = 10_000


class Named(Series):
    """A series whose deadlines are what they are said to be."""

    local = math.inf
    exchange = math.inf

    def due(self, now: Moment) -> float:
        return self.local

    def exchange_due(self, now: Moment) -> float:
        return self.exchange


def begun(number: int, now: Moment) -> list[Series]:
    found = [Series(Stream(f"S{n}USDT", STREAM.interval)) for n in range(number)]
    for one in found:
        one.begin(now)
    return found


def test_nothing_is_due_of_nothing() -> None:
    deadlines = Deadlines([])
    assert deadlines.exchange_due == math.inf
    assert deadlines.left(Moment(T0, 0.0)) == math.inf
    assert deadlines.take(Moment(T0, 0.0), ALL) == []


def test_the_end_of_a_minute_makes_all_due_at_once_a_few_at_a_time() -> None:
    now = Moment(T0 + 1000, 1.0)
    series = begun(10, now)
    deadlines = Deadlines(series)
    assert [deadlines.file(one, now) for one in series] == [True] + [False] * 9
    assert deadlines.exchange_due == T0 + MINUTE
    assert deadlines.left(now) == 59.0
    end = Moment(T0 + MINUTE, 60.0)
    assert deadlines.take(Moment(T0 + MINUTE - 1, 59.9), ALL) == []
    taken: list[Series] = []
    while deadlines.left(end) <= 0:
        some = deadlines.take(end, 4)
        assert len(some) <= 4
        taken += some
    assert taken == series
    assert not any(deadlines.files(one) for one in series)


def test_an_accepted_close_leaves_its_deadline_where_it_was() -> None:
    now = Moment(T0 + 1000, 1.0)
    (one,) = begun(1, now)
    deadlines = Deadlines([one])
    deadlines.file(one, now)
    end = Moment(T0 + MINUTE, 60.0)
    deadlines.take(end, ALL)
    one.tick(end)
    deadlines.file(one, end)
    assert deadlines.exchange_due == T0 + MINUTE + GRACE
    after = Moment(T0 + MINUTE + 500, 60.5)
    one.accept(candle(T0, 3, stream=one.stream), after)
    assert deadlines.files(one)
    assert deadlines.file(one, after) is False
    assert deadlines.exchange_due == T0 + MINUTE + GRACE
    late = Moment(T0 + MINUTE + GRACE, 63.0)
    assert deadlines.take(late, ALL) == [one]
    deadlines.file(one, late)
    assert deadlines.exchange_due == T0 + 2 * MINUTE


def test_a_fast_exchange_is_due_by_its_own_clock() -> None:
    now = Moment(T0 + 1000, 1.0)
    (one,) = begun(1, now)
    deadlines = Deadlines([one])
    deadlines.file(one, now)
    assert deadlines.take(Moment(T0 + MINUTE, 1.1), ALL) == [one]


def test_an_estimate_that_wavers_is_not_filed_again() -> None:
    one = Named(STREAM)
    deadlines = Deadlines([one])
    now = Moment(T0, 0.0)
    one.local = 10.0
    assert deadlines.file(one, now) is True
    one.local = 9.99
    assert deadlines.file(one, now) is False
    assert deadlines.left(now) == 10.0
    one.local = 9.9
    assert deadlines.file(one, now) is True
    assert deadlines.left(now) == 9.9
    assert deadlines.take(Moment(T0, 10.0), ALL) == [one]
    assert deadlines.take(Moment(T0, 10.0), ALL) == [], "the later one counts no more"


TIMES = st.one_of(st.integers(0, 100).map(float), st.just(math.inf))


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 4), TIMES, TIMES, st.integers(0, 20)), max_size=60
    )
)
def test_whoever_is_due_is_taken_as_soon_as_it_is(
    steps: list[tuple[int, float, float, int]],
) -> None:
    series = [Named(Stream(f"S{n}USDT", STREAM.interval)) for n in range(5)]
    deadlines = Deadlines(series)
    now = Moment(0, 0.0)
    for number, local, exchange, passed in steps:
        one = series[number]
        one.local, one.exchange = local, exchange
        deadlines.file(one, now)
        now = Moment(now.exchange + passed, now.monotonic + passed / 2)
        taken = []
        while deadlines.left(now) <= 0:
            taken += deadlines.take(now, 2)
        assert len(set(taken)) == len(taken)
        for other in series:
            due = other.local <= now.monotonic or other.exchange <= now.exchange
            assert not due or other in taken
            if other in taken:
                other.local = other.exchange = math.inf
                deadlines.file(other, now)


def test_what_moved_takes_no_place_for_ever() -> None:
    """A gap that cannot be filled is tried twice a minute, for a month."""
    series = [Named(STREAM) for _ in range(3)]
    for one in series:
        one.local, one.exchange = 10_000.0, T0 + 10**9
    deadlines = Deadlines(series)
    tried = series[1]
    for second in range(1000):
        tried.local = float(second)
        for one in series:
            deadlines.file(one, Moment(T0, second - 0.5))
        assert deadlines.take(Moment(T0, float(second)), ALL) == [tried]
    assert len(deadlines._local) + len(deadlines._exchange) <= 2 * 4 * len(series)
    assert set(deadlines.take(Moment(T0, 10_000.0), ALL)) == {series[0], series[2]}


def test_while_event_times_are_ahead_nothing_is_looked_at_again_and_again() -> None:
    """Exchange time stands still until `/time` is where they are."""
    series = Series(STREAM)
    series.begin(Moment(T0, 0.0))
    deadlines = Deadlines([series])
    ahead = Moment(T0 + MINUTE - 1, 20.0, ahead=40_000, still=40_000)
    deadlines.file(series, ahead)
    assert deadlines.left(ahead) == pytest.approx(40.001)
    assert series.due(ahead) == pytest.approx(60.001)
