"""Exchange time, against a model that keeps everything it was told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.clock import AHEAD, FAST, SPAN, ExchangeClock, Moment

START = 1_700_000_000_000

# Monotonic time moves in 1/1024 s, which a float holds exactly.
ticks = st.integers(0, 200 * 1024)
steps = st.lists(
    st.tuples(st.just("wait"), ticks)
    | st.tuples(st.just("sync"), st.integers(-300_000, 300_000))
    | st.tuples(st.just("see"), st.integers(-200_000, 200_000)),
    max_size=30,
)


def test_has_no_time_before_the_exchange_told_one():
    with pytest.raises(RuntimeError, match="never read"):
        ExchangeClock().now(0.0)


def test_goes_on_with_local_monotonic_time():
    clock = ExchangeClock()
    clock.sync(START, 500.0)
    assert clock.now(500.0) == START
    assert clock.now(501.5) == START + 1500
    assert clock.moment(501.5) == Moment(exchange=START + 1500, monotonic=501.5)


def test_a_later_event_time_moves_it_ahead():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    assert clock.see(START + 700, 0.0)
    assert clock.now(0.0) == START + 700
    assert clock.now(0.5) == START + 700
    assert clock.now(1.0) == START + 1000


def test_an_earlier_event_time_does_not_move_it_back():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    assert clock.see(START - 86_400_000, 1.0)
    assert clock.now(1.0) == START + 1000
    clock.see(START + 7000, 1.0)
    assert clock.see(START + 6999, 1.0)
    assert clock.now(1.0) == START + 7000


def test_an_event_time_far_ahead_waits_until_the_exchanges_time_agrees():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    far = START + AHEAD + 1

    assert clock.see(far - 1, 0.0)
    assert clock.now(0.0) == far - 1
    assert not clock.see(far + AHEAD, 0.0)
    assert clock.now(0.0) == far - 1
    clock.sync(far + 1, 0.0)
    assert clock.see(far + AHEAD, 0.0)
    assert clock.now(0.0) == far + AHEAD


def test_far_ahead_is_more_than_a_minute_and_fast_is_three_times_ours():
    assert (AHEAD, FAST) == (60_000, 3.0)


def test_an_event_time_that_was_believed_once_stays_so():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    assert clock.see(START + 5000, 0.0)
    clock.sync(START - 3_600_000, 0.0)
    assert clock.see(START + 5000, 0.0)
    assert not clock.see(START + 5001, 0.0)


def test_a_synced_time_that_went_back_does_not_undo_events():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    clock.see(START + 5000, 0.0)
    clock.sync(START - 5000, 0.0)
    assert clock.now(0.0) == START + 5000
    assert clock.now(20.0) == START + 15_000


@given(steps)
def test_is_the_later_of_synced_and_seen(steps):
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    tick, synced, synced_at, believed = 0, START, 0, [0]
    pace = measured = 1.0

    def passed():
        return synced + int((tick - synced_at) / 1024 * 1000 * pace)

    def model():
        return max(passed(), *believed)

    for kind, value in steps:
        before = clock.now(tick / 1024)
        if kind == "wait":
            tick += value
            assert clock.now(tick / 1024) >= before
        elif kind == "sync":
            if (tick - synced_at) / 1024 >= SPAN:
                ran = (START + value - synced) / 1000 / ((tick - synced_at) / 1024)
                alike = abs(ran - measured) <= ran / 4
                pace, measured = ran if alike and ran >= FAST else 1.0, ran
            synced, synced_at = START + value, tick
            clock.sync(synced, tick / 1024)
        else:
            event_time = model() + value
            believable = event_time <= max(*believed, passed() + AHEAD)
            assert clock.see(event_time, tick / 1024) == believable
            if believable:
                believed.append(event_time)
            assert clock.now(tick / 1024) >= before
        assert clock.now(tick / 1024) == model()


def test_an_exchange_that_runs_fast_twice_is_taken_to_go_on_like_that():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    clock.sync(START + 60_000, 1.0)
    assert clock.now(2.0) == START + 61_000
    clock.sync(START + 120_000, 2.0)
    assert clock.now(3.0) == START + 180_000


def test_two_answers_within_a_tenth_of_a_second_tell_no_pace():
    for between, passes in ((SPAN, 60_000), (SPAN / 2, 1000)):
        clock = ExchangeClock()
        for number in range(3):
            clock.sync(START + int(number * between * 60_000), number * between)
        last = clock.now(2 * between)
        assert clock.now(2 * between + 1) == last + passes


def test_three_times_as_fast_is_fast():
    clock = ExchangeClock()
    for seconds in (0, 10, 20):
        clock.sync(START + seconds * 3000, float(seconds))
    assert clock.now(21.0) == START + 63_000


def test_after_a_sleep_the_clock_does_not_run_away():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    clock.sync(START + 3_600_000, 10.0)
    clock.sync(START + 3_610_000, 20.0)
    assert clock.now(30.0) == START + 3_620_000


def test_event_times_cannot_creep_ahead_of_the_exchanges_own_clock():
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    assert clock.see(START + AHEAD, 0.0)
    assert not clock.see(START + AHEAD + 1, 0.0)
    assert clock.moment(0.0) == Moment(START + AHEAD, 0.0, ahead=AHEAD)
    assert clock.moment(0.0).confirmed == START


@pytest.mark.parametrize(("pace", "believed"), [(80, 80), (84, 1), (48, 48), (47, 1)])
def test_equally_fast_means_within_a_quarter(pace, believed):
    clock = ExchangeClock()
    clock.sync(START, 0.0)
    clock.sync(START + 600_000, 10.0)
    synced = START + 600_000 + pace * 10_000
    clock.sync(synced, 20.0)
    assert clock.now(21.0) == synced + believed * 1000


@pytest.mark.parametrize(
    ("moment", "time", "seconds"),
    [
        (Moment(10_000, 5.0), 12_000, 2.0),
        (Moment(10_000, 5.0), 10_000, 0.0),
        (Moment(10_000, 5.0), 9_000, -1.0),
        (Moment(10_000, 5.0, ahead=4_000), 12_000, 6.0),
        (Moment(10_000, 5.0, ahead=4_000), 10_001, 4.001),
        (Moment(10_000, 5.0, ahead=4_000), 10_000, 0.0),
        (Moment(10_000, 5.0, ahead=4_000), 7_000, -3.0),
        (Moment(10_000, 5.0), float("inf"), float("inf")),
    ],
)
def test_what_event_times_put_it_ahead_it_stands_still_for(moment, time, seconds):
    assert moment.left(time) == seconds
