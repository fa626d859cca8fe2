"""Exchange time: what is believed of what the exchange says, and when."""

from __future__ import annotations

import random

import pytest

from klinetail.candle import MINUTE
from klinetail.clock import (
    AHEAD,
    FRESH,
    RECENT,
    ROW_LAG,
    SLOW,
    SOON,
    TWICE,
    ExchangeClock,
    Moment,
    NewestRow,
)
from klinetail.pace import AGREE, SPAN, Reading
from tests.clocks import known, tell

START = 1_700_000_040_000 - 1_700_000_040_000 % MINUTE + 20_000
HOUR = 3_600_000


def at(time: int, now: float) -> Reading:
    """An answer that took no time."""
    return Reading(time, now, now)


def row(time: int, now: float) -> NewestRow:
    """The row that is the newest at `time`."""
    opens = time - time % MINUTE
    return NewestRow(opens, opens + MINUTE - 1, now, now)


def test_what_agreeing_means_is_what_was_measured() -> None:
    assert (AHEAD, AGREE, ROW_LAG) == (60_000, 1_000, 20_000)
    assert (RECENT, FRESH, SPAN, SLOW) == (10.0, 2.0, 0.1, 1.0)
    assert (SOON, TWICE) == (1.0, 200)


# The start


def test_there_is_no_time_before_something_agrees_with_the_first_reading() -> None:
    clock = ExchangeClock()
    assert not clock.known
    with pytest.raises(RuntimeError, match="not known"):
        clock.now(0.0)
    assert not clock.read(at(START, 0.0))
    assert not clock.read(at(START, 0.0)), "two readings may tell the same lie"
    assert not clock.known
    assert clock.show(row(START, 0.0))
    assert clock.known
    assert clock.moment(0.0) == Moment(START, 0.0)


def test_the_newest_row_alone_is_not_enough() -> None:
    clock = ExchangeClock()
    clock.read(at(START, 0.0))
    assert not clock.show(row(START, 0.0))
    assert not clock.known
    assert clock.read(at(START, 0.1))


@pytest.mark.parametrize("lie", [-3 * HOUR, -MINUTE, MINUTE, 3 * HOUR])
def test_at_the_start_a_time_that_the_newest_row_contradicts_does_not_count(
    lie: int,
) -> None:
    clock = ExchangeClock()
    for second in (0.0, 0.5, 1.0):
        time = START + int(second * 1000)
        clock.read(at(time + lie, second))
        clock.show(row(time, second))
    assert not clock.known
    tell(clock, START + 3_000, 3.0)
    assert clock.now(3.0) == START + 3_000


@pytest.mark.parametrize("lie", [-20_000, 20_000])
def test_at_the_start_one_wrong_reading_does_not_count(lie: int) -> None:
    """It lies in the minute of the row, but the other reading tells another time."""
    clock = ExchangeClock()
    clock.read(at(START, 0.0))
    clock.read(at(START + lie, 0.0))
    assert not clock.show(row(START, 0.0))
    assert clock.read(at(START + 100, 0.1))
    assert clock.now(0.1) == START + 100


@pytest.mark.parametrize(("late", "counts"), [(AGREE, True), (AGREE + 1, False)])
def test_at_the_start_the_newest_row_must_not_be_late(late: int, counts: bool) -> None:
    clock = ExchangeClock()
    newest = row(START, 0.0)
    for _ in range(2):
        clock.read(at(newest.close_time + late, 0.0))
    assert clock.show(newest) is counts


def test_at_the_start_event_times_may_agree_in_the_place_of_a_row() -> None:
    clock = ExchangeClock()
    assert clock.see(START - AGREE, 0.0) is False, "there is no time yet"
    clock.read(at(START, 0.0))
    assert clock.read(at(START, 0.0))
    other = ExchangeClock()
    other.see(START - AGREE - 1, 0.0)
    other.read(at(START, 0.0))
    assert not other.read(at(START, 0.0))


def test_what_frames_agree_with_and_the_newest_row_contradicts_does_not_count() -> None:
    clock = ExchangeClock()
    clock.show(row(START, 0.0))
    for _ in range(3):
        clock.see(START + HOUR, 0.0)
        assert not clock.read(at(START + HOUR, 0.0))


# The prediction


def test_goes_on_with_local_monotonic_time() -> None:
    clock = known(START, 500.0)
    assert clock.now(501.5) == START + 1500
    assert clock.moment(501.5) == Moment(exchange=START + 1500, monotonic=501.5)


