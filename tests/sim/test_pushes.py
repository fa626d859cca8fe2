"""Streams push as recorded from the exchange, and never lose a close."""

import itertools
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import DAY, HOUR, MINUTE, Interval, Stream
from klinetail.protocol.frames import decode, encode_kline
from klinetail.sim.history import Afterlife
from klinetail.sim.pushes import CONFLATED, LATEST, PERIOD
from klinetail.sim.synthetic import Synthetic

STREAMS = tuple(
    Stream(symbol, interval)
    for symbol in ("BTCUSDT", "ALGOUSDT", "币安人生USDT")
    for interval in (Interval.M1, Interval.M3, Interval.H1, Interval.W1)
)

ages = st.integers(0, 2 * DAY)


def by_stream(frames):
    found = defaultdict(list)
    for frame in frames:
        found[frame.stream].append(frame)
    return found


def run(market, after, spans):
    """The pushes of successive spans."""
    frames = []
    for span in spans:
        frames += market.pushes(STREAMS, after, after + span)
        after += span
    return frames


@settings(max_examples=40)
@given(
    age=ages,
    spans=st.lists(
        st.integers(1, 300) | st.integers(1, 3 * MINUTE), min_size=1, max_size=60
    ),
)
def test_what_is_known_to_be_quiet_is_quiet(market, start, age, spans):
    after = start - age
    frames = run(market, after, spans)
    for span in spans:
        market.pushes(STREAMS, start + DAY, start + DAY)  # so that it knows nothing
        upto = after + span
        asked = market.pushes(STREAMS, after, upto)
        assert asked == [f for f in frames if after < f.event_time <= upto]
        after = upto


@settings(max_examples=40)
@given(
    age=ages,
    spans=st.lists(
        st.integers(1, 40) | st.integers(1, 3 * MINUTE), min_size=1, max_size=30
    ),
)
def test_each_close_comes_once_and_as_rest_says(market, start, age, spans):
    after = start - age
    until = after + sum(spans)
    closed = [frame for frame in run(market, after, spans) if frame.closed]
    assert len({(c.stream, c.open_time) for c in closed}) == len(closed)
    streams = by_stream(closed)
    for stream in STREAMS:
        low = stream.interval.floor(after - LATEST)
        high = until
        rows = market.klines(stream, low, high, 1_500, now=until + HOUR)
        finals = {row.open_time: row for row in rows}
        surely = {
            row.open_time
            for row in rows
            if row.count and after <= row.close_time < until - LATEST
        }
        assert surely <= {c.open_time for c in streams[stream]}
        for frame in streams[stream]:
            assert finals[frame.open_time].same_values(frame)
            assert frame.count
            assert 0 < frame.event_time - frame.close_time <= LATEST


@settings(max_examples=40)
@given(
    age=ages,
    spans=st.lists(
        st.integers(1, 40) | st.integers(1, 2 * MINUTE), min_size=1, max_size=60
    ),
)
def test_streams_keep_their_order(market, start, age, spans):
    frames = run(market, start - age, spans)
    assert frames == sorted(frames, key=lambda frame: frame.event_time)
    for pushed in by_stream(frames).values():
        for earlier, later in itertools.pairwise(pushed):
            assert earlier.event_time < later.event_time
            if earlier.closed:
                assert later.open_time > earlier.open_time
            else:
                assert later.open_time >= earlier.open_time
                assert not (later.open_time > earlier.open_time and not later.closed), (
                    "a candle's frame came before the close of the one before"
                )
            if later.open_time == earlier.open_time:
                assert later.count >= earlier.count
            if not earlier.closed and not later.closed:
                assert later.event_time - earlier.event_time >= PERIOD


@given(age=ages, cuts=st.lists(st.integers(1, 400), max_size=20))
def test_how_often_one_asks_changes_nothing(market, start, age, cuts):
    whole = [CONFLATED] * (sum(cuts) // CONFLATED)
    spans = [*whole, sum(cuts) - sum(whole)]
    assert run(market, start - age, cuts) == run(market, start - age, spans)


@settings(max_examples=30)
@given(age=ages, span=st.integers(CONFLATED + 1, 3 * MINUTE))
def test_a_long_span_leaves_out_updates_only(market, start, age, span):
    conflated = market.pushes(STREAMS, start - age, start - age + span)
    steps = [CONFLATED] * (span // CONFLATED) + [span % CONFLATED]
    everything = run(market, start - age, steps)
    assert [f for f in conflated if f.closed] == [f for f in everything if f.closed]
    updates = by_stream(f for f in everything if not f.closed)
    shown = by_stream(f for f in conflated if not f.closed)
    assert shown.keys() <= updates.keys()
    for stream, [update] in shown.items():
        assert update.same_values(updates[stream][-1])


def test_empty_minutes_push_nothing(market, start):
    stream = Stream("ALGOUSDT", Interval.M1)
    first = start - start % MINUTE
    until = first + HOUR
    rows = market.klines(stream, first, None, 60, now=until)
    empty = {row.open_time for row in rows if row.count == 0}
    times = range(first, until + 2 * LATEST, 500)
    frames = [f for t in times for f in market.pushes([stream], t, t + 500)]
    pushed = {frame.open_time for frame in frames}
    assert 10 < len(empty) < 30
    assert empty.isdisjoint(pushed)
    assert {row.open_time for row in rows[:-1]} - empty <= pushed


def test_some_closing_frames_hold_trades_that_no_update_showed(market, start):
    first = start - start % MINUTE
    frames = by_stream(run(market, first, [500] * 1200))
    pushed = frames[Stream("BTCUSDT", Interval.M1)]
    pairs = itertools.pairwise(pushed)
    assert any(b.closed and not a.closed and b.count > a.count for a, b in pairs)


@pytest.mark.parametrize("combined", [False, True])
def test_every_frame_survives_the_wire(market, start, combined):
    for frame in run(market, start, [250] * 200):
        text = encode_kline(frame, first_trade=1, last_trade=2, combined=combined)
        assert decode(text) == frame


def test_what_is_not_traded_is_silent(market, start):
    streams = [Stream("OMGUSDT", Interval.M1), Stream("NOPEUSDT", Interval.M1)]
    assert market.pushes(streams, start, start + HOUR) == []


def test_closes_of_what_is_not_traded_any_more_may_be_pushed(start):
    end = start - start % MINUTE + 5 * MINUTE
    changes = {"end": end, "afterlife": Afterlife.PUSHES}
    market = Synthetic(7, start, {"ETHUSDT": changes})
    stream = Stream("ETHUSDT", Interval.M1)
    after = []
    for time in range(start, end + 34 * MINUTE + LATEST, 20 * 1000):
        frames = market.pushes([stream], time, time + 20 * 1000)
        after += [frame for frame in frames if frame.open_time >= end]
    assert [(f.open_time - end) // MINUTE for f in after] == [*range(len(after))]
    assert len(after) == 34
    assert {(f.closed, f.count) for f in after} == {(True, 0)}
