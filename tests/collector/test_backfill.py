"""The queue of requests: what goes first, and that what is sent is what is spent."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Candle, Source
from klinetail.clock import Moment
from klinetail.collector.backfill import WORKERS, Backfill, Urgency, weight_of
from klinetail.collector.budget import Budget
from klinetail.contract.series import Series
from klinetail.protocol.venues import LIVE
from tests.collector.spending import spend_all
from tests.strategies import BTCUSDT_1M

PATIENCE = 60.0
LIMITS = LIVE.limits
START = 1_760_000_000_000 - 1_760_000_000_000 % MINUTE + 40_000


class Time:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make(time: Time) -> Iterator[Callable[..., Backfill]]:
    made: list[Backfill] = []

    def make(budget: Budget | None = None, workers: int = WORKERS) -> Backfill:
        made.append(Backfill(budget or Budget(), time, workers))
        return made[-1]

    yield make
    for backfill in made:
        for thread in backfill.stop():
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_the_urgent_go_first_and_otherwise_who_came_first(
    make: Callable[..., Backfill],
) -> None:
    backfill = make(workers=1)
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    for urgency, name in [
        (Urgency.LATE, "f"),
        (Urgency.HISTORY, "d"),
        (Urgency.LIVE, "b"),
        (Urgency.HISTORY, "e"),
        (Urgency.TIME, "a"),
        (Urgency.LIVE, "c"),
    ]:
        backfill.put(urgency, 1, lambda name=name: done.put(name))
    backfill.start()
    assert [done.get(timeout=PATIENCE) for _ in range(6)] == list("abcdef")


def test_what_is_on_its_way_is_not_there_for_others(
    make: Callable[..., Backfill], time: Time
) -> None:
    """Until it is sent nobody knows what it weighs; as much as was said is kept."""
    budget = Budget()
    budget.spend(int(budget.per_minute * 0.25) - 10, time.now)
    backfill = make(budget)
    began, go = threading.Semaphore(0), threading.Event()

    def job() -> None:
        began.release()
        go.wait(PATIENCE)
        backfill.sent(5)

    for _ in range(3):
        backfill.put(Urgency.LIVE, 5, job)
    backfill.start()
    assert began.acquire(timeout=PATIENCE)
    assert began.acquire(timeout=PATIENCE)
    assert not began.acquire(timeout=0.2)
    go.set()
    assert not began.acquire(timeout=0.2), "both were sent: nothing is left"
    time.now += 60.0
    backfill.put(Urgency.LATE, 1, lambda: None)
    assert began.acquire(timeout=PATIENCE)


def test_one_that_had_no_need_to_be_sent_costs_nothing(
    make: Callable[..., Backfill],
) -> None:
    backfill = make()
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(1000):
        backfill.put(Urgency.LIVE, 2, lambda number=number: done.put(number))
    backfill.start()
    for _ in range(1000):
        done.get(timeout=PATIENCE)


def test_what_is_sent_from_elsewhere_is_not_taken_for_others(
    make: Callable[..., Backfill], time: Time
) -> None:
    budget, free = Budget(), Budget()
    backfill = make(budget)
    for _ in range(50):
        backfill.sent(2)
        free.spend(2, time.now)
    backfill.observe(100)
    backfill.observe(None)
    assert budget.delay(60, time.now) == free.delay(60, time.now)


def test_stopped_it_forgets_what_is_queued(make: Callable[..., Backfill]) -> None:
    backfill = make(workers=1)
    began, go = threading.Event(), threading.Event()
    late: list[int] = []

    def job() -> None:
        began.set()
        go.wait(PATIENCE)

    backfill.put(Urgency.TIME, 1, job)
    backfill.put(Urgency.TIME, 1, lambda: late.append(1))
    backfill.start()
    assert began.wait(PATIENCE)
    (thread,) = backfill.stop()
    go.set()
    thread.join(PATIENCE)
    assert late == []


def test_one_that_cannot_be_afforded_yet_keeps_no_urgent_one_waiting():
    """Thousands of histories wait for weight; then a close is late."""
    budget = Budget(0.2)
    now = [0.0]
    spend_all(budget, [1] * 120, start=0.0)
    backfill = Backfill(budget, lambda: now[0], workers=2)
    done = queue.Queue()
    for number in range(3_000):
        backfill.put(Urgency.HISTORY, 1, lambda number=number: done.put(number))
    backfill.start()

    def live():
        backfill.sent(1)
        done.put("live")

    backfill.put(Urgency.LIVE, 1, live)
    now[0] = 0.2  # of weight there is one
    backfill.observe(None)
    backfill.put(Urgency.LATE, 1, lambda: done.put("late"))
    assert done.get(timeout=PATIENCE) == "live"
    assert done.empty()
    for thread in backfill.stop():
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError()], ids=repr)
def test_what_a_job_raises_ends_no_thread_and_gives_its_weight_back(
    make: Callable[..., Backfill], error: Exception
) -> None:
    def fail() -> None:
        raise error

    backfill, done = make(Budget(0.2), workers=1), queue.SimpleQueue()
    backfill.start()
    backfill.put(Urgency.LIVE, 100, fail)
    backfill.put(Urgency.HISTORY, 100, lambda: done.put("done"))  # of a burst of 120
    assert done.get(timeout=PATIENCE) == "done"


@given(st.integers(1, 500), st.integers(0, 2_000))
@example(1, LIMITS.page - 1)
@example(1, LIMITS.page)
def test_what_a_history_weighs(streams, lines):
    """It is what the requests weigh that a series makes, one page after another."""
    series, now = Series(BTCUSDT_1M, lines=lines), Moment(START, 0.0)
    series.begin(now)
    weight = 0
    while series.lacking:
        wish = series.take_wish(now)
        count = min((wish.end - wish.start) // MINUTE + 1, LIMITS.page)
        weight += LIMITS.klines_weight(count)
        rows = [row(wish.start + n * MINUTE) for n in range(count)]
        series.fill(rows, now, now)
    assert weight_of(streams, lines, LIMITS) == streams * weight


def row(open_time):
    close_time = open_time + MINUTE - 1
    prices = ("1", "1", "1", "1", "0")
    return Candle(
        BTCUSDT_1M, open_time, *prices, close_time, "0", 0, "0", "0", True, Source.REST
    )


@given(st.integers(1, 8_000), st.sampled_from([0.05, 0.2, 1.0]))
def test_how_long_a_history_takes(streams, share):
    weights = [1] * weight_of(streams, 10, LIMITS)
    sent = spend_all(Budget(share), weights, start=1_000.0)
    told = Budget(share).lasts(len(weights))
    assert abs(sent[-1][0] - sent[0][0] - told) < 1


def test_the_whole_market_takes_half_an_hour():
    assert round(Budget().lasts(weight_of(11_835, 10, LIMITS)) / 60) == 33