@pytest.mark.parametrize("off", [-AGREE, 0, AGREE])
def test_a_reading_within_a_second_of_the_prediction_counts(off: int) -> None:
    clock = known(START)
    assert clock.read(at(START + 60_000 + off, 60.0))
    assert clock.now(60.0) == START + 60_000 + off
    assert clock.counted_at == 60.0


@pytest.mark.parametrize("off", [-AGREE - 1, AGREE + 1, 3 * HOUR, -3 * HOUR])
def test_another_one_does_not_and_the_clock_is_in_doubt(off: int) -> None:
    clock = known(START)
    assert not clock.read(at(START + 60_000 + off, 60.0))
    assert clock.doubted
    assert clock.now(60.0) == START + 60_000
    assert clock.read(at(START + 60_250, 60.25))
    assert not clock.doubted
    assert clock.now(61.0) == START + 61_000


def test_a_reading_is_an_interval() -> None:
    """The exchange's clock showed it at some moment while the answer was on its way."""
    for took in (0.0, 5.0):
        early = known(START)
        assert early.read(Reading(START + 60_000 - AGREE, 60.0, 60.0 + took))
        late = known(START)
        reading = Reading(START + 60_000 + int(took * 1000) + AGREE, 60.0, 60.0 + took)
        assert late.read(reading)
        assert not known(START).read(reading._replace(server_time=START + 66_001))


def test_an_answer_that_took_long_does_not_make_the_clock_later() -> None:
    clock = known(START)
    assert clock.read(Reading(START + 11_000, 10.0, 10.0 + SLOW + 1.0))
    assert clock.now(20.0) == START + 20_000
    assert clock.read(Reading(START + 20_000, 20.0, 20.0 + SLOW))
    assert clock.now(30.0) == START + 29_000, "it did not take that long"
    assert clock.read(Reading(START + 32_000, 30.0, 30.0 + 2 * SLOW))
    assert clock.now(40.0) == START + 40_000, "it is later"


def test_a_leap_back_is_taken_however_long_the_answers_took() -> None:
    clock = known(START)
    clock.show(row(START - HOUR, 0.0))
    for sent in (0.0, 0.5, 1.0):
        leapt = clock.read(Reading(START - HOUR + 1000, sent, sent + 2 * SLOW))
    assert leapt
    assert clock.now(3.0) == START - HOUR + 1000


def test_before_there_is_a_time_no_event_time_is_believed() -> None:
    assert not ExchangeClock().believes(START, 0.0)


def test_an_event_time_that_comes_again_flows_again() -> None:
    clock = known(START)
    for came in (1.0, 5.0):
        assert clock.see(START + 35_000, came)
    assert clock.read(at(START + 35_000, 5.0))


def test_in_doubt_nothing_is_final_that_the_doubtful_reading_calls_young() -> None:
    clock = known(START)
    clock.read(at(START + 10_000 - HOUR, 10.0))
    assert clock.moment(10.0) == Moment(START + 10_000, 10.0, ahead=HOUR)
    assert clock.moment(11.0).confirmed == START + 11_000 - HOUR
    assert clock.believes(START + 11_000 + AHEAD, 11.0), "frames are used as before"
    clock.read(at(START + 11_000, 11.0))
    clock.read(at(START + 12_000 + HOUR, 12.0))
    assert clock.moment(12.0) == Moment(START + 12_000, 12.0)


# What a leap takes


def test_three_readings_and_the_newest_row_make_a_leap() -> None:
    """Two that lie may be alike by chance."""
    clock = known(START)
    clock.read(at(START + 12 * HOUR, 10.0))
    assert not clock.read(at(START + 12 * HOUR, 10.0))
    assert not clock.show(row(START + 12 * HOUR, 10.0))
    assert clock.read(at(START + 12 * HOUR, 10.0))
    clock = known(START)
    for _ in range(3):
        assert not clock.read(at(START + 12 * HOUR, 10.0))
    assert clock.show(row(START + 12 * HOUR, 10.1))
    assert clock.now(10.0) == START + 12 * HOUR
    assert not clock.doubted


def test_readings_that_the_newest_row_contradicts_do_not() -> None:
    clock = known(START)
    for second in range(10, 200):
        time = START + second * 1000
        for _ in range(3):
            clock.read(at(time + HOUR, second))
        clock.show(row(time, second))
        assert clock.moment(second) == Moment(time, second)
        assert not clock.doubted, "the newest row agrees with the prediction"


