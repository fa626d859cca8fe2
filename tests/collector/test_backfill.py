"""The queue of requests: what is urgent goes first."""

import queue
import threading
import time

from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Candle, Source
from klinetail.clock import Moment
from klinetail.collector.backfill import PAGE, Backfill, Urgency, weight_of
from klinetail.collector.budget import Budget
from klinetail.protocol.limits import klines_weight
from klinetail.series import Series
from tests.collector.test_budget import spend_all
from tests.strategies import BTCUSDT_1M

PATIENCE = 15.0
START = 1_760_000_000_000 - 1_760_000_000_000 % MINUTE + 40_000


@given(st.lists(st.sampled_from(Urgency), max_size=40))
def test_urgent_ones_first_and_in_their_order(asked):
    backfill = Backfill(Budget(1.0), time.monotonic, workers=1)
    done, begun, go = queue.Queue(), threading.Event(), threading.Event()

    def first():
        begun.set()
        go.wait(PATIENCE)

    backfill.put(Urgency.TIME, 1, first)
    backfill.start()
    assert begun.wait(PATIENCE)
    for number, urgency in enumerate(asked):
        backfill.put(urgency, 1, lambda job=(urgency, number): done.put(job))
    go.set()
    got = [done.get(timeout=PATIENCE) for _ in asked]
    for thread in backfill.stop():
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert got == sorted((urgency, number) for number, urgency in enumerate(asked))


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
    backfill.put(Urgency.LIVE, 1, lambda: done.put("live"))
    now[0] = 0.2  # of weight there is one
    backfill.observe(None)
    backfill.put(Urgency.LATE, 1, lambda: done.put("late"))
    assert done.get(timeout=PATIENCE) == "live"
    assert done.empty()
    for thread in backfill.stop():
        thread.join(PATIENCE)
        assert not thread.is_alive()


@given(st.integers(1, 500), st.integers(0, 2_000))
@example(1, PAGE - 1)
@example(1, PAGE)
def test_what_a_history_weighs(streams, lines):
    """It is what the requests weigh that a series makes, one page after another."""
    series, now = Series(BTCUSDT_1M, lines=lines), Moment(START, 0.0)
    series.begin(now)
    weight = 0
    while series.lacking:
        wish = series.take_wish(now)
        count = min((wish.end - wish.start) // MINUTE + 1, PAGE)
        weight += klines_weight(count)
        rows = [row(wish.start + n * MINUTE) for n in range(count)]
        series.fill(rows, now, now)
    assert weight_of(streams, lines) == streams * weight


def row(open_time):
    close_time = open_time + MINUTE - 1
    prices = ("1", "1", "1", "1", "0")
    return Candle(
        BTCUSDT_1M, open_time, *prices, close_time, "0", 0, "0", "0", True, Source.REST
    )


@given(st.integers(1, 8_000), st.sampled_from([0.05, 0.2, 1.0]))
def test_how_long_a_history_takes(streams, share):
    weights = [1] * weight_of(streams, 10)
    sent = spend_all(Budget(share), weights, start=1_000.0)
    told = Budget(share).lasts(len(weights))
    assert abs(sent[-1][0] - sent[0][0] - told) < 1


def test_the_whole_market_takes_half_an_hour():
    assert round(Budget().lasts(weight_of(11_835, 10)) / 60) == 33
