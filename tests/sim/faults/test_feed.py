"""Frames are disturbed as decided, the truth never is, and every lie can be seen."""

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import HOUR, MINUTE, Candle, Interval, Stream
from klinetail.errors import BadMessage
from klinetail.protocol import frames
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.feed import FOREIGN, LATE, Feed
from klinetail.sim.faults.junk import GARBAGE
from klinetail.sim.market import HistoryMarket
from klinetail.sim.pushes import LATEST

BTC = Stream("BTCUSDT", Interval.M1)
ALGO = Stream("ALGOUSDT", Interval.M1)
STREAMS = (BTC, ALGO, Stream("BTCUSDT", Interval.M5))


def run(market, chaos, start, length=20 * MINUTE, step=500, streams=STREAMS):
    """What is pushed in a time, with when."""
    feed = Feed(market, chaos)
    found = []
    for time in range(start, start + length, step):
        frames_ = market.pushes(streams, time, time + step)
        pushes = feed.disturbed(frames_, streams, time, time + step)
        found += [(time + step, push) for push in pushes]
    return found


def closes(pushes, fault):
    return [p.content for _, p in pushes if p.fault == fault and p.content.closed]


def truth_of(market, candle, start):
    open_time = candle.open_time
    [row] = market.klines(candle.stream, open_time, open_time, 1, now=start + 24 * HOUR)
    return row


def test_without_faults_it_is_the_market(market, start):
    pushes = run(market, Chaos({}), start, 5 * MINUTE)
    plain = [
        frame
        for time in range(start, start + 5 * MINUTE, 500)
        for frame in market.pushes(STREAMS, time, time + 500)
    ]
    assert [push.content for _, push in pushes] == plain
    assert all(push.fault is None and push.pieces == 1 for _, push in pushes)


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), spec=st.sampled_from(["all", "data", "late=0.5"]))
def test_the_same_seed_the_same_frames_however_often_one_looks(
    market, start, seed, spec
):
    one, other = (
        run(market, Chaos.parse(spec, seed=seed), start, 2 * MINUTE, step)
        for step in (250, 1000)
    )
    assert [push for _, push in one] == [push for _, push in other]


@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_every_lie_can_be_seen(market, start, seed):
    """What says that a candle of a subscribed stream is closed, after its end and
    not days ahead, says the truth."""
    for time, push in run(market, Chaos.parse("data", seed=seed), start, 6 * MINUTE):
        if push.content is None:
            continue
        if isinstance(push.content, Candle):
            candle = push.content
        else:
            try:
                candle = frames.decode(push.content)
            except BadMessage:
                continue
        if not isinstance(candle, Candle) or candle.symbol == FOREIGN:
            continue
        assert candle.fault() is None
        if candle.closed and candle.close_time < candle.event_time < start + 12 * HOUR:
            assert time >= candle.event_time
            assert candle.same_values(truth_of(market, candle, start))


def test_late_closes(market, start):
    found = closes(run(market, Chaos.parse("late=1"), start), "late")
    lags = [c.event_time - c.close_time for c in found]
    assert len(found) > 20
    assert LATE[0] <= min(lags) < 5_000
    assert 20_000 < max(lags) <= LATE[1]
    for candle in found:
        assert candle.same_values(truth_of(market, candle, start))


def test_missing_closes(market, start):
    pushes = run(market, Chaos.parse("missing=1"), start)
    lost = [push for _, push in pushes if push.fault == "missing"]
    assert len(lost) > 20
    assert all(push.content is None for push in lost)
    assert not any(push.content and push.content.closed for _, push in pushes)


def test_doubles(market, start):
    pushes = run(market, Chaos.parse("duplicate=1"), start)
    firsts = {(c.stream, c.open_time): c for c in closes(pushes, None)}
    doubles = closes(pushes, "duplicate")
    assert len(doubles) > 20
    for double in doubles:
        first = firsts[double.stream, double.open_time]
        assert first.same_values(double)
        assert 0 <= double.event_time - first.event_time <= 5_000


def test_candles_without_a_trade(market, start):
    pushes = run(market, Chaos.parse("empty=1"), start, 30 * MINUTE)
    empty = closes(pushes, "empty")
    rows = market.klines(ALGO, start, None, 28, now=start + HOUR)
    expected = {r.open_time for r in rows if not r.count and r.open_time >= start}
    assert len(expected) > 4
    assert expected <= {c.open_time for c in empty if c.stream == ALGO}
    for candle in empty:
        assert candle.count == 0
        assert 0 < candle.event_time - candle.close_time <= LATEST
        assert candle.same_values(truth_of(market, candle, start))