def test_while_a_row_agrees_with_both_or_with_neither_the_doubt_stays() -> None:
    for off, shown in ((30_000, 0), (HOUR, -HOUR)):
        clock = known(START)
        clock.read(at(START + off, 0.0))
        assert not clock.show(row(START + shown, 0.0))
        assert clock.doubted


def test_the_last_of_several_doubtful_readings_is_the_one_in_doubt() -> None:
    clock = known(START)
    for off in (-HOUR, -3 * HOUR, -2 * HOUR):
        clock.read(at(START + off, 0.0))
    assert clock.moment(0.0).ahead == 2 * HOUR
    clock = known(START)
    for off in (30_000, HOUR):
        clock.read(at(START + off, 0.0))
    assert clock.show(row(START, 0.0)), "it contradicts the last one"
    clock = known(START)
    for off in (HOUR, 30_000):
        clock.read(at(START + off, 0.0))
    assert not clock.show(row(START, 0.0))


@pytest.mark.parametrize(
    ("offs", "leaps"),
    [
        ((HOUR, HOUR, -HOUR, HOUR), True),
        ((HOUR, -HOUR, HOUR, 2 * HOUR, HOUR), False),
        ((HOUR, HOUR, 2 * HOUR, -HOUR, HOUR), False),
    ],
)
def test_three_of_the_last_four_readings_must_agree(
    offs: tuple[int, ...], leaps: bool
) -> None:
    clock = known(START)
    clock.show(row(START + HOUR, 0.0))
    assert [clock.read(at(START + off, 0.0)) for off in offs][-1] is leaps


@pytest.mark.parametrize(("age", "leaps"), [(RECENT, True), (RECENT + 0.25, False)])
def test_a_row_bears_witness_for_ten_seconds(age: float, leaps: bool) -> None:
    clock = known(START)
    clock.show(row(START + HOUR, 0.0))
    time = START + HOUR + int(age * 1000)
    assert [clock.read(at(time, age)) for _ in range(3)][-1] is leaps


@pytest.mark.parametrize(("apart", "leaps"), [(TWICE, True), (TWICE + 1, False)])
def test_readings_that_tell_different_times_do_not(apart: int, leaps: bool) -> None:
    clock = known(START)
    clock.show(row(START + HOUR, 10.0))
    clock.read(at(START + HOUR, 10.0))
    clock.read(at(START + HOUR + 2 * apart, 10.0))
    assert clock.read(at(START + HOUR + apart, 10.0)) is leaps


def test_readings_that_are_far_from_one_another_do_not() -> None:
    for between, leaps in ((SOON / 2, True), (SOON, False)):
        clock = known(START)
        for second in (10.0, 10.0 + between, 10.0 + 2 * between):
            clock.show(row(START + HOUR, second))
            leapt = clock.read(at(START + HOUR + int(second * 1000), second))
        assert leapt is leaps


@pytest.mark.parametrize(("late", "leaps"), [(ROW_LAG, True), (ROW_LAG + 1, False)])
def test_for_a_leap_the_newest_row_may_lag(late: int, leaps: bool) -> None:
    clock = known(START)
    newest = row(START + HOUR, 0.0)
    for _ in range(3):
        clock.read(at(newest.close_time + AGREE + late, 0.0))
    clock.show(newest)
    assert (clock.now(0.0) > START) is leaps


@pytest.mark.parametrize("off", [-AGREE - 1001, AGREE + 1])
def test_a_frame_of_another_time_contradicts_a_leap(off: int) -> None:
    clock = known(START)
    clock.read(at(START + 31_000, 1.0))
    assert clock.see(START + 31_000 + off, 1.0)
    for _ in range(2):
        clock.read(at(START + 31_000, 1.0))
    clock.show(row(START + 31_000, 1.0))
    assert clock.moment(1.0).confirmed == START + 1000
    after = 1.0 + FRESH + 0.01
    for _ in range(3):
        clock.read(at(START + 30_000 + int(after * 1000), after))
    assert clock.moment(after).confirmed > START + 30_000, "no frame comes any more"


