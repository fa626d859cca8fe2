"""Requests that several collectors share: one budget, one order, one ban."""

from __future__ import annotations

import threading

import pytest

from klinetail.collector.backfill import Urgency
from klinetail.collector.budget import Budget
from klinetail.collector.requests import Requests, SharedRequests
from klinetail.errors import RateLimited
from klinetail.protocol.venues import LIVE

LIMITS = LIVE.limits
DEADLINE = 60.0


class Rest:
    """A REST side that answers with the time, or with an error."""

    used_weight = None

    def __init__(self):
        self.error = None
        self.asked = 0
        self.closed = False

    def server_time(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return 7

    def close(self):
        self.closed = True


@pytest.fixture
def rest():
    return Rest()


@pytest.fixture
def requests(rest):
    made = Requests(rest, LIMITS, Budget(1.0, LIMITS.weight_per_minute))
    yield made
    for thread in made.stop():
        thread.join(DEADLINE)


def test_requests_for_recordings_come_last(requests):
    """All are queued before a thread starts to send them."""
    order, done = [], threading.Event()

    def note(name):
        order.append(name)
        if len(order) == 5:
            done.set()

    live = SharedRequests(requests)
    recording = SharedRequests(requests, recording=True)
    recording.queue.put(Urgency.LIVE, 1, lambda: note("recording"))
    recording.queue.put(Urgency.TIME, 1, lambda: note("time"))
    live.queue.put(Urgency.LATE, 1, lambda: note("late"))
    live.queue.put(Urgency.HISTORY, 1, lambda: note("history"))
    live.queue.put(Urgency.LIVE, 1, lambda: note("live"))
    only = requests.queue._threads[0]  # one thread alone has an order
    only.start()
    assert done.wait(DEADLINE)
    assert order == ["time", "live", "history", "late", "recording"]


def test_who_shares_neither_starts_nor_ends_the_requests(requests, rest):
    shared, other = SharedRequests(requests), SharedRequests(requests)
    shared.start()
    requests.start()
    ran = threading.Event()
    assert shared.stop() == []
    shared.queue.put(Urgency.LIVE, 1, lambda: pytest.fail("it has ended"))
    other.queue.put(Urgency.LATE, 1, ran.set)
    assert ran.wait(DEADLINE)
    assert other.queue.ask([other.rest.server_time]) == [7]
    assert not rest.closed
    requests.stop()
    assert rest.closed


def test_a_ban_is_known_to_all_who_share(requests, rest):
    shared, other = SharedRequests(requests), SharedRequests(requests, recording=True)
    rest.error = RateLimited("too much", 1_000.0)
    with pytest.raises(RateLimited):
        shared.rest.server_time()
    rest.error = None
    with pytest.raises(RateLimited):
        other.rest.server_time()
    assert rest.asked == 1


def test_requests_that_end_leave_no_thread(requests):
    requests.start()
    for thread in requests.stop():
        thread.join(DEADLINE)
        assert not thread.is_alive()
