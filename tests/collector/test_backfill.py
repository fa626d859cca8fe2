"""The queue of requests: what goes first, and that what is sent is what is spent."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from klinetail.collector.backfill import WORKERS, Backfill, Urgency
from klinetail.collector.budget import Budget

PATIENCE = 60.0


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