@pytest.mark.parametrize(("early", "leaps"), [(AGREE, True), (AGREE + 1, False)])
def test_a_row_that_is_newer_than_a_reading_contradicts_it(
    early: int, leaps: bool
) -> None:
    clock = known(START)
    newest = row(START + HOUR, 0.0)
    clock.show(newest)
    for _ in range(3):
        leapt = clock.read(at(newest.open_time - early, 0.0))
    assert leapt is leaps


@pytest.mark.parametrize("late", [0, AGREE])
def test_a_frame_may_have_been_on_its_way_for_a_second(late: int) -> None:
    clock = known(START)
    assert clock.see(START + 31_000 - AGREE - late, 1.0)
    clock.show(row(START + 31_000, 1.0))
    leapt = [clock.read(at(START + 31_000, 1.0)) for _ in range(3)]
    assert leapt[-1]


@pytest.mark.parametrize("off", [-AGREE, AGREE])
def test_a_reading_that_the_event_times_agree_with_counts_alone(off: int) -> None:
    clock = known(START)
    assert clock.see(START + 31_000, 1.0)
    further = off + (1 if off > 0 else -1)
    assert not clock.read(at(START + 31_000 + further, 1.0))
    assert clock.read(at(START + 31_000 + off, 1.0))
    assert clock.moment(1.0).confirmed == START + 31_000 + off


@pytest.mark.parametrize(
    ("said", "counts"),
    [(29_999, False), (30_000, True), (32_500, True), (32_501, False)],
)
def test_an_answer_that_was_on_its_way_when_a_frame_came(
    said: int, counts: bool
) -> None:
    clock = known(START)
    assert clock.see(START + 31_000, 1.0)
    assert clock.read(Reading(START + said, 1.0, 1.5)) is counts
    clock = known(START)
    assert clock.see(START + 31_000, 1.0)
    reading = Reading(START + 31_000 + 2_000, 1.0 + FRESH, 1.0 + FRESH)
    assert clock.read(reading), "a frame that came just so long ago"


def test_an_event_time_from_before_says_nothing() -> None:
    clock = known(START)
    assert clock.see(START + 31_000, 1.0)
    later = 1.0 + FRESH + 0.1
    assert not clock.read(at(START + 31_000 + 2100, later))


def test_readings_from_long_ago_agree_with_nothing() -> None:
    clock = known(START)
    clock.read(at(START + HOUR, 0.0))
    later = RECENT + 0.1
    for _ in range(2):
        clock.read(at(START + HOUR + int(later * 1000), later))
    assert not clock.show(row(START + HOUR, later))


# Event times


def test_a_later_event_time_moves_it_ahead() -> None:
    clock = known(START)
    assert clock.see(START + 700, 0.0)
    assert clock.now(0.5) == START + 700
    assert clock.now(1.0) == START + 1000


def test_an_earlier_event_time_does_not_move_it_back() -> None:
    clock = known(START)
    assert clock.see(START - 86_400_000, 1.0)
    assert clock.now(1.0) == START + 1000
    clock.see(START + 7000, 1.0)
    assert clock.see(START + 6999, 1.0)
    assert clock.now(1.0) == START + 7000


def test_event_times_cannot_creep_ahead_of_the_exchanges_own_clock() -> None:
    clock = known(START)
    assert clock.see(START + AHEAD, 0.0)
    assert not clock.see(START + AHEAD + 1, 0.0)
    assert clock.moment(0.0) == Moment(START + AHEAD, 0.0, AHEAD, AHEAD)
    assert clock.moment(0.0).confirmed == START
    tell(clock, START + AHEAD + 1, 0.0)
    assert clock.see(START + 2 * AHEAD, 0.0)


def test_an_event_time_that_was_believed_once_stays_so() -> None:
    clock = known(START, 0.0)
    assert clock.see(START + 5000, 0.0)
    tell(clock, START - HOUR, 10.0)
    assert clock.see(START + 5000, 10.0)
    assert not clock.see(START + 5001, 10.0)
    assert clock.now(10.0) == START + 5000


# An exchange that runs fast


@pytest.mark.parametrize("pace", [2, 60, 600])
def test_four_readings_in_a_line_tell_a_pace(pace: int) -> None:
    clock = known(START)
    for second in (10.0, 20.0, 30.0):
        assert clock.pace == 1.0
        tell(clock, START + int(second * 1000 * pace), second)
    assert clock.now(31.0) == START + 31_000 * pace
    assert clock.pace == pace


