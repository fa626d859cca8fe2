"""Start points: a stream begins at a given candle, and from there on lacks nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import DAY, LAST_TIME, MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Wish
from klinetail.contract.finality import CONFIRM, SETTLED
from klinetail.contract.grid import FOUNDED
from klinetail.contract.holes import NO_ROW
from klinetail.contract.series import Series
from klinetail.contract.start import check_start
from klinetail.errors import UsageError
from klinetail.events import GapEvent
from tests.contract.minutes import STREAM, T0, candle, moment, row

NOW = moment(T0 + 30_000)


def started(start: int, stream: Stream = STREAM, **options: object) -> Series:
    """A series begun in the middle of the minute at T0."""
    series = Series(stream, **options)
    series.begin(NOW, start=start)
    return series


@pytest.mark.parametrize(
    ("stream", "start", "why"),
    [
        (
            STREAM,
            T0 + 1,
            "no candle opens at this time; the candle around this time opens at",
        ),
        (
            Stream("BTCUSDT", Interval.M5),
            T0 + 2 * MINUTE,
            "no candle opens at this time",
        ),
        (Stream("BTCUSDT", Interval.W1), FOUNDED, "no candle opens at this time"),
        (
            Stream("BTCUSDT", Interval.MO1),
            FOUNDED + DAY,
            "no candle opens at this time",
        ),
        (Stream("BTCUSDT", Interval.D3), T0, "no candle opens at this time"),
        (STREAM, T0 // 1000, "an open time in milliseconds"),
        (STREAM, FOUNDED - MINUTE, "from 2017-01-01T00:00:00Z on"),
        (STREAM, LAST_TIME, "no candle opens at this time"),
        (STREAM, LAST_TIME + 1, "an open time in milliseconds"),
        (STREAM, -MINUTE, "an open time in milliseconds"),
    ],
)
def test_a_start_at_which_no_candle_opens_is_refused(
    stream: Stream, start: int, why: str
) -> None:
    with pytest.raises(UsageError, match=f"^{stream} cannot start at {start}.*{why}"):
        check_start(stream, start)
    with pytest.raises(UsageError, match=why):
        started(start, stream)


def test_the_refusal_names_the_candle_that_runs_then() -> None:
    with pytest.raises(UsageError) as refused:
        check_start(Stream("BTCUSDT", Interval.H1), FOUNDED + 90 * MINUTE)
    assert str(refused.value) == (
        "btcusdt@1h cannot start at 1483234200000 (2017-01-01T01:30:00Z): no candle"
        " opens at this time; the candle around this time opens at 1483232400000"
        " (2017-01-01T01:00:00Z)"
    )


@pytest.mark.parametrize("start", [FOUNDED, LAST_TIME + 1 - MINUTE])
def test_the_first_and_the_last_open_time_are_open_times(start: int) -> None:
    check_start(STREAM, start)


def test_the_future_is_refused_but_for_a_clock_that_is_a_little_late() -> None:
    series = Series(STREAM)
    early = Moment(T0 - GRACE - 1, 100.0)
    with pytest.raises(UsageError, match="the exchange's time is"):
        series.begin(early, start=T0)
    assert series.expected == 0, "nothing was begun"
    series.begin(Moment(T0 - GRACE, 100.0), start=T0)
    assert series.expected == T0
    assert series.started
    assert not series.lacking
    before = candle(T0 - MINUTE, 3)
    assert series.accept(before, moment(T0 + 400)) == [], "it is of no concern"


def test_a_day_of_3d_is_left_to_the_exchange() -> None:
    check_start(Stream("BTCUSDT", Interval.D3), FOUNDED + DAY)
    check_start(Stream("BTCUSDT", Interval.D3), FOUNDED + 2 * DAY)


def test_it_begins_there_whatever_the_lines_are() -> None:
    series = started(T0 - 7 * MINUTE, lines=2)
    assert series.expected == T0 - 7 * MINUTE
    assert not series.started
    assert series.take_wish(NOW) == Wish(T0 - 7 * MINUTE, T0)
    rows = [row(T0 + n * MINUTE, NOW.exchange) for n in range(-7, 1)]
    asked = moment(T0 + SETTLED)
    assert series.fill(rows, asked, asked) == rows[:-1]
    assert series.started
    assert not series.lacking


def test_the_running_candle_is_a_start_without_history() -> None:
    series = started(T0, lines=3)
    assert series.started
    assert not series.lacking
    assert series.expected == T0


def test_of_what_is_not_traded_yet_the_start_counts_for_nothing() -> None:
    series = Series(STREAM)
    series.begin(NOW, onboard=T0 + MINUTE, start=T0 - 5 * MINUTE)
    assert series.pending
    assert series.started
    assert not series.lacking
    assert series.expected == T0


def test_what_the_exchange_lacks_from_the_start_on_is_a_gap() -> None:
    """Of so many lines the same would not have been listed then."""
    series = started(T0 - 4 * MINUTE)
    out: list[object] = []
    rows = [row(T0 + n * MINUTE, NOW.exchange) for n in range(-2, 1)]
    now = moment(T0 + SETTLED)
    for _ in range(200):
        if not series.lacking:
            break
        if series.take_wish(now) is not None:
            out += series.fill(rows, now, now)
        out += series.tick(now)
        due = max(series.due(now), now.monotonic + 0.001)
        assert due < math.inf
        now = moment(now.exchange + math.ceil((due - now.monotonic) * 1000))
    early = GapEvent(STREAM, T0 - 4 * MINUTE, T0 - 2 * MINUTE, NO_ROW)
    assert [one for one in out if isinstance(one, GapEvent)] == [early]
    assert [one.open_time for one in out if isinstance(one, Candle)][:2] == [
        T0 - 2 * MINUTE,
        T0 - MINUTE,
    ]


D3 = Stream("BTCUSDT", Interval.D3)
OPENS = D3.interval.floor(T0, DAY)
"""A candle of 3d that runs at T0, on a grid that is not the guessed one."""


def days(*steps: int) -> list[Candle]:
    """Rows of 3d, counted from the one that runs at T0."""
    length = 3 * DAY
    return [candle(OPENS + n * length, 2, source=Source.REST, stream=D3) for n in steps]


@pytest.mark.parametrize("late", [0, DAY, 2 * DAY])
def test_3d_begins_with_the_first_candle_from_there_on(late: int) -> None:
    start = OPENS - 12 * DAY + late
    series = started(start, D3)
    assert series.expected == 0
    wish = series.take_wish(NOW)
    assert wish is not None
    assert wish.start == start
    steps = range(-4 if late == 0 else -3, 1)
    assert series.fill(days(*steps), NOW, NOW) == days(*steps)[:-1]
    assert series.started


def test_3d_from_the_running_candle_asks_for_rows_that_tell_its_days() -> None:
    series = started(OPENS, D3)
    wish = series.take_wish(NOW)
    assert wish is not None
    assert wish.start < OPENS
    assert series.fill(days(-1, 0), NOW, NOW) == []
    assert series.started
    assert series.expected == OPENS


@given(
    interval=st.sampled_from([i for i in Interval if i is not Interval.D3]),
    back=st.integers(0, 40),
    offset=st.floats(0, 1, exclude_max=True),
    page=st.integers(2, 9),
    live=st.booleans(),
)
def test_pages_from_the_start_on_are_whole_and_in_order_before_what_is_live(
    interval: Interval, back: int, offset: float, page: int, live: bool
) -> None:
    stream = Stream("BTCUSDT", interval)
    current = interval.floor(T0)
    end = interval.shift(current, 1)
    now = Moment(int(current + (end - current) * offset), 1000.0)
    start = interval.shift(current, -back)
    series = Series(stream, lines=3)
    series.begin(now, start=start)
    out: list[object] = []
    if live:  # the running candle closes before the history is there
        close = candle(current, 5, event_time=end + 1, stream=stream)
        now = Moment(end + 1, now.monotonic)
        out += series.accept(close, now)
    for _ in range(200):
        if not series.lacking:
            break
        now = Moment(now.exchange, now.monotonic + 30.0)
        wish = series.take_wish(now)
        if wish is None:
            now = now._replace(exchange=now.exchange + CONFIRM)
            continue
        times = [interval.shift(wish.start, n) for n in range(page)]
        rows = [
            candle(time, 2, source=Source.REST, stream=stream)
            for time in times
            if time <= now.exchange
        ]
        out += series.fill(rows, now, now)
    assert not series.lacking
    assert series.started
    closed = [one for one in out if isinstance(one, Candle) and one.closed]
    assert closed == out
    times = [one.open_time for one in closed]
    assert times == [interval.shift(start, n) for n in range(len(times))]
    assert len(times) >= back + live