@pytest.mark.parametrize("fault", ["stale", "reorder"])
def test_frames_that_are_overtaken(market, start, fault):
    pushes = run(market, Chaos.parse(f"{fault}=0.2"), start, 3 * MINUTE)
    order = [p.content.event_time for _, p in pushes if p.content.stream == BTC]
    assert order != sorted(order)
    struck = [(time, p.content) for time, p in pushes if p.fault == fault]
    assert struck
    assert all(time - candle.event_time >= 300 for time, candle in struck)
    everything = [p.content for _, p in pushes]
    assert all((everything.count(c) == 2) is (fault == "stale") for _, c in struck)


def test_closed_before_its_end(market, start):
    early = closes(run(market, Chaos.parse("early=0.2"), start, MINUTE), "early")
    assert early
    assert all(c.event_time <= c.close_time for c in early)


def test_candles_of_the_future(market, start):
    pushes = run(market, Chaos.parse("future=0.5"), start, 3 * MINUTE)
    ahead = [(time, p.content) for time, p in pushes if p.fault == "future"]
    assert {c.closed for _, c in ahead} == {True, False}
    assert any(c.event_time > time + 12 * HOUR for time, c in ahead)
    for time, candle in ahead:
        assert candle.fault() is None
        assert candle.open_time > time + candle.interval.length - 1_000
        if candle.closed and candle.event_time > candle.close_time:
            assert candle.event_time > start + 24 * HOUR


@pytest.mark.parametrize("interval", Interval)
def test_the_future_of_every_interval(market, start, interval):
    stream = Stream("BTCUSDT", interval)
    pushes = run(market, Chaos.parse("future=1"), start, 2 * MINUTE, streams=[stream])
    ahead = [p.content for _, p in pushes if p.fault == "future"]
    assert ahead
    assert all(candle.fault() is None for candle in ahead)


def test_frames_of_others(market, start):
    pushes = run(market, Chaos.parse("foreign=0.2"), start, MINUTE)
    others = [p.content for _, p in pushes if p.fault == "foreign"]
    assert others
    assert {c.symbol for c in others} == {FOREIGN}


def test_values_that_are_revised(market, start):
    pushes = run(market, Chaos.parse("revised=1"), start)
    first, final = closes(pushes, "revised"), closes(pushes, None)
    assert len(first) > 20
    finals = {(c.stream, c.open_time): c for c in final}
    for candle in first:
        assert candle.fault() is None
        assert not candle.same_values(truth_of(market, candle, start))
        if (candle.stream, candle.open_time) in finals:
            later = finals[candle.stream, candle.open_time]
            assert 1_000 <= later.event_time - candle.event_time <= 5_000
            assert later.same_values(truth_of(market, later, start))


def test_pieces(market, start):
    pushes = run(market, Chaos.parse("fragments=0.5"), start, MINUTE)
    assert {p.pieces for _, p in pushes} == {1, 2, 3, 4, 5}
    assert all((p.pieces > 1) is (p.fault == "fragments") for _, p in pushes)


def test_at_the_market_s_end_everything_is_out(market, start):
    ending = HistoryMarket(
        market._histories, start=start, end=start + 3 * MINUTE, label="ending"
    )
    pushes = run(ending, Chaos.parse("late=1"), start, 3 * MINUTE)
    assert {c.open_time for c in closes(pushes, "late") if c.stream == BTC} == {
        start - start % MINUTE + n * MINUTE for n in range(3)
    }


@pytest.mark.parametrize("make", GARBAGE)
def test_garbage_is_no_candle_or_a_true_one(market, start, make):
    [forming] = market.klines(BTC, limit=1, now=start)
    forming = market.pushes([BTC], start, start + 1_000)[-1]
    message = make(forming)
    assert isinstance(message, str | bytes)
    if isinstance(message, str):
        message.encode()
    try:
        decoded = frames.decode(message)
    except BadMessage:
        return
    if isinstance(decoded, Candle):
        assert decoded.same_values(forming)
        assert decoded.closed == forming.closed
    else:
        assert decoded.id == 987654321
    json.loads(message.decode() if isinstance(message, bytes) else message)


def test_there_is_enough_garbage():
    assert len(GARBAGE) > 30
    assert Random(1).choice(GARBAGE)