def test_of_fewer_one_could_be_a_leap() -> None:
    clock = known(START)
    tell(clock, START + HOUR, 10.0)
    assert clock.now(11.0) == START + HOUR + 1000
    tell(clock, START + HOUR + 10_000, 20.0)
    assert clock.now(30.0) == START + HOUR + 20_000


def test_a_pace_that_became_that_of_real_time_again_is_noticed() -> None:
    clock = known(START)
    for second in (10.0, 20.0, 30.0):
        tell(clock, START + int(second * 60_000), second)
    for second in (40.0, 50.0, 60.0):
        tell(clock, START + 1_800_000 + int((second - 30) * 1000), second)
    assert clock.pace == 1.0


def test_answers_within_a_tenth_of_a_second_tell_no_pace() -> None:
    clock = known(START)
    for step in range(1, 20):
        tell(clock, START + step * 5_000, step * SPAN / 20)
    assert clock.pace == 1.0


def test_of_an_exchange_that_runs_fast_it_learns_the_pace_at_the_start() -> None:
    """At 600 times real time two answers never agree at the pace of ours."""
    clock = ExchangeClock()
    now, pace = 0.0, 600_000
    for _ in range(8):
        clock.read(Reading(START + int(now * pace), now, now + 0.002))
        clock.show(row(START + int((now + 0.004) * pace), now + 0.004))
        now += 0.11
    assert clock.known
    assert abs(clock.pace - 600) < 12
    assert abs(clock.now(now) - START - now * pace) < 10_000


def fast(pace: int = 60, way: float = 0.0) -> ExchangeClock:
    """A clock that has just learnt of an exchange that runs fast."""
    clock = ExchangeClock()
    for second in (0.0, 1.0, 2.0, 3.0):
        time = START + int(second * 1000 * pace)
        for _ in range(3):
            clock.read(Reading(time, second - way, second + way))
        clock.show(row(time, second))
    assert clock.pace == pytest.approx(pace, rel=0.1)
    return clock


@pytest.mark.parametrize(("pace", "learnt"), [(1000, 1000), (1001, 1)])
def test_no_exchange_runs_more_than_a_thousand_times_faster(
    pace: int, learnt: int
) -> None:
    clock = known(START)
    for second in (1.0, 2.0, 3.0):
        tell(clock, START + int(second * 1000 * pace), second)
    assert clock.pace == learnt


def test_the_pace_is_measured_again_over_ever_longer_times() -> None:
    """A first answer that was long on its way makes it inexact, and what is confirmed
    goes by the slowest pace that it can be."""
    clock = ExchangeClock()
    chance = random.Random(7)
    now, errors = 0.0, []
    for _ in range(60):
        for _ in range(3):
            sent, up, down = now, chance.uniform(0, 0.03), chance.uniform(0, 0.03)
            shown = START + int((sent + up) * 60_000)
            now = sent + up + down
            clock.read(Reading(shown, sent, now))
        clock.show(row(START + int(now * 60_000), now))
        if clock.known:
            errors.append(abs(clock.pace - 60) / 60)
            later = now + 5.0
            assert clock.moment(later).confirmed <= START + later * 60_000 + 2_000
        now += 1.0
    assert errors[-1] < 0.001
    assert max(errors[-20:]) < max(errors[:3])


def test_a_leap_of_a_fast_exchange_leaves_its_pace() -> None:
    clock = fast()
    for second in (4.0, 5.0, 6.0):
        tell(clock, START + HOUR + int(second * 60_000), second)
        assert clock.pace == pytest.approx(60, rel=0.01)
    assert clock.now(7.0) == pytest.approx(START + HOUR + 420_000, abs=1000)


def test_of_a_fast_exchange_event_times_alone_say_too_little() -> None:
    clock = fast()
    assert clock.see(START + 240_000 + 30_000, 4.0)
    assert not clock.read(at(START + 240_000 + 30_000, 4.0))


def test_a_frame_of_a_fast_exchange_may_be_a_real_second_old() -> None:
    offs = {
        -AGREE - 58_000: True,
        -AGREE - 63_000: False,
        AGREE: True,
        AGREE + 1: False,
    }
    for off, leaps in offs.items():
        clock = fast()
        time = START + 240_000 + 50_000
        assert clock.see(time + off, 4.0)
        clock.show(row(time, 4.0))
        assert [clock.read(at(time, 4.0)) for _ in range(3)][-1] is leaps


