"""The pace of the exchange's clock: what two readings tell, and what four do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.pace import (
    AGREE,
    FASTEST,
    IN_A_LINE,
    REAL,
    SLOP,
    SPAN,
    Pace,
    PaceMeter,
    Reading,
    pace_between,
    refined,
)

START = 1_700_000_000_000


def at(time: int, now: float) -> Reading:
    """An answer that took no time, `time` ms after the start."""
    return Reading(START + time, now, now)


def test_what_tells_a_pace_is_what_was_chosen() -> None:
    assert (AGREE, SPAN, FASTEST, SLOP, IN_A_LINE) == (1_000, 0.1, 1000.0, 0.05, 4)
    assert REAL == (1.0, 1.0, 1.0, None)


def test_two_readings_tell_a_pace_within_bounds() -> None:
    one, other = at(0, 10.0), at(120_000, 12.0)
    assert pace_between(one, other) == Pace(60.0, 59.5, 60.5, one)
    assert pace_between(one, other).width == 1.0
    slow = Reading(START, 10.0, 12.0)
    assert pace_between(slow, at(120_000, 16.0)) == Pace(24.0, 119 / 6, 121 / 4, slow)
    back = at(-120_000, 12.0)
    assert pace_between(one, back) == Pace(-60.0, -60.5, -59.5, one)
    assert pace_between(slow, at(-120_000, 16.0)).slowest == -121 / 4


@given(
    pace=st.floats(0.5, 900),
    ways=st.lists(st.floats(0, 0.05), min_size=4, max_size=4),
    between=st.floats(SPAN, 1000),
)
def test_the_true_pace_lies_within_the_bounds(
    pace: float, ways: list[float], between: float
) -> None:
    up, down, again, back = ways
    shown = up + down + between + again
    one = Reading(START + int(up * 1000 * pace), 0.0, up + down)
    sent = up + down + between
    other = Reading(START + int(shown * 1000 * pace), sent, shown + back)
    told = pace_between(one, other)
    assert told.slowest <= pace <= told.fastest
    assert told.slowest <= told.value <= told.fastest


@pytest.mark.parametrize(
    ("slowest", "fastest", "may"),
    [
        (0.5, 1.5, True),
        (1.0, 2.0, True),
        (1.0 + SLOP, 2.0, True),
        (1.0 + SLOP + 0.01, 2.0, False),
        (0.1, 1.0 - SLOP, True),
        (0.1, 1.0 - SLOP - 0.01, False),
        (-3.0, -2.0, False),
    ],
)
def test_a_pace_may_be_that_of_real_time(
    slowest: float, fastest: float, may: bool
) -> None:
    assert Pace(0.0, slowest, fastest).may_be_real is may


def test_paces_fit_that_can_be_one() -> None:
    pace = Pace(60.0, 55.0, 65.0)
    for slowest, fastest, fits in [
        (50.0, 55.0, True),
        (50.0, 54.9, False),
        (65.0, 70.0, True),
        (65.1, 70.0, False),
        (0.0, 100.0, True),
        (59.0, 61.0, True),
    ]:
        assert pace.fits(Pace(0.0, slowest, fastest)) is fits
        assert Pace(0.0, slowest, fastest).fits(pace) is fits


def told(*readings: Reading) -> list[Pace | None]:
    meter = PaceMeter()
    found = []
    for reading in readings:
        meter.take(reading)
        found.append(meter.told)
    return found


@pytest.mark.parametrize("pace", [2, 60, 600, 1000])
def test_four_in_a_line_tell_it_and_fewer_do_not(pace: int) -> None:
    readings = [at(second * 1000 * pace, second * 1.0) for second in (0, 5, 10, 15, 20)]
    *few, fourth, fifth = told(*readings)
    assert few == [None] * 3
    assert fourth == pace_between(readings[0], readings[3])
    assert fifth == pace_between(readings[0], readings[4])
    assert fourth.value == pace


def test_four_in_a_line_tell_that_it_is_real_time() -> None:
    assert told(*(at(n * 1000, n * 1.0) for n in range(5)))[3:] == [REAL, REAL]


def test_four_that_could_be_either_tell_nothing() -> None:
    """Of twice real time, half a second tells less than ten seconds."""
    seconds = (0.0, 10.0, 10.5, 20.5)
    assert told(*(at(int(second * 2000), second) for second in seconds))[3] is None


def test_none_is_told_that_no_exchange_runs_at() -> None:
    readings = [at(second * 1_001_000, second * 1.0) for second in range(0, 20, 5)]
    assert told(*readings)[3] is None


def test_readings_that_follow_too_soon_are_passed_over() -> None:
    meter = PaceMeter()
    for now in (0.0, 1.0, 2.0):
        meter.take(at(int(now * 60_000), now))
    meter.take(at(10**9, 2.0 + SPAN / 2))
    assert meter.told is None
    meter.take(at(int((2.0 + SPAN) * 60_000), 2.0 + SPAN))
    assert meter.told is not None
    meter.take(at(10**9, 2.0 + SPAN))
    assert meter.told is not None


def test_what_follows_just_late_enough_counts() -> None:
    readings = [at(int(now * 600_000), now) for now in (0.0, SPAN, 1.0, 2.0)]
    assert told(*readings)[3] is not None


def test_of_a_line_the_readings_before_one_out_of_it_are_forgotten() -> None:
    off, *line = [at(int(now * 60_000), now) for now in (0.0, 1.0, 2.0, 3.0, 4.0)]
    off = off._replace(server_time=START - 3_600_000)
    assert told(off, *line)[4] == pace_between(line[0], line[3])


def test_a_long_line_is_kept_short() -> None:
    meter = PaceMeter()
    for now in range(50):
        meter.take(at(now * 60_000, now * 1.0))
    assert meter._line == [at(now * 60_000, now * 1.0) for now in (0, 48, 49)]


def test_one_out_of_the_line_begins_another() -> None:
    line = [at(int(now * 60_000), now) for now in (0.0, 1.0, 2.0, 3.0)]
    off = at(3_600_000, 4.0)
    after = [at(int(now * 60_000), now) for now in (5.0, 6.0, 7.0, 8.0)]
    found = told(*line, off, *after)
    assert [pace is not None for pace in found] == [
        *[False] * 3,
        True,
        *[False] * 4,
        True,
    ]


def test_what_stays_in_the_line_is_its_beginning_and_its_end() -> None:
    """The longer the line, the more exact its pace."""
    found = told(*(at(int(now * 60_000), now * 1.0) for now in range(20)))
    widths = [pace.width for pace in found[3:] if pace is not None]
    assert len(widths) == 17
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.2


def test_a_leap_amid_a_line_ends_the_line() -> None:
    before = [at(int(now * 1000), now) for now in (0.0, 5.0)]
    after = [at(3_600_000 + int(now * 1000), now) for now in (10.0, 15.0, 20.0, 25.0)]
    assert told(*before, *after) == [*[None] * 5, REAL]


def test_the_pace_of_real_time_is_not_measured_again() -> None:
    assert refined(REAL, at(10**9, 10.0)) is REAL


def test_a_longer_time_tells_a_pace_more_exactly() -> None:
    one = at(0, 0.0)
    rough = Pace(62.0, 55.0, 65.0, one)
    longer = refined(rough, at(600_000, 10.0))
    assert longer == Pace(60.0, 59.9, 60.1, one)
    assert refined(longer, at(540_600, 9.0)) is longer, "less exact"


def test_what_is_no_more_exact_changes_nothing() -> None:
    one, other = at(0, 0.0), at(600_000, 10.0)
    known = pace_between(one, other)
    assert refined(known, other) is known


def test_a_leap_leaves_the_pace_and_is_measured_from_then_on() -> None:
    pace = pace_between(at(0, 0.0), at(600_000, 10.0))
    for leap in (3_600_000, -3_600_000):
        after = at(1_200_000 + leap, 20.0)
        assert refined(pace, after) == pace._replace(since=after)


def test_what_comes_too_soon_tells_nothing_more() -> None:
    pace = Pace(60.0, 0.0, 1e9, Reading(START, 0.0, 1.0))
    assert refined(pace, at(0, 1.0 + SPAN / 2)) is pace
    assert refined(pace, at(60_000, 1.0 + SPAN)) is not pace
    pace = Pace(60.0, 0.0, 1e9, at(0, 0.0))
    assert refined(pace, at(6_000, SPAN)) is not pace
