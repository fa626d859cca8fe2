"""Series over answers with a row that is bad, absent, swapped, doubled or longer: what
is read of the bytes of an answer, and what comes out in the end."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from klinetail.candle import DAY, MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.attempts import RETRY
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Wish
from klinetail.contract.finality import CONFIRM, SETTLED
from klinetail.contract.held import HELD
from klinetail.contract.holes import NO_ROW, bad_row
from klinetail.contract.output import Output
from klinetail.contract.series import Series
from klinetail.events import Drop, DropEvent, GapEvent, PreviewEvent
from klinetail.protocol.venues import LIVE
from tests.contract.minutes import (
    HARMLESS,
    HOWS,
    STREAM,
    T0,
    answer_of,
    begun,
    candle,
    moment,
    ordered,
    row,
    spoilt,
    written,
)

PAGE = LIVE.limits.page

HOLD = 30.0


class Exchange:
    """A REST side whose rows are the same in each answer, the bad ones too."""

    def __init__(self, first: int, *, order: str = "ascending", lag: int = 0) -> None:
        self.first = first
        self.order = order
        self.lag = lag
        """How old (ms) what it answers is."""
        self.bad: dict[int, str] = {}
        """How the rows of candles are bad, by open time."""
        self.wishes: list[Wish] = []

    def answer(self, wish: Wish, now: int) -> list:
        """What it answers to a request for one row more than is wished for."""
        self.wishes.append(wish)
        limit = min((wish.end - wish.start) // MINUTE + 1, PAGE)
        rows, start = [], max(wish.start, self.first)
        for time in range(start, now - self.lag + 1, MINUTE):
            if len(rows) >= limit:
                break
            if self.bad.get(time) != "absent":
                rows += written(row(time, now - self.lag))
        for at in reversed(range(len(rows))):
            if (how := self.bad.get(rows[at][0])) is not None:
                rows = spoilt(rows, at, how)
        return answer_of(ordered(rows, self.order))


class Run:
    """A series and an exchange, both clocks running alike; what came out, and when."""

    def __init__(self, series: Series, exchange: Exchange, now: int) -> None:
        self.series, self.exchange, self.now = series, exchange, now
        self.out: list[tuple[int, Output]] = []

    def take(self, output: list[Output]) -> None:
        self.out += [(self.now, item) for item in output]

    def until(self, end: int) -> None:
        """Let time pass, as the collector would."""
        for _ in range(2_000):
            at = moment(self.now)
            self.take(self.series.tick(at))
            if (wish := self.series.take_wish(at)) is not None:
                self.take(
                    self.series.fill(self.exchange.answer(wish, self.now), at, at)
                )
                continue
            due = self.series.due(at)
            assert due >= at.monotonic, "what is due was done"
            if due == math.inf or due * 1000 > end:
                self.now = max(self.now, end)
                return
            self.now = math.ceil(due * 1000)
        raise AssertionError("it goes on and on")

    @property
    def closed(self) -> list[Candle]:
        return [one for _, one in self.out if isinstance(one, Candle) and one.closed]

    @property
    def gaps(self) -> list[tuple[int, GapEvent]]:
        return [(at, one) for at, one in self.out if isinstance(one, GapEvent)]

    @property
    def drops(self) -> list[DropEvent]:
        return [one for _, one in self.out if isinstance(one, DropEvent)]


def started(lines: int, exchange: Exchange, **options: object) -> Run:
    """A run that began 40 s into the minute at T0."""
    series = Series(STREAM, lines=lines, **options)
    now = T0 + 40_000
    series.begin(moment(now))
    if options.get("follow", True):
        series.resume(moment(now))
        forming = candle(T0, 1, closed=False, event_time=now)
        series.accept(forming, moment(now))
    return Run(series, exchange, now)


def check_page(lines: int, at: int, how: str, *, follow: bool) -> None:
    """One row of the page that a start asks for is bad in every answer; the last row of
    the page is that of the candle which is forming."""
    times = [T0 - n * MINUTE for n in range(lines, -1, -1)]
    exchange = Exchange(times[0], order=how)
    exchange.bad = {times[at]: how}
    run = started(lines, exchange, follow=follow)
    begins = run.now
    run.until(begins + int(HOLD * 1000) - 1)
    last = at == lines
    lost = how not in (*HARMLESS, "swapped", "descending")
    bad = [drop.detail for drop in run.drops]
    assert len(bad) == (lost and how != "absent")
    if lost and last:  # it only was the proof that the one before does not change
        assert [one.open_time for one in run.closed] == times[:-1]
        assert run.out[-1][0] == begins + CONFIRM
        assert not run.gaps
        return
    if not lost or (how == "absent" and not at):
        assert [one.open_time for one in run.closed] == times[lost:-1]
        assert run.out[-1][0] == begins + 1_000 * lost
        assert not run.gaps
        return
    assert [one.open_time for one in run.closed] == times[:at]
    assert {when for when, _ in run.out} <= {begins}, "what is before it comes at once"
    hole = Wish(times[at], times[at] + MINUTE)
    assert {*exchange.wishes[1:]} == {hole}, "and nothing else is fetched again"
    assert 4 <= len(exchange.wishes) <= 8
    run.until(begins + int(HOLD * 1000) + 1_000)
    ((when, gap),) = run.gaps
    assert (gap.start, gap.end) == (hole.start, hole.end)
    assert when == begins + HOLD * 1000
    assert (
        gap.reason == NO_ROW if how == "absent" else gap.reason.startswith(bad_row(""))
    )
    assert [one.open_time for one in run.closed] == times[:at] + times[at + 1 : -1]
    assert run.series.started
    assert len(run.drops) == len(bad)
    exchange.bad.clear()
    run.until(run.now + 40_000)
    (_, filled) = run.gaps[1]
    assert [one.open_time for one in filled.candles] == [times[at]]
    assert (filled.start, filled.end) == (gap.start, gap.end)


CHANGES = (*HOWS, "swapped", "descending")


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("how", CHANGES)
def test_of_a_small_page_any_row_that_is_bad_costs_just_itself(
    how: str, follow: bool
) -> None:
    for at in range(5):
        check_page(4, at, how, follow=follow)


@settings(max_examples=150)
@given(st.integers(0, PAGE - 1), st.sampled_from(CHANGES), st.booleans())
@example(0, "null", True)
@example(PAGE - 2, "absent", False)
@example(PAGE - 1, "differing", True)
def test_of_a_whole_page_any_row_that_is_bad_costs_just_itself(
    at: int, how: str, follow: bool
) -> None:
    check_page(PAGE - 1, at, how, follow=follow)


def minutes(*numbers: int) -> list[int]:
    return [T0 + n * MINUTE for n in numbers]


def test_of_several_holes_each_is_a_gap_of_its_own_after_one_hold() -> None:
    """They are asked for together, so that none has to wait for the one before."""
    exchange = Exchange(T0 - DAY)
    holes = {-15: "absent", -12: "negative", -11: "absent", -10: "absent", -5: "null"}
    exchange.bad = {T0 + n * MINUTE: how for n, how in holes.items()}
    run = started(20, exchange)
    begins = run.now
    run.until(begins + 31_000)
    assert [(at - begins, gap.start, gap.end) for at, gap in run.gaps] == [
        (30_000, *minutes(-15, -14)),
        (30_000, *minutes(-12, -11)),
        (30_000, *minutes(-11, -9)),
        (30_000, *minutes(-5, -4)),
    ]
    left = [n for n in range(-20, 0) if n not in holes]
    assert [one.open_time for one in run.closed] == minutes(*left)
    again = [wish for wish in exchange.wishes[1:] if wish.start < T0]
    assert again == [Wish(*minutes(-15, -4))] * 5
    assert len(run.drops) == 2


@pytest.mark.parametrize("first", [PAGE - 3, PAGE - 2, PAGE - 1, PAGE])
@pytest.mark.parametrize("length", [1, 3, PAGE + 100])
def test_a_hole_at_the_border_of_a_page_or_of_more_than_one(
    first: int, length: int
) -> None:
    times = [T0 - n * MINUTE for n in range(2 * PAGE + 200, 0, -1)]
    exchange = Exchange(times[0])
    hole = times[first : first + length]
    exchange.bad = dict.fromkeys(hole, "absent")
    run = started(len(times), exchange)
    run.until(run.now + 31_000)
    assert [(gap.start, gap.end, gap.reason) for _, gap in run.gaps] == [
        (hole[0], hole[-1] + MINUTE, NO_ROW)
    ]
    assert [one.open_time for one in run.closed] == [t for t in times if t not in hole]


@pytest.mark.parametrize("held", [1, 5, HELD])
def test_what_lies_behind_a_hole_is_held_as_far_as_there_is_room(held: int) -> None:
    exchange = Exchange(T0 - DAY)
    exchange.bad = dict.fromkeys(minutes(-25, -8), "absent")
    run = started(30, exchange, held=held)
    run.until(run.now + 1_000)
    assert len(run.series._order.held) <= held
    run.until(run.now + 70_000)
    assert [gap.start for _, gap in run.gaps] == minutes(-25, -8)
    left = [n for n in range(-30, 0) if n not in (-25, -8)]
    assert [one.open_time for one in run.closed[:28]] == minutes(*left)


def test_without_a_hold_two_answers_are_enough_and_one_is_not() -> None:
    exchange = Exchange(T0 - DAY)
    exchange.bad = dict.fromkeys(minutes(-2), "absent")
    run = started(3, exchange, hold=0.0)
    begins = run.now
    run.until(begins + 999)
    assert not run.gaps
    run.until(begins + 1_000)
    assert [gap.start for _, gap in run.gaps] == minutes(-2)
    assert [one.open_time for one in run.closed] == minutes(-3, -1)


@pytest.mark.parametrize("follow", [True, False])
def test_a_hold_without_end_gives_nothing_up(follow: bool) -> None:
    exchange = Exchange(T0 - DAY)
    exchange.bad = dict.fromkeys(minutes(-2), "negative")
    run = started(3, exchange, hold=math.inf, follow=follow)
    run.until(run.now + 3_600_000)
    assert [one.open_time for one in run.closed] == minutes(-3)
    assert len(exchange.wishes) < 130, "every thirty seconds at most"
    exchange.bad.clear()
    run.until(run.now + 31_000)
    assert [one.open_time for one in run.closed[:3]] == minutes(-3, -2, -1)
    assert not run.gaps


def test_an_answer_that_has_the_row_again_ends_the_hole() -> None:
    exchange = Exchange(T0 - DAY)
    exchange.bad = dict.fromkeys(minutes(-2), "differing")
    run = started(3, exchange)
    run.until(run.now + 29_000)
    assert len(run.drops) == 1
    assert "the row comes twice" in run.drops[0].detail
    exchange.bad.clear()
    run.until(run.now + 1_000)
    assert [one.open_time for one in run.closed] == minutes(-3, -2, -1)
    assert not run.gaps, "it was asked for once more when the hold was over"


def test_a_close_that_is_pushed_meanwhile_wins() -> None:
    exchange = Exchange(T0 - DAY)
    exchange.bad = dict.fromkeys(minutes(-2), "negative")
    run = started(3, exchange)
    run.until(run.now + 5_000)
    assert [one.open_time for one in run.closed] == minutes(-3)
    held = candle(T0 - MINUTE, 9, event_time=T0 + 41_000)
    drop = DropEvent(Drop.DUPLICATE, STREAM)
    assert run.series.accept(held, moment(run.now), echo=True) == [drop]
    close = candle(T0 - 2 * MINUTE, 7)
    pushed = run.series.accept(close, moment(run.now), echo=True)
    assert pushed[:2] == [close, held]


def test_a_bad_row_of_what_is_held_already_is_no_hole() -> None:
    exchange = Exchange(T0 - DAY)
    exchange.bad = {T0 - 3 * MINUTE: "absent", T0 - MINUTE: "negative"}
    run = started(4, exchange)
    held = candle(T0 - MINUTE, 9, event_time=T0 + 40_500)
    assert run.series.accept(held, moment(run.now)) == []
    run.until(run.now + 31_000)
    assert exchange.wishes[1] == Wish(*minutes(-3, -2))
    assert [gap.start for _, gap in run.gaps] == minutes(-3)
    assert run.closed[-1] == held


@pytest.mark.parametrize("lag", [0, 5_500, 19_000])
def test_what_lies_behind_a_hole_is_held_only_if_it_is_final(lag: int) -> None:
    """Else what comes out after the hold could be as unfinished as it was then."""
    minute = next(t for t in range(T0, T0 + DAY, MINUTE) if row(t, t + DAY).count == 40)
    exchange = Exchange(T0 - DAY, lag=lag)
    exchange.bad = {minute - MINUTE: "absent"}
    series = Series(STREAM, lines=3)
    now = minute + MINUTE + 5_000
    series.begin(moment(now))
    run = Run(series, exchange, now)
    run.until(now)
    assert [one.open_time for one in run.closed] == [minute - 2 * MINUTE]
    assert not series._order.held, "it is five seconds old"
    run.until(now + 61_000)
    assert [gap.start for _, gap in run.gaps] == [minute - MINUTE]
    assert run.closed[1] == row(minute, minute + DAY)


def test_of_a_history_alone_what_lacks_at_its_end_is_given_up_too() -> None:
    exchange = Exchange(T0 - DAY)
    exchange.bad = dict.fromkeys(minutes(-3, -2, -1, 0), "absent")
    run = started(6, exchange, follow=False)
    run.until(T0 + 40_000 + CONFIRM + 29_999)
    assert not run.gaps
    run.until(T0 + 5 * MINUTE)
    assert [(gap.start, gap.end) for _, gap in run.gaps] == [tuple(minutes(-3, 0))]
    assert [one.open_time for one in run.closed] == minutes(-6, -5, -4)
    assert run.series.started
    assert run.series.denied(moment(run.now)) == 0.0


def test_an_exchange_that_has_nothing_is_no_gap_but_said() -> None:
    for how in ("absent", "negative"):
        exchange = Exchange(T0 - DAY)
        exchange.bad = dict.fromkeys(minutes(*range(-6, 9)), how)
        run = started(6, exchange, hold=5.0, follow=False)
        run.until(T0 + 59_000)
        assert run.out == [(T0 + 40_000, drop) for drop in run.drops]
        assert len(run.drops) == (how == "negative") * 7
        assert not run.series.started
        assert run.series.denied(moment(run.now)) == 19.0


def test_while_nothing_is_behind_it_nothing_is_given_up() -> None:
    """It may just be late, however long. A frame of a later candle asks anew."""
    exchange = Exchange(T0 - DAY)
    exchange.bad = dict.fromkeys(minutes(*range(20)), "absent")
    run = started(1, exchange)
    run.until(T0 + 10 * MINUTE)
    assert [one.open_time for one in run.closed] == minutes(-1)
    assert not run.gaps
    run.exchange.wishes.clear()
    forming = candle(T0 + 10 * MINUTE, 1, closed=False)
    run.take(run.series.accept(forming, moment(run.now)))
    begins = run.now
    run.until(begins + 29_999)
    assert len(exchange.wishes) == 5, "at 0, 1, 3, 7 and 15 seconds"
    assert not run.gaps
    run.until(begins + 30_000)
    ((_, gap),) = run.gaps
    # The last one was not over for thirty seconds when the first answers came.
    assert (gap.start, gap.end) == (T0, T0 + 9 * MINUTE)


@pytest.mark.parametrize("answers", [1, 2])
def test_of_a_hole_whose_rest_fails_from_then_on_the_hold_ends_too(
    answers: int,
) -> None:
    """After one answer it is the failing that a gap is announced for, and that it
    counts from."""
    series = begun(lines=3, hold=10.0)
    at = moment(T0 + 40_000)
    rows = written(*(row(T0 + n * MINUTE, at.exchange) for n in (-3, -1, 0)))
    out: list[Output] = []
    for number in range(100):
        out += series.tick(at)
        if out and isinstance(out[-1], Candle) and out[-1].open_time == T0 - MINUTE:
            break
        if series.take_wish(at) is not None:
            if number < answers:
                out += series.fill(answer_of(rows), at, at)
            else:
                series.fail("HTTP 503", at)
        due = series.due(at)
        assert due > at.monotonic
        at = moment(math.ceil(due * 1000))
    assert at.exchange == T0 + {1: 51_000, 2: 50_000}[answers]
    reason = {1: "HTTP 503", 2: NO_ROW}[answers]
    assert out[1:] == [GapEvent(STREAM, *minutes(-2, -1), reason), out[-1]]


def test_bad_rows_are_told_once_a_candle_whatever_is_bad_about_them() -> None:
    series = begun(lines=3, hold=math.inf)
    now = T0 + 40_000
    rows = written(*(row(T0 + n * MINUTE, now) for n in range(-3, 1)))
    told: list[Output] = []
    for number in range(20):
        at = Moment(now + number * 1000, 1000.0 + 60 * number)
        assert series.take_wish(at) is not None
        junk = [
            [0],
            "x" * number,
            [number],
            *spoilt(rows, 1, ("short", "null")[number % 2]),
        ]
        told += series.fill(answer_of(junk), at, at)
    drops = [one for one in told if isinstance(one, DropEvent)]
    assert [one for one in told if isinstance(one, Candle)] == [
        row(T0 - 3 * MINUTE, now)
    ]
    # What has no place is told of once while the same candle is awaited.
    assert len(drops) <= 4
    assert all(one.detail.startswith("btcusdt@1m: a bad row: ") for one in drops)


def test_rows_from_the_future_prove_nothing_and_are_not_kept() -> None:
    series = begun(lines=1)
    asked = moment(T0 + 40_000)
    ahead = row(T0 + 2 * MINUTE, T0 + 40_000)
    assert series.take_wish(asked) is not None
    last = row(T0 - MINUTE, T0)
    (drop,) = series.fill([last, ahead], asked, asked)
    assert isinstance(drop, DropEvent)
    assert f"{T0 + 2 * MINUTE} opens in the future" in drop.detail
    assert not series._order.held
    again = moment(asked.exchange + CONFIRM)
    assert series.take_wish(again) is not None
    assert series.fill([last, ahead], again, again) == [last], "and is told of once"


def test_a_row_that_was_not_asked_for_is_not_held() -> None:
    """Else one whose times are wrong would come out where it does not belong."""
    series = begun(lines=10)
    asked = moment(T0 + 40_000)
    assert series.take_wish(asked) == Wish(*minutes(-10, 0))
    rows = [row(T0 + n * MINUTE, asked.exchange) for n in (-10, -9, -7, 0, 1)]
    series.fill(rows, asked, asked)
    assert [*series._order.held] == minutes(-7)


def three_days(*days: int) -> tuple[list[Candle], int]:
    stream = Stream("BTCUSDT", Interval.D3)
    first = Interval.D3.floor(T0) - 30 * DAY
    return [
        candle(first + day * DAY, 3, stream=stream, source=Source.REST) for day in days
    ], first


def test_three_days_are_anchored_by_most_of_the_rows() -> None:
    rows, first = three_days(3, 4, 6, 9)
    series = Series(rows[0].stream, lines=2)
    at = moment(first + 10 * DAY)
    series.begin(at)
    assert series.take_wish(at) is not None
    out = series.fill(rows, at, at)
    assert [one for one in out if isinstance(one, Candle)] == [rows[0], rows[2]]
    (drop,) = [one for one in out if isinstance(one, DropEvent)]
    assert "opens amid other candles" in drop.detail
    assert series.expected == first + 9 * DAY


def test_three_days_whose_rows_do_not_agree_are_asked_for_again() -> None:
    for days in ((1, 3), (1, 4, 3, 6)):
        rows, first = three_days(*days)
        series = Series(rows[0].stream, lines=3)
        at = moment(first + 10 * DAY)
        series.begin(at)
        assert series.take_wish(at) is not None
        assert series.fill(rows, at, at) == []
        assert series.expected == 0
        assert series.due(at) == at.monotonic + RETRY[0]


def test_a_history_alone_goes_on_to_its_end_and_no_further() -> None:
    """Others may take longer."""
    run = started(2, Exchange(T0 - DAY), follow=False)
    run.until(T0 + 10 * MINUTE)
    assert [one.open_time for one in run.closed] == minutes(-2, -1)
    assert len(run.exchange.wishes) == 1
    assert run.series.due(moment(run.now)) == math.inf


# Frames ahead of their time


def hurried(late: int, **options: object) -> tuple[Series, Moment]:
    """A series whose next candle came 40 s early, while REST fails; so far (ms) after
    it opens that frame seems to be from."""
    series = begun(**options)
    time = T0 + MINUTE + late
    early = candle(T0 + MINUTE, 1, closed=False, event_time=time)
    now = Moment(time, 1_020.0, ahead=40_000 + late, still=40_000 + late)
    assert series.accept(early, now) == [PreviewEvent(early)]
    series.resume(now)
    assert series.take_wish(now) == Wish(*minutes(0, 1))
    series.fail("HTTP 503", now)
    return series, now


def later(now: Moment, seconds: float) -> Moment:
    """So many seconds later, event times standing still until `/time` is at them."""
    confirmed = now.confirmed + int(seconds * 1000)
    exchange = max(now.exchange, confirmed)
    ahead = exchange - confirmed
    return Moment(exchange, now.monotonic + seconds, ahead, still=ahead)


@pytest.mark.parametrize("hold", [0.0, 5.0, 30.0])
@pytest.mark.parametrize("late", [100, 19_000])
def test_a_frame_that_comes_early_makes_no_gap_of_what_is_not_over(
    late: int, hold: float
) -> None:
    series, now = hurried(late, hold=hold)
    at = now
    while at.confirmed < T0 + MINUTE + 500:
        due = series.due(at)
        assert due > at.monotonic, "no busy loop"
        at = later(at, min(due - at.monotonic, 1.0))
        assert series.tick(at) == []
        if series.take_wish(at) is not None:
            series.fail("HTTP 503", at)
    close = candle(T0, 5, event_time=at.confirmed)
    assert series.accept(close, at) == [close, series.forming]


@pytest.mark.parametrize("hold", [0.0, 5.0, 30.0])
@pytest.mark.parametrize("late", [100, 19_000])
def test_it_is_given_up_when_it_is_overdue_for_the_hold(late: int, hold: float) -> None:
    series, now = hurried(late, hold=hold)
    overdue = 40.0 + GRACE / 1000 + hold
    for seconds in (20.0, 39.9, 40.1, overdue - 0.001):
        at = later(now, seconds)
        assert series.tick(at) == []
        if series.take_wish(at) is not None:
            series.fail("HTTP 503", at, 1_000.0)
        expected = now.monotonic + overdue
        assert series.due(at) == pytest.approx(expected, abs=0.002)
    due = T0 + MINUTE + GRACE + hold * 1000 + at.ahead
    assert series.exchange_due(at) == due
    (gap, forming) = series.tick(later(now, overdue))
    assert gap == GapEvent(STREAM, *minutes(0, 1), "HTTP 503")
    assert forming == series.forming


def test_a_gap_ends_before_the_candle_whose_close_may_still_be_pushed() -> None:
    series = begun(hold=0.0)
    forming = candle(T0 + 3 * MINUTE, 1, closed=False)
    now = moment(T0 + 3 * MINUTE + 100)
    series.accept(forming, now)
    series.resume(now)
    assert series.take_wish(now) is not None
    series.fail("HTTP 503", now)
    gap = GapEvent(STREAM, *minutes(0, 2), "HTTP 503")
    assert series.tick(now) == [gap]
    close = candle(T0 + 2 * MINUTE, 5, event_time=T0 + 3 * MINUTE + 900)
    punctual = moment(T0 + 3 * MINUTE + 900)
    assert series.accept(close, punctual) == [close, forming]


# Listed, and not traded yet


def test_a_symbol_whose_first_trade_comes_later_makes_no_gap() -> None:
    for lines in (0, 10):
        exchange = Exchange(T0 + 5 * MINUTE)
        run = started_without_frames(lines, exchange)
        run.until(T0 + 5 * MINUTE + 2_000)
        assert run.out == []
        assert len(exchange.wishes) < 25, "every thirty seconds once it is clear"
        first = candle(T0 + 5 * MINUTE, 1, closed=False, event_time=run.now)
        run.take(run.series.accept(first, moment(run.now)))
        run.until(T0 + 5 * MINUTE + SETTLED + 1_500)
        assert [one for _, one in run.out] == [PreviewEvent(first), first]
        close = candle(T0 + 5 * MINUTE, 9)
        at = moment(close.event_time)
        assert run.series.accept(close, at) == [close]
        assert run.series.started


def started_without_frames(lines: int, exchange: Exchange, **options: object) -> Run:
    series = Series(STREAM, lines=lines, **options)
    now = T0 + 40_000
    series.begin(moment(now))
    series.resume(moment(now))
    return Run(series, exchange, now)


def test_its_first_close_comes_out_once_two_answers_agree() -> None:
    """Pushed when the rows do not show it yet, it is held; and frames that come do not
    have to wait for a pause to end."""
    exchange = Exchange(T0 + DAY)
    run = started_without_frames(0, exchange)
    run.until(T0 + 6 * MINUTE + 500)
    close = candle(T0 + 5 * MINUTE, 9, event_time=run.now)
    run.take(run.series.accept(close, moment(run.now)))
    begins = run.now
    run.until(begins + 9_000)
    assert run.out == []
    exchange.first = T0 + 5 * MINUTE
    run.until(begins + 29_999)
    assert [one for _, one in run.out] == [close]
    assert not run.gaps


@pytest.mark.parametrize("lines", [0, 3])
def test_without_frames_it_starts_with_the_first_row(lines: int) -> None:
    exchange = Exchange(T0 + 2 * MINUTE)
    run = started_without_frames(lines, exchange)
    run.until(T0 + 4 * MINUTE + 40_000)
    assert [one.open_time for one in run.closed] == minutes(2, 3)
    assert not run.gaps


def test_what_lacks_after_the_first_candle_is_a_gap() -> None:
    """A testnet that was reset leaves real gaps."""
    exchange = Exchange(T0 + 2 * MINUTE)
    exchange.bad = dict.fromkeys(minutes(3, 4), "absent")
    run = started_without_frames(0, exchange)
    run.until(T0 + 10 * MINUTE)
    assert [gap.start for _, gap in run.gaps] == minutes(3, 4)
    assert [gap.end for _, gap in run.gaps] == minutes(4, 5)
    assert [one.open_time for one in run.closed[:3]] == minutes(2, 5, 6)


def test_what_is_young_when_two_answers_agree_may_be_there_later() -> None:
    """REST shows a closed candle up to twenty seconds late, though a later one."""
    for lines in (0, 1):
        series = Series(STREAM, lines=lines)
        begins = T0 if lines else T0 - 30_000
        series.begin(moment(begins))
        series.resume(moment(T0))
        out: list[Output] = []
        asked = []
        for time in range(T0 + 4_000, T0 + 41_000, 500):
            at = moment(time)
            out += series.tick(at)
            if series.take_wish(at) is None:
                continue
            asked.append(time)
            shown = [row(T0 - MINUTE, T0)] if time >= T0 + 19_000 else []
            out += series.fill([*shown, row(T0, time)], at, at)
        assert out == [row(T0 - MINUTE, T0)]
        assert len(asked) <= 5


def test_what_a_frame_or_a_bad_row_was_of_is_not_unlisted() -> None:
    for shows in ("frame", "bad row"):
        series = begun(lines=2, hold=10.0)
        at = moment(T0 + 40_000)
        rows = written(*(row(T0 + n * MINUTE, at.exchange) for n in (-2, -1, 0)))
        if shows == "frame":
            late = candle(T0 - 2 * MINUTE, 5, closed=False)
            assert series.accept(late, at) == [late]
        gaps: list[Output] = []
        for number, second in enumerate((40, 42, 50, 52, 54)):
            at = moment(T0 + second * 1_000)
            if series.take_wish(at) is None:
                gaps += series.tick(at)
                continue
            first = shows == "bad row" and not number
            seen = spoilt(rows, 0, "negative" if first else "absent")
            gaps += series.fill(answer_of(seen), at, at)
        gaps = [one for one in gaps if isinstance(one, GapEvent)]
        assert gaps == [GapEvent(STREAM, *minutes(-2, -1), NO_ROW)]