def test_a_pace_that_the_next_reading_does_not_fit_was_none() -> None:
    """The fourth in a line was a lie."""
    clock = known(START)
    for second, off in ((1.0, 5_000), (2.0, 10_000), (3.0, 15_000)):
        clock.read(at(START + int(second * 1000) + off, second))
    for second in (4.0, 5.0):
        clock.read(at(START + int(second * 1000), second))
        assert clock.pace == 1.0
        assert clock.now(second) == START + int(second * 1000)


def test_readings_that_count_are_no_proof_of_another_pace() -> None:
    clock = known(START)
    for second in (0.25, 0.5, 0.75, 1.0):
        assert clock.read(at(START + int(second * 1900), second))
    assert clock.pace == 1.0


# All of it


class Exchange:
    """An exchange whose `/time` lies now and then, each time by a size of its own (5 s
    to 12 h), and whose newest row lags; all by a seed."""

    def __init__(self, seed: int, pace: int, lag: int) -> None:
        self.chance = random.Random(seed)
        self.clock = ExchangeClock()
        self.pace, self.lag = pace, lag
        self.now, self.truth = 0.0, float(START)
        self.way = 0.05 / pace
        """Seconds that a request or an answer takes at most."""

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.truth += seconds * 1000 * self.pace

    def ask(self, share: float) -> bool:
        sent = self.now
        self.passes(self.chance.uniform(0, self.way))
        said = int(self.truth)
        if self.chance.random() < share:
            size = int(5_000 * 8_640 ** self.chance.random())
            said += self.chance.choice((-size, size))
        self.passes(self.chance.uniform(0, self.way))
        return self.clock.read(Reading(said, sent, self.now))

    def show(self) -> bool:
        sent = self.now
        self.passes(self.way)
        newest = row(int(self.truth) - self.chance.randint(0, self.lag), sent)
        self.passes(self.way)
        return self.clock.show(newest._replace(received=self.now))

    def look(self, share: float) -> None:
        """As the collector does."""
        for attempt in range(4):
            if self.ask(share) or (attempt and self.show()):
                return
            if attempt:
                self.passes(SPAN)

    @property
    def ahead(self) -> float:
        return self.clock.moment(self.now).confirmed - self.truth


@pytest.mark.parametrize("pace", [1, 60])
@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("lag", [0, 19_000])
def test_lies_of_random_size_never_put_it_ahead_and_are_forgotten_in_10_s(
    pace: int, thin: bool, lag: int
) -> None:
    for seed in range(60):
        exchange = Exchange(seed, pace, lag)
        chance, clock = exchange.chance, exchange.clock
        for _ in range(60):
            exchange.look(0.2)
            if pace == 1 and chance.random() < 0.05:
                exchange.truth += chance.uniform(0, 12) * HOUR
            for _ in range(0 if thin else 5):
                exchange.passes(chance.uniform(0, 0.5))
                clock.see(int(exchange.truth), exchange.now)
            exchange.passes(chance.uniform(0, 2))
            if clock.known:
                assert exchange.ahead <= AGREE, seed
        until = exchange.now + 10.0
        while exchange.now < until:
            exchange.look(0.0)
            exchange.passes(1.0)
        exchange.look(0.0)
        assert not clock.doubted
        assert abs(exchange.ahead) <= AGREE + 0.05 * 1000, (seed, exchange.ahead)


@pytest.mark.parametrize(
    ("moment", "time", "seconds"),
    [
        (Moment(10_000, 5.0), 12_000, 2.0),
        (Moment(10_000, 5.0), 10_000, 0.0),
        (Moment(10_000, 5.0), 9_000, -1.0),
        (Moment(10_000, 5.0, ahead=4_000), 12_000, 2.0),
        (Moment(10_000, 5.0, ahead=9_000, still=4_000), 12_000, 6.0),
        (Moment(10_000, 5.0, ahead=9_000, still=4_000), 10_001, 4.001),
        (Moment(10_000, 5.0, ahead=9_000, still=4_000), 10_000, 0.0),
        (Moment(10_000, 5.0, ahead=9_000, still=4_000), 7_000, -3.0),
        (Moment(10_000, 5.0), float("inf"), float("inf")),
    ],
)
def test_what_event_times_put_it_ahead_it_stands_still_for(
    moment: Moment, time: float, seconds: float
) -> None:
    assert moment.left(time) == seconds
