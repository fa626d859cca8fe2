"""Open times: where candles open, and where that has to be learned first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import DAY, MINUTE, Candle, Interval, Source, Stream
from klinetail.contract.grid import FOUNDED, Grid, common_open_time
from klinetail.protocol.klines import BadRow
from tests.contract.minutes import T0, candle

D3 = Stream("BTCUSDT", Interval.D3)
LENGTH = 3 * DAY
TIMES = st.integers(FOUNDED + 40 * DAY, T0)


def three_days(open_time: int) -> Candle:
    return candle(open_time, 2, source=Source.REST, stream=D3)


@given(
    interval=st.sampled_from(Interval), time=TIMES, anchor=st.none() | st.just(2 * DAY)
)
def test_a_time_falls_between_its_candle_and_the_next(
    interval: Interval, time: int, anchor: int | None
) -> None:
    grid = Grid(interval)
    if interval is Interval.D3:
        grid.anchor = anchor
    opens = grid.floor(time)
    assert opens <= time < grid.end_of(opens) <= opens + grid.longest
    assert not grid.amid(opens)
    first = grid.first_from(time)
    assert first == (opens if opens == time else grid.end_of(opens))
    assert grid.end_of(grid.back(opens, 1)) == opens
    assert grid.back(opens, 0) == opens


def test_no_candle_is_older_than_the_exchange() -> None:
    grid = Grid(Interval.D1)
    assert grid.back(FOUNDED + 5 * DAY, 5) == FOUNDED
    assert grid.back(FOUNDED + 5 * DAY, 6) == FOUNDED
    assert grid.back(FOUNDED + 5 * DAY, 4) == FOUNDED + DAY
    assert grid.back(FOUNDED - DAY, 4) == FOUNDED - DAY, "nor is any later than asked"


def test_of_the_calendar_alone_nothing_opens_amid() -> None:
    grid = Grid(Interval.M1)
    assert not grid.amid(T0 + 1)
    assert grid.longest == MINUTE
    assert Grid(Interval.MO1).longest == 31 * DAY


def test_with_an_anchor_two_days_of_three_are_amid() -> None:
    grid = Grid(Interval.D3)
    assert [grid.amid(n * DAY) for n in range(3)] == [False] * 3
    grid.anchor = DAY
    assert [grid.amid(n * DAY) for n in range(6)] == [True, False, True] * 2


@pytest.mark.parametrize(
    ("days", "anchor"),
    [([1], DAY), ([1, 4, 5], DAY), ([2, 1, 5], 2 * DAY), ([1, 2], None), ([], None)],
)
def test_the_anchor_is_what_most_rows_have_in_common(
    days: list[int], anchor: int | None
) -> None:
    base = T0 - T0 % LENGTH
    rows = [three_days(base + n * DAY) for n in days]
    assert common_open_time(rows, LENGTH) == anchor


def test_rows_that_cannot_be_believed_tell_no_anchor() -> None:
    bad = [BadRow(2 * DAY, "crossed"), BadRow(5 * DAY, "crossed"), BadRow(None, "null")]
    assert common_open_time(bad, LENGTH) is None
    assert common_open_time([*bad, three_days(DAY)], LENGTH) == DAY
