"""Series at its edges: each wait, bound and comparison by the last millisecond."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import pytest

from klinetail.candle import DAY, MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.attempts import RETRY
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import ABSENT, Wish
from klinetail.contract.finality import CONFIRM, NOTICE, SETTLED
from klinetail.contract.held import HELD
from klinetail.contract.holes import NO_ROW
from klinetail.contract.output import Output
from klinetail.contract.series import Series
from klinetail.errors import UsageError
from klinetail.events import (
    Drop,
    DropEvent,
    GapEvent,
    MuteEvent,
    PreviewEvent,
    RevisionEvent,
    TradedEvent,
    UnconfirmedEvent,
)
from klinetail.protocol.klines import Row
from tests.contract.minutes import STREAM, T0, begun, candle, moment, row


def test_how_long_it_waits_is_what_was_measured() -> None:
    assert (GRACE, SETTLED, CONFIRM, ABSENT) == (3_000, 30_000, 20_000, 5_000)
    assert (NOTICE, RETRY, HELD) == (1.0, (1.0, 30.0), 500)


def test_unless_told_otherwise_it_looks_ahead_only() -> None:
    series = Series(STREAM)
    assert (series.started, series.closed.maxlen) == (False, 500)
    series.begin(moment(T0 + 30_000))
    assert (series.started, series.expected) == (True, T0)
    series.accept(candle(T0 + 2 * MINUTE, 5), Moment(T0 + 3 * MINUTE + 500, 0.0))
    series.fail("HTTP 503", Moment(T0 + 3 * MINUTE + 500, 0.0))
    assert series.tick(Moment(T0 + 3 * MINUTE + 600, 29.9)) == []
    assert series.tick(Moment(T0 + 3 * MINUTE + 600, 30.0)) != []


def test_before_it_begins_it_awaits_nothing() -> None:
    series = Series(STREAM)
    now = moment(T0)
    assert series.tick(now) == []
    assert series.due(now) == series.exchange_due(now) == math.inf
    assert series.overdue(now) is series.lacking is series.ended is False
    assert series.idle_at() == math.inf
    assert (series.hearing.unheard, series.hearing.newest, series.forming) == (
        0,
        0,
        None,
    )


def test_due_counts_real_seconds_from_now() -> None:
    series = begun()
    assert series.due(Moment(T0 + 30_000, 1000.0)) == 1030.0
    assert series.exchange_due(Moment(T0 + MINUTE, 0.0)) == math.inf
    assert series.exchange_due(Moment(T0 + 2 * MINUTE, 0.0)) == math.inf
    late = Moment(T0 + 10 * MINUTE, 1000.0)
    series.tick(late)
    assert series.due(late) == 1001.0


def test_due_is_when_the_hold_ends_if_something_waits() -> None:
    now = Moment(T0 + 31_000, 1000.0)
    series = begun(lines=5, hold=20.0)
    series.take_wish(now)
    series.fail("HTTP 503", now, 60.0)
    assert series.due(now) == 1060.0
    series.accept(candle(T0 + MINUTE, 1, closed=False), now)
    assert series.due(now) == 1020.0
    assert series.tick(Moment(T0 + 31_000, 1019.9)) == []
    (gap,) = series.tick(Moment(T0 + 31_000, 1020.0))
    assert gap == GapEvent(STREAM, T0 - 5 * MINUTE, T0, "HTTP 503"), "T0 is not over"


def test_what_is_on_its_way_is_not_due() -> None:
    series = begun()
    now = Moment(T0 + 4 * MINUTE, 1000.0)
    series.accept(candle(T0 + 2 * MINUTE, 5), now)
    assert series.due(now) <= 1000.0
    assert series.asking is False
    series.take_wish(now)
    assert series.asking is True
    assert series.tick(now) == []
    assert series.due(now) > 1000.0


def test_a_wish_that_queued_is_for_what_is_missing_when_it_is_sent() -> None:
    series = begun()
    assert series.renew_wish() is None, "there is none"
    series.accept(candle(T0 + 5 * MINUTE, 5), Moment(T0 + 6 * MINUTE, 1000.0))
    now = Moment(T0 + 6 * MINUTE, 1000.0)
    assert series.take_wish(now) == series.renew_wish() == Wish(T0, T0 + 5 * MINUTE)
    series.accept(candle(T0, 5), now, echo=True)
    series.accept(candle(T0 + 4 * MINUTE, 5), now, echo=True)
    assert series.renew_wish() == Wish(T0 + MINUTE, T0 + 4 * MINUTE)
    assert series.take_wish(now) is None, "it is on its way"
    asked = Moment(T0 + 10 * MINUTE, 1100.0)
    rows = [row(T0 + n * MINUTE, asked.exchange) for n in range(1, 5)]
    filled = series.fill(rows, asked, asked)
    assert [one.open_time for one in filled] == [T0 + n * MINUTE for n in range(1, 6)]


def test_a_wish_of_what_came_while_it_queued_is_none() -> None:
    series = begun()
    now = Moment(T0 + 3 * MINUTE, 1000.0)
    series.accept(candle(T0 + MINUTE, 5), now)
    assert series.take_wish(now) is not None
    assert len(series.accept(candle(T0, 5), now, echo=True)) == 2
    assert series.renew_wish() is None
    series.accept(candle(T0 + 3 * MINUTE, 5), now)
    assert series.take_wish(now) == Wish(T0 + 2 * MINUTE, T0 + 3 * MINUTE)


def test_a_wish_of_a_gap_stays_what_it_was() -> None:
    series, now = given_up()
    wish = series.take_wish(now)
    assert series.renew_wish() == wish == Wish(T0, T0 + 3 * MINUTE, late=True)


def given_up(**options: object) -> tuple[Series, Moment]:
    """A series three candles of which were given up, in the middle of the fifth."""
    series = begun(hold=0.0, **options)
    now = Moment(T0 + 4 * MINUTE, 1000.0)
    series.accept(candle(T0 + 3 * MINUTE, 5), now)
    series.take_wish(now)
    series.fail("HTTP 503", now)
    assert len(series.tick(now)) == 2
    return series, now


def test_a_gap_is_asked_for_every_thirty_seconds_or_as_the_exchange_asks() -> None:
    series, now = given_up()
    wish = Wish(T0, T0 + 3 * MINUTE, late=True)
    assert series.due(now) < 1000.0
    assert series.take_wish(now) == wish
    assert series.due(now) == 1060.0, "it is on its way; the next close is due"
    series.fail("HTTP 503", now)
    assert series.due(now) == 1030.0
    assert series.take_wish(Moment(now.exchange, 1029.9)) is None
    assert series.take_wish(Moment(now.exchange, 1030.0)) == wish
    series.fail("HTTP 429", now, 45.0)
    assert series.take_wish(Moment(now.exchange, 1044.9)) is None
    assert series.take_wish(Moment(now.exchange, 1045.0)) == wish
    assert series.fill([], now, Moment(now.exchange, 1046.0)) == []
    assert series.due(Moment(now.exchange, 1046.0)) == 1076.0


def test_failing_gaps_do_not_slow_down_what_is_missing_now() -> None:
    series, now = given_up()
    for _ in range(3):
        series.take_wish(Moment(now.exchange, math.inf))
        series.fail("HTTP 503", now)
    series.accept(candle(T0 + 5 * MINUTE, 5), moment(T0 + 6 * MINUTE + 500))
    assert series.take_wish(Moment(now.exchange, 1000.9)) is None
    now = Moment(now.exchange, 1001.0)
    assert series.take_wish(now) == Wish(T0 + 4 * MINUTE, T0 + 5 * MINUTE)
    series.fail("HTTP 503", now)
    assert series.take_wish(Moment(now.exchange, 1001.9)) is None
    assert series.take_wish(Moment(now.exchange, 1002.0)) is not None


def test_a_gap_is_filled_piece_by_piece_and_not_beyond() -> None:
    series, now = given_up()
    at = Moment(now.exchange + SETTLED, 1001.0)
    rows = [row(T0 + n * MINUTE, at.exchange) for n in range(5)]
    series.take_wish(at)
    (piece,) = series.fill(rows[:2], at, at)
    assert piece == GapEvent(STREAM, T0, T0 + MINUTE, "HTTP 503", (rows[0],))
    rest = Wish(T0 + MINUTE, T0 + 3 * MINUTE, late=True)
    assert series.take_wish(at) == rest
    assert series.fill(rows[3:5], at, at) == [], "they lie behind it"
    at = Moment(at.exchange, 1031.0)
    assert series.take_wish(at) == rest
    filled = GapEvent(STREAM, rest.start, rest.end, "HTTP 503", (rows[1], rows[2]))
    assert series.fill(rows[1:], at, at) == [filled]
    assert series.take_wish(at) is None
    assert [one.open_time for one in series.closed] == [one.open_time for one in rows][
        :4
    ]


def test_of_a_gap_whose_first_candle_never_was_the_others_are_filled() -> None:
    """Listed amid it, say, while REST failed for longer than the hold."""
    series, now = given_up()
    series.take_wish(now)
    at = moment(T0 + 10 * MINUTE)
    rows = [row(T0 + n * MINUTE, at.exchange) for n in range(1, 6)]
    gap = GapEvent(STREAM, T0 + MINUTE, T0 + 3 * MINUTE, "HTTP 503", tuple(rows[:2]))
    assert series.fill(rows, at, at) == [gap]
    assert [one.open_time for one in series.closed] == [
        T0 + n * MINUTE for n in range(1, 4)
    ]
    assert series.take_wish(at) == Wish(T0, T0 + MINUTE, late=True)
    assert series.fill(rows, at, at) == [], "and is asked for as any other gap"
    assert series.take_wish(at) is None


def test_what_never_was_at_the_head_of_a_long_gap_does_not_go_first_again() -> None:
    series, now = given_up()
    series.take_wish(now)
    at = moment(T0 + 10 * MINUTE)
    rows = [row(T0 + n * MINUTE, at.exchange) for n in (1, 2)]
    (filled,) = series.fill(rows[:2], at, at)
    assert filled.candles == (rows[0],)
    assert series.take_wish(at) == Wish(T0 + 2 * MINUTE, T0 + 3 * MINUTE, late=True)


def test_a_hole_in_an_answer_fills_no_gap_behind_it() -> None:
    series, now = given_up()
    series.take_wish(now)
    at = moment(T0 + 10 * MINUTE)
    rows = [row(T0 + n * MINUTE, at.exchange) for n in (0, 2, 3)]
    (filled,) = series.fill(rows, at, at)
    assert (filled.end, filled.candles) == (T0 + MINUTE, (rows[0],))


def test_gaps_are_filled_oldest_first() -> None:
    series, now = given_up()
    later = Moment(now.exchange + 3 * MINUTE, 1001.0)
    series.accept(candle(T0 + 6 * MINUTE, 5), later)
    series.take_wish(later)
    series.fail("HTTP 429", later)
    assert len(series.tick(later)) == 2
    rows = [row(T0 + n * MINUTE, later.exchange) for n in range(2)]
    assert series.take_wish(later) == Wish(T0, T0 + 3 * MINUTE, late=True)
    assert len(series.fill(rows, later, later)) == 1
    wish = Wish(T0 + MINUTE, T0 + 3 * MINUTE, late=True)
    assert series.take_wish(later) == wish
    rows = [row(T0 + n * MINUTE, later.exchange) for n in (1, 2, 3)]
    assert len(series.fill(rows, later, later)) == 1
    wish = Wish(T0 + 4 * MINUTE, T0 + 6 * MINUTE, late=True)
    assert series.take_wish(later) == wish


def test_young_rows_fill_no_gap_before_they_are_confirmed() -> None:
    series, now = given_up()
    last = candle(T0 + 2 * MINUTE, 1, source=Source.REST)
    close = last.close_time
    series.take_wish(now)
    rows = [row(T0, now.exchange), row(T0 + MINUTE, now.exchange), last]
    asked = Moment(close + 9_000, 1000.0)
    (piece,) = series.fill(rows, asked, asked)
    assert piece.candles == tuple(rows[:2])
    asked = Moment(close + 29_000, 1031.0)
    series.take_wish(asked)
    following = candle(T0 + 3 * MINUTE, 1, source=Source.REST)
    (piece,) = series.fill([last, following], asked, asked)
    assert piece.candles == (last,)
    assert not series._fetching.finality.seen


def test_the_pause_between_failures_doubles_up_to_thirty_seconds() -> None:
    series = begun(lines=1)
    now = moment(T0 + 31_000)
    pauses = []
    for _ in range(20):
        series.fail("HTTP 503", now)
        pauses.append(series.due(now) - now.monotonic)
    assert pauses == [1, 2, 4, 8, 16] + [30] * 15


def test_a_success_ends_the_row_of_failures() -> None:
    series = begun(lines=2, hold=30.0)
    now = Moment(T0 + 41_000, 1000.0)
    for _ in range(4):
        series.take_wish(now)
        series.fail("HTTP 503", now)
    asked = Moment(T0 + 41_000, 1010.0)
    assert series.take_wish(asked) is not None
    rows = [row(T0 + n * MINUTE, asked.exchange) for n in (-2, -1)]
    assert series.fill(rows, asked, asked) == rows[:1]
    series.take_wish(asked)
    series.fail("HTTP 503", asked)
    assert series.take_wish(Moment(T0 + 41_000, 1010.9)) is None
    assert series.take_wish(Moment(T0 + 41_000, 1011.0)) is not None
    series.accept(candle(T0 + MINUTE, 1, closed=False), asked)
    assert series.tick(Moment(T0 + 41_000, 1039.9)) == [], "the hold starts afresh"
    assert series.tick(Moment(T0 + 41_000, 1040.0)) != []


def test_a_hold_that_ended_starts_the_next_one_afresh() -> None:
    series = begun(hold=5.0)
    now = Moment(T0 + 4 * MINUTE, 1000.0)
    series.accept(candle(T0 + MINUTE, 5), now)
    for _ in range(4):
        series.fail("HTTP 503", now)
    assert len(series.tick(Moment(now.exchange, 1005.0))) == 2
    series.accept(candle(T0 + 3 * MINUTE, 5), now)
    series.take_wish(Moment(now.exchange, 1008.0))
    series.fail("HTTP 418", Moment(now.exchange, 1008.0))
    assert series.take_wish(Moment(now.exchange, 1009.0)) is not None
    assert series.tick(Moment(now.exchange, 1012.9)) == []
    (gap, *_) = series.tick(Moment(now.exchange, 1013.0))
    assert gap.reason == "HTTP 418"


def test_only_what_is_overdue_by_the_grace_is_fetched() -> None:
    series = begun()
    series.tick(Moment(T0 + MINUTE, 100.0))
    at = Moment(T0 + 2 * MINUTE + GRACE - 1, 160.0)
    series.tick(at)
    assert series.take_wish(at) == Wish(T0, T0 + MINUTE)


def test_it_is_overdue_by_both_clocks_or_not() -> None:
    series = begun()
    end = T0 + MINUTE
    series.tick(Moment(end, 100.0))
    assert series.overdue(Moment(end + GRACE - 1, 110.0)) is False
    assert series.overdue(Moment(end + GRACE, 100.9)) is False
    assert series.overdue(Moment(end + GRACE, 101.0)) is True
    series.grace = 10_000
    assert series.overdue(Moment(end + 9_999, 110.0)) is False
    assert series.overdue(Moment(end + 10_000, 110.0)) is True
    series.accept(candle(T0, 3), Moment(end + 10_000, 110.0))
    assert series.grace == GRACE
    assert series.overdue(Moment(end + 10_000, 110.0)) is False


def test_an_ended_series_awaits_nothing() -> None:
    """But the candle of its last trade, and those before it."""
    series = begun(lines=3)
    now = moment(T0 + 4 * MINUTE)
    series.tick(moment(T0 + MINUTE))
    series.tick(now)
    assert series.lacking
    assert series.overdue(now)
    assert not series.started
    series.end()
    assert series.ended is series.started is series.lacking is True
    assert not series.finished
    assert series.take_wish(now) == Wish(T0 - 3 * MINUTE, T0 + MINUTE)
    rows = [candle(T0 + n * MINUTE, 1, source=Source.REST) for n in range(-3, 4)]
    assert series.fill(rows, now, now) == rows[:4]
    assert series.finished
    assert series.overdue(now) is series.lacking is False
    assert series.take_wish(now) is None
    assert series.due(now) == series.exchange_due(now) == math.inf
    series.resume(now)
    assert series.lacking is False


def test_what_is_traded_again_is_awaited_again() -> None:
    """What came after the end was held, and nobody ever fetched what was missing."""
    series = nothing_comes(hold=10.0)
    series.end()
    now = moment(T0 + 9 * MINUTE + 500)
    close = candle(T0 + 8 * MINUTE, 4, event_time=now.exchange)
    assert series.accept(close, now) == [TradedEvent(STREAM)]
    assert series.ended is False
    assert series.take_wish(now) == Wish(T0, T0 + 8 * MINUTE)
    assert series.tick(moment(T0 + 10 * MINUTE)) == [], "it has not failed yet"
    rows = [row(T0 + n * MINUTE, now.exchange) for n in range(10)]
    assert series.fill(rows, now, now) == [*rows[:8], close]


def test_a_frame_of_the_awaited_candle_tells_that_it_is_traded() -> None:
    series = begun()
    series.end()
    first = candle(T0, 4, closed=False)
    out = series.accept(first, moment(T0 + 40_000))
    assert out == [TradedEvent(STREAM), first]
    assert not series.ended


def test_a_frame_of_before_the_end_changes_nothing() -> None:
    series = begun()
    close = candle(T0, 4)
    now = moment(T0 + MINUTE + 500)
    series.accept(close, now)
    series.end()
    assert series.accept(close, now) == [DropEvent(Drop.DUPLICATE, STREAM)]
    assert series.ended


def nothing_comes(**options: object) -> Series:
    """A series of which REST has no row half a minute after its close."""
    series = begun(**options)
    series.tick(moment(T0 + MINUTE))
    asked = moment(T0 + MINUTE - 1 + SETTLED)
    series.tick(asked)
    assert series.take_wish(asked) == Wish(T0, T0 + MINUTE)
    assert series.fill([], asked, asked) == []
    return series


def test_denied_is_what_answers_lack_from_the_first_one_on() -> None:
    series = nothing_comes()
    asked = T0 + MINUTE - 1 + SETTLED
    assert series.denied(moment(asked)) == 0.0
    assert series.denied(moment(asked + 7_000)) == 7.0
    later = moment(asked + ABSENT)
    series.take_wish(later)
    assert series.fill([], later, later) == []
    assert series.denied(moment(asked + 7_000)) == 7.0
    series.fail("HTTP 503", later)
    assert series.denied(moment(asked + 7_000)) == 0.0
    much_later = moment(asked + 60_000)
    series.take_wish(much_later)
    assert series.fill([], much_later, much_later) == []
    assert series.denied(much_later) == 0.0, "what failed until then was no answer"
    series = nothing_comes()
    series.take_wish(later)
    assert series.fill([row(T0, later.exchange)], later, later) == []
    assert series.denied(later) == 0.0, "there it is, though not for certain yet"
    assert series.idle_at() == math.inf
    assert begun().denied(later) == 0.0
    series = nothing_comes()
    series.resume(later)
    assert series.denied(later) == 0.0


def lack(series: Series, at: Moment, rows: Sequence[Row] = ()) -> list[Output]:
    """What comes of an answer that is asked for `at` a time, and of that time."""
    assert series.take_wish(at) is not None
    return [*series.fill(rows, at, at), *series.tick(at)]


def test_an_old_row_that_is_missing_is_given_up_and_a_young_one_is_not() -> None:
    series = nothing_comes(hold=0.0)
    at = moment(T0 + 2 * MINUTE)
    forming = candle(T0 + MINUTE, 1, closed=False)
    series.accept(forming, at)
    assert lack(series, at) == [], "one answer is not enough"
    (gap, released) = lack(series, moment(at.exchange + 1_000))
    assert (gap, released) == (GapEvent(STREAM, T0, T0 + MINUTE, NO_ROW), forming)
    for age in (SETTLED - 1, SETTLED):
        series = begun(hold=0.0)
        early = candle(T0 + MINUTE, 1, closed=False, event_time=T0 + MINUTE + 1)
        series.accept(early, moment(T0 + MINUTE + 1))
        asked = moment(T0 + MINUTE - 1 + age)
        series.resume(asked)
        assert lack(series, asked) == []
        if age < SETTLED:
            assert series.exchange_due(asked) == asked.exchange + ABSENT
        else:
            assert series.due(asked) == asked.monotonic + RETRY[0]
            again = Moment(asked.exchange, asked.monotonic + RETRY[0])
            assert len(lack(series, again)) == 2


def test_a_row_that_was_seen_once_and_is_gone_is_given_up_too() -> None:
    series = begun(hold=0.0)
    now = moment(T0 + 2 * MINUTE + SETTLED)
    held = candle(T0 + MINUTE, 3, event_time=now.exchange)
    series.accept(held, now)
    assert lack(series, now, [row(T0, now.exchange)]) == []
    now = moment(now.exchange + CONFIRM)
    assert lack(series, now) == []
    now = moment(now.exchange + 1_000)
    assert lack(series, now) == [GapEvent(STREAM, T0, T0 + MINUTE, NO_ROW), held]


def test_a_young_row_is_asked_for_again_when_that_can_tell() -> None:
    end = T0 + MINUTE
    for age, again in ((1, CONFIRM + 1), (9_000, 29_000), (12_000, SETTLED)):
        series = Series(STREAM)
        series.begin(moment(T0))
        asked = moment(end - 1 + age)
        series.resume(moment(end))
        assert series.take_wish(asked) == Wish(T0, end)
        last = candle(T0, 1, source=Source.REST)
        late = Moment(asked.exchange + 700, asked.monotonic + 0.5)
        assert series.fill([last], asked, late) == []
        assert series.exchange_due(asked) == end - 1 + again
        early = Moment(end + 10 * MINUTE, late.monotonic + 0.9)
        assert series.take_wish(early) is None
        assert series.take_wish(Moment(end - 1 + again, late.monotonic + 1.0))


def test_a_young_row_with_no_later_one_is_not_asked_for_every_second() -> None:
    """Of a thin symbol it takes a while until there is one."""
    series = begun()
    end = T0 + MINUTE
    series.tick(moment(end))
    asked = []
    for time in range(end, end + SETTLED + 1_000, 100):
        now = moment(time)
        series.tick(now)
        if series.take_wish(now) is not None:
            asked.append(time - end)
            series.fill([row(T0, time)], now, now)
    assert asked == [GRACE, GRACE + CONFIRM, SETTLED]
    assert series.expected == end


def test_a_row_is_old_enough_thirty_seconds_after_its_close() -> None:
    rows = [row(T0, T0 + MINUTE), row(T0 + MINUTE, T0 + MINUTE)]
    for age, believed in ((SETTLED - 1, False), (SETTLED, True)):
        series = begun()
        series.resume(moment(T0 + MINUTE))
        asked = moment(rows[0].close_time + age)
        series.take_wish(asked)
        assert bool(series.fill(rows, asked, asked)) is believed


def test_two_answers_confirm_a_row_only_if_both_clocks_and_all_values_agree() -> None:
    end = T0 + MINUTE
    last, next_ = candle(T0, 2, source=Source.REST), row(end, end)
    seen = Moment(end + 1_000, 1000.0)
    again = Moment(end + 1_000 + CONFIRM, 1001.0)
    dearer = msgspec.structs.replace(last, high_text="103")
    more = msgspec.structs.replace(last, count=3)
    for rows, asked, believed in (
        ([last, next_], again, True),
        ([last], again, False),
        ([dearer, next_], again, False),
        ([more, next_], again, False),
        ([last, next_], again._replace(exchange=again.exchange - 1), False),
        ([last, next_], again._replace(monotonic=1000.9), False),
        ([last], Moment(end - 1 + SETTLED, 1001.0), True),
        ([last], Moment(end - 2 + SETTLED, 1001.0), False),
    ):
        series = begun()
        series.resume(moment(end))
        assert series.fill([last, next_], seen, seen) == []
        assert series.fill(rows, asked, asked) == ([last] if believed else [])


def test_a_row_of_a_minute_that_is_not_over_is_nothing() -> None:
    series = begun()
    asked = moment(T0 + MINUTE - 1)
    series.accept(candle(T0 + MINUTE, 1, closed=False), asked)
    series.resume(moment(T0 + MINUTE))
    forming = candle(T0, 1, source=Source.REST)
    assert series.fill([forming], asked, asked) == []


def mute(up_at: int, *, count: int = 2, heard: bool = False) -> Series:
    """A series whose first candle came by REST, the line being up since `up_at`."""
    series = Series(STREAM)
    series.begin(moment(T0))
    series.resume(moment(up_at))
    if heard:
        series.accept(candle(T0, 1, closed=False), moment(T0 + 100))
    give_row(series, T0, count)
    return series


def give_row(series: Series, open_time: int, count: int) -> None:
    asked = moment(open_time + MINUTE + SETTLED)
    series.tick(moment(open_time + MINUTE))
    series.tick(asked)
    series.take_wish(asked)
    rows = [
        candle(open_time, count, source=Source.REST),
        candle(open_time + MINUTE, 0, source=Source.REST),
    ]
    assert series.fill(rows, asked, asked) == rows[:1]


def test_candles_with_trades_that_a_line_did_not_bring_are_counted() -> None:
    series = mute(T0)
    assert series.hearing.unheard == 1
    since = (T0 + MINUTE + SETTLED) / 1000
    assert series.hearing.unheard_since == since
    give_row(series, T0 + MINUTE, 1)
    assert (series.hearing.unheard, series.hearing.unheard_since) == (2, since)
    give_row(series, T0 + 2 * MINUTE, 0)
    assert series.hearing.unheard == 2, "without a trade there is no frame"
    series.lose()
    give_row(series, T0 + 3 * MINUTE, 1)
    assert series.hearing.unheard == 2, "the line was down"
    frame = candle(T0 + 4 * MINUTE, 1, closed=False)
    series.accept(frame, moment(T0 + 4 * MINUTE + 100))
    assert (series.hearing.unheard, series.hearing.newest) == (0, T0 + 4 * MINUTE)
    series.accept(candle(T0 + 3 * MINUTE, 1), moment(T0 + 4 * MINUTE + 500))
    assert series.hearing.newest == T0 + 4 * MINUTE
    series.resume(moment(T0 + 4 * MINUTE + 600))
    give_row(series, T0 + 4 * MINUTE, 1)
    give_row(series, T0 + 5 * MINUTE, 1)
    assert series.hearing.unheard == 1
    assert series.hearing.unheard_since == since + 5 * MINUTE / 1000


def test_what_a_line_need_not_have_brought_is_not_counted() -> None:
    assert mute(T0 + 1).hearing.unheard == 0
    assert mute(T0, count=0).hearing.unheard == 0
    assert mute(T0, heard=True).hearing.unheard == 0


def test_a_frame_may_open_one_interval_ahead() -> None:
    series = begun()
    ahead = candle(T0 + MINUTE, 0, closed=False, event_time=T0 + MINUTE)
    assert series.accept(ahead, moment(T0)) == [PreviewEvent(ahead)]
    ahead = candle(T0 + 2 * MINUTE, 1, closed=False)
    reason = f"btcusdt@1m: {T0 + 2 * MINUTE} opens in the future"
    dropped = DropEvent(Drop.BAD, STREAM, reason)
    assert series.accept(ahead, moment(T0 + MINUTE - 1)) == [dropped]


def test_of_months_it_may_open_31_days_ahead() -> None:
    stream = Stream("BTCUSDT", Interval.MO1)
    series = Series(stream)
    month = Interval.MO1.shift(Interval.MO1.floor(T0), 2)
    now = moment(month - 31 * DAY)
    series.begin(now)
    ahead = candle(month, 1, closed=False, stream=stream)
    (dropped,) = series.accept(ahead, moment(now.exchange - 1))
    assert dropped.why is Drop.BAD
    assert series.accept(ahead, now) == [PreviewEvent(ahead)]


def test_a_close_at_its_own_last_millisecond_is_too_early() -> None:
    series = begun()
    now = moment(T0 + MINUTE)
    early = candle(T0, 1, event_time=T0 + MINUTE - 1)
    reason = f"btcusdt@1m: {T0} closed before its end"
    assert series.accept(early, now) == [DropEvent(Drop.BAD, STREAM, reason)]
    close = candle(T0, 1, event_time=T0 + MINUTE)
    assert series.accept(close, now) == [close]


def three_closed(keep: int = 500) -> tuple[Series, list[Candle], Moment]:
    series = begun(keep=keep)
    now = moment(T0 + 4 * MINUTE)
    closes = [candle(T0 + n * MINUTE, 3) for n in range(3)]
    for close in closes:
        assert series.accept(close, now) == [close]
    return series, closes, now


def test_a_revision_of_any_kept_candle_is_told_and_kept() -> None:
    for at in range(3):
        series, closes, now = three_closed()
        revised = candle(T0 + at * MINUTE, 4)
        revision = RevisionEvent(closes[at], revised)
        assert series.accept(revised, now) == [revision]
        closes[at] = revised
        assert list(series.closed) == closes


def test_a_forming_frame_of_a_delivered_or_held_candle_is_stale() -> None:
    series, _, now = three_closed()
    stale = [DropEvent(Drop.STALE, STREAM)]
    assert series.accept(candle(T0, 1, closed=False), now) == stale
    held = candle(T0 + 4 * MINUTE, 3)
    assert series.accept(held, now) == []
    forming = candle(T0 + 4 * MINUTE, 9, closed=False, event_time=held.event_time)
    assert series.accept(forming, now) == stale
    assert series.accept(held, now) == [DropEvent(Drop.DUPLICATE, STREAM)]


def test_a_closed_candle_is_not_forming_any_more() -> None:
    series = begun()
    now = moment(T0 + MINUTE + 500)
    forming = candle(T0, 1, closed=False)
    series.accept(forming, now)
    assert series.forming == forming
    series.accept(candle(T0, 2), now)
    assert series.forming is None


def test_what_was_held_is_missing_no_more() -> None:
    series = begun()
    now = moment(T0 + 2 * MINUTE + 500)
    later = candle(T0 + MINUTE, 2)
    series.accept(later, now)
    assert series.lacking
    close = candle(T0, 2, event_time=later.event_time)
    assert series.accept(close, now) == [close, later]
    assert not series.lacking


def test_two_answers_that_disagree_about_the_listing_settle_nothing() -> None:
    """What one of them had is held all the same, and comes out once two agree."""
    series = begun(lines=10)
    rows = {n: row(T0 + n * MINUTE, T0 + 40_000) for n in range(-9, 1)}
    at = 41_000
    for first in (-3, -5):
        now = moment(T0 + at)
        assert series.take_wish(now) is not None
        answer = [rows[n] for n in range(first, 1)]
        assert series.fill(answer, now, now) == []
        at += 6_000
    now = moment(T0 + at)
    assert series.take_wish(now) == Wish(T0 - 10 * MINUTE, T0 - 5 * MINUTE)
    came = series.fill([rows[-3], rows[-2]], now, now)
    assert came == [rows[n] for n in range(-5, 0)]
    assert series.accept(candle(T0 - 6 * MINUTE, 1), now) == []


def test_answers_that_never_agree_about_the_listing_end_in_a_gap() -> None:
    """What waits is not to wait for ever."""
    series = begun(lines=10, hold=10.0)
    rows = {n: row(T0 + n * MINUTE, T0 + 40_000) for n in range(-9, 1)}
    out = []
    for second, first in enumerate((-3, -4, -5), 41):
        now = Moment(T0 + second * 1_000, 1000.0 + 10 * (second - 41))
        out += lack(series, now, [rows[first], rows[first + 1]])
    gap = GapEvent(STREAM, T0 - 10 * MINUTE, T0 - 5 * MINUTE, NO_ROW)
    assert out == [gap, *(rows[n] for n in (-5, -4, -3))]


def test_an_answer_without_rows_says_nothing_about_the_listing() -> None:
    """Two that begin alike do, whatever came between them; and what waits is not to
    wait for ever if there is nothing but empty ones."""
    for others, comes in (([row(T0, T0 + MINUTE)], True), ([], False)):
        series = begun(lines=5, hold=10.0)
        close = candle(T0, 2, event_time=T0 + MINUTE + 500)
        now = moment(T0 + MINUTE + 500)
        series.accept(close, now)
        assert lack(series, now, [row(T0, now.exchange)]) == []
        for second in (2, 4):
            assert lack(series, moment(T0 + MINUTE + second * 1_000)) == []
        assert series.tick(moment(T0 + MINUTE + 11_999)) == []
        last = lack(series, moment(T0 + MINUTE + 11_999), others)
        if comes:
            assert last == [close]
            continue
        gap = GapEvent(STREAM, T0 - 5 * MINUTE, T0, NO_ROW)
        assert last == []
        at = moment(T0 + MINUTE + 12_000)
        assert series.due(at) == at.monotonic, "once more when the hold is over"
        assert lack(series, at) == [gap, close]


def test_a_row_that_begins_late_is_no_listing_once_history_has_begun() -> None:
    series = begun(lines=3)
    rows = [row(T0 + n * MINUTE, T0 + 40_000) for n in (-3, -2, -1, 0)]
    now = moment(T0 + 31_000)
    series.take_wish(now)
    assert series.fill(rows[:2], now, now) == rows[:1]
    for second in (41, 51):
        now = moment(T0 + second * 1000)
        series.take_wish(now)
        assert series.fill(rows[2:], now, now) == []
    assert series.expected == T0 - 2 * MINUTE


D3 = Stream("BTCUSDT", Interval.D3)


def three_days(lines: int = 0) -> tuple[Series, int, Moment]:
    """A series of 3d candles, one of which opens a day after the guess."""
    opens = Interval.D3.floor(T0) - 2 * DAY
    now = moment(opens + DAY)
    series = Series(D3, lines=lines)
    series.begin(now)
    return series, opens, now


def test_three_days_are_anchored_by_a_frame_as_well() -> None:
    series, opens, now = three_days()
    assert (series.expected, series.lacking, series.started) == (0, True, False)
    assert series.tick(now) == []
    series.resume(now)
    assert series.lacking
    forming = candle(opens, 1, closed=False, stream=D3)
    assert series.accept(forming, now) == [forming]
    assert (series.expected, series.started, series.lacking) == (opens, True, False)
    later = moment(opens + 6 * DAY)
    assert series.overdue(later) is False, "it takes notice first"
    series.resume(later)
    assert series.take_wish(later) == Wish(opens, opens + 6 * DAY)


def test_overdue_three_days_are_fetched_by_their_anchor() -> None:
    series, opens, now = three_days()
    series.accept(candle(opens, 1, closed=False, stream=D3), now)
    series.tick(moment(opens + 3 * DAY))
    later = moment(opens + 6 * DAY + GRACE)
    series.tick(later)
    assert series.take_wish(later) == Wish(opens, opens + 6 * DAY)


def test_three_days_that_open_amid_others_are_no_candles() -> None:
    """They would be waited for, and wait, for ever."""
    series, opens, now = three_days()
    series.accept(candle(opens, 1, closed=False, stream=D3), now)
    later = moment(opens + 4 * DAY + 500)
    (drop,) = series.accept(candle(opens + DAY, 3, stream=D3), later)
    assert isinstance(drop, DropEvent)
    assert drop.why is Drop.BAD
    assert not series.lacking
    series.resume(later)
    assert series.take_wish(later) == Wish(opens, opens + 3 * DAY)
    rows = [
        candle(opens + days * DAY, 3, stream=D3, source=Source.REST) for days in (1, 4)
    ]
    told = series.fill(rows, later, later)
    assert told == [
        DropEvent(
            Drop.BAD,
            D3,
            f"btcusdt@3d: a bad row: {opens + days * DAY} opens amid other candles",
        )
        for days in (1, 4)
    ]
    series.trading.look_up_from = math.inf  # whether its symbol ended is not asked
    assert series.due(later) == later.monotonic + RETRY[0]
    assert series.expected == opens


def test_rows_that_open_amid_others_fill_no_gap_of_three_days() -> None:
    series, opens, now = three_days()
    series.accept(candle(opens, 1, closed=False, stream=D3), now)
    later = moment(opens + 7 * DAY)
    series.accept(candle(opens + 6 * DAY, 1, closed=False, stream=D3), later)
    series.tick(later)
    series.resume(later)
    series.take_wish(later)
    series.fail("HTTP 503", later)
    (gap, _) = series.tick(Moment(later.exchange, later.monotonic + 30.0))
    late = Moment(later.exchange, later.monotonic + 90.0)
    assert series.take_wish(late) == Wish(gap.start, gap.end, late=True)
    rows = [
        candle(opens + days * DAY, 3, stream=D3, source=Source.REST) for days in (1, 4)
    ]
    assert series.fill(rows, late, late) == []


def test_of_three_days_one_more_is_asked_for_and_a_lack_is_a_failure() -> None:
    series, _, now = three_days(lines=2)
    guess = Interval.D3.floor(now.exchange)
    wish = Wish(guess - 9 * DAY, guess + 3 * DAY)
    assert series.take_wish(now) == wish
    assert series.fill([], now, now) == []
    assert series.due(now) == now.monotonic + 1.0
    assert series.take_wish(Moment(now.exchange, now.monotonic + 0.9)) is None
    assert series.take_wish(Moment(now.exchange, now.monotonic + 1.0)) == wish
    assert series.idle_at() == math.inf


def test_three_days_are_anchored_by_a_single_row() -> None:
    series, opens, now = three_days(lines=1)
    series.take_wish(now)
    last = candle(opens - 3 * DAY, 1, source=Source.REST, stream=D3)
    assert series.fill([last], now, now) == []
    assert series.expected == last.open_time


def test_a_newer_forming_frame_follows_an_older_one() -> None:
    series = begun()
    now = moment(T0 + 40_000)
    for count in (1, 2, 3):
        forming = candle(T0, count, closed=False)
        assert series.accept(forming, now) == [forming]


def test_the_forming_candle_itself_waits_for_nothing() -> None:
    series = begun(lines=0, hold=5.0)
    series.accept(candle(T0, 1, closed=False), moment(T0 + 40_000))
    now = Moment(T0 + MINUTE, 1000.0)
    series.resume(now)
    series.take_wish(now)
    series.fail("HTTP 503", now, 60.0)
    assert series.due(now) == 1060.0
    assert series.tick(Moment(T0 + MINUTE, 1005.0)) == []


def test_the_next_page_is_asked_for_at_once() -> None:
    series = begun(lines=3)
    now = moment(T0 + 31_000)
    series.take_wish(now)
    rows = [row(T0 + n * MINUTE, now.exchange) for n in (-3, -2)]
    assert series.fill(rows, now, now) == rows[:1]
    assert series.take_wish(now) == Wish(T0 - 2 * MINUTE, T0)


def test_an_answer_that_came_too_late_delays_nothing() -> None:
    series = begun()
    now = moment(T0 + MINUTE + 1_000)
    series.resume(now)
    assert series.take_wish(now) is not None
    close = candle(T0, 3)
    assert series.accept(close, now) == [close]
    assert series.fill([row(T0, now.exchange)], now, now) == []
    series.resume(moment(T0 + 2 * MINUTE))
    assert series.take_wish(Moment(T0 + 2 * MINUTE, now.monotonic)) is not None
    series = begun()
    series.resume(now)
    assert series.take_wish(now) is not None
    series.accept(close, now)
    assert series.fill([row(T0, now.exchange)], now, now) == []
    held = candle(T0 + 2 * MINUTE, 3)
    series.accept(held, moment(T0 + 2 * MINUTE))
    assert series.take_wish(now) is not None


def test_the_answer_about_a_gap_does_not_delay_what_is_missing_now() -> None:
    series, now = given_up()
    assert series.take_wish(now) is not None
    series.accept(candle(T0 + 5 * MINUTE, 5), now)
    assert series.fill([], now, now) == []
    assert series.take_wish(Moment(now.exchange, 1000.9)) is None
    wish = Wish(T0 + 4 * MINUTE, T0 + 5 * MINUTE)
    assert series.take_wish(Moment(now.exchange, 1001.0)) == wish


def test_behind_a_gap_the_next_hole_is_asked_for_without_a_pause() -> None:
    series = begun(hold=0.0)
    now = Moment(T0 + 4 * MINUTE, 1000.0)
    for n in (1, 3):
        series.accept(candle(T0 + n * MINUTE, 5), now)
    assert series.take_wish(now) == Wish(T0, T0 + MINUTE)
    assert series.fill([], now, now) == []
    now = Moment(T0 + 4 * MINUTE, 1001.0)
    assert len(lack(series, now)) == 2
    assert series.take_wish(now) == Wish(T0 + 2 * MINUTE, T0 + 3 * MINUTE)


def test_a_row_that_lacks_behind_the_listing_is_a_hole() -> None:
    series = begun(lines=4, hold=10.0)
    now = moment(T0 + 41_000)
    rows = [row(T0 + n * MINUTE, now.exchange) for n in (-4, -3, -2, -1, 0)]
    assert lack(series, now, [rows[1], *rows[3:]]) == []
    now = moment(T0 + 42_000)
    assert lack(series, now, [rows[1], *rows[3:]]) == [rows[1]]
    assert series.due(now) == now.monotonic + RETRY[0]
    assert lack(series, moment(T0 + 43_000), rows[3:]) == []
    gap = GapEvent(STREAM, T0 - 2 * MINUTE, T0 - MINUTE, NO_ROW)
    assert lack(series, moment(T0 + 50_000), rows[3:]) == []
    assert series.take_wish(moment(T0 + 50_999)) is None
    assert lack(series, moment(T0 + 51_000), rows[3:]) == [gap, rows[3]]


def test_later_rows_do_not_stand_in_for_the_one_that_is_missing() -> None:
    series = begun(lines=1, hold=0.0)
    now = moment(T0 + 3 * MINUTE)
    series.accept(candle(T0 - MINUTE, 3), now)
    rows = [candle(T0 + n * MINUTE, 4, source=Source.REST) for n in (1, 2)]
    held = candle(T0 + 2 * MINUTE, 3)
    series.accept(held, now)
    assert lack(series, now, rows) == []
    gap = GapEvent(STREAM, T0, T0 + MINUTE, NO_ROW)
    assert lack(series, moment(now.exchange + 1_000), rows) == [gap, rows[0], held]


def test_a_gap_ends_where_the_first_of_what_waits_begins() -> None:
    series = begun(hold=0.0)
    now = moment(T0 + 6 * MINUTE)
    series.accept(candle(T0, 1, closed=False), now)
    held = [candle(T0 + n * MINUTE, 3) for n in (3, 4)]
    for one in held:
        series.accept(one, now)
    series.accept(candle(T0 + 6 * MINUTE, 1, closed=False), now)
    series.take_wish(now)
    series.fail("HTTP 503", now)
    gap = GapEvent(STREAM, T0, T0 + 3 * MINUTE, "HTTP 503")
    assert series.tick(now) == [gap, *held]


def test_a_gap_does_not_end_at_the_forming_candle_it_begins_with() -> None:
    series = begun(hold=0.0)
    now = moment(T0 + 4 * MINUTE)
    series.accept(candle(T0, 1, closed=False), now)
    held = candle(T0 + 3 * MINUTE, 3)
    series.accept(held, now)
    series.take_wish(now)
    series.fail("HTTP 503", now)
    gap = GapEvent(STREAM, T0, T0 + 3 * MINUTE, "HTTP 503")
    assert series.tick(now) == [gap, held]


def test_behind_a_gap_failures_and_hold_start_afresh() -> None:
    series = begun(hold=5.0)
    now = Moment(T0 + 3 * MINUTE, 1000.0)
    series.accept(candle(T0 + MINUTE, 1, closed=False), now)
    series.resume(now)
    for _ in range(4):
        series.fail("HTTP 503", now)
    assert len(series.tick(Moment(now.exchange, 1005.0))) == 2
    series.accept(candle(T0 + 2 * MINUTE, 1, closed=False), now)
    now = Moment(now.exchange, 1020.0)
    assert series.take_wish(now) == Wish(T0 + MINUTE, T0 + 3 * MINUTE)
    series.fail("HTTP 503", now)
    assert series.tick(now) == []
    assert series.take_wish(Moment(now.exchange, 1020.9)) is None
    assert series.take_wish(Moment(now.exchange, 1021.0)) is not None


def test_what_was_seen_of_a_delivered_candle_is_forgotten() -> None:
    series = begun()
    asked = moment(T0 + MINUTE + 4_000)
    series.resume(asked)
    series.take_wish(asked)
    rows = [candle(T0, 1, source=Source.REST), row(T0 + MINUTE, T0 + MINUTE)]
    assert series.fill(rows, asked, asked) == []
    assert series._fetching.finality.seen
    series.accept(candle(T0, 2, event_time=T0 + MINUTE + 5_000), asked)
    assert not series._fetching.finality.seen


def test_what_was_seen_of_a_gap_is_forgotten_when_its_close_is_pushed() -> None:
    series, now = given_up()
    series.take_wish(now)
    assert series.fill([candle(T0, 1, source=Source.REST)], now, now) == []
    assert series._fetching.finality.seen
    close = candle(T0, 2)
    assert series.accept(close, now) == [
        GapEvent(STREAM, T0, T0 + MINUTE, "HTTP 503", (close,))
    ]
    assert not series._fetching.finality.seen


def test_only_the_usual_frame_is_followed() -> None:
    """Newer, forming, of the awaited candle, which is known, and with nothing held."""
    first = candle(T0, 5, closed=False, event_time=T0 + 5_000)
    newer = candle(T0, 6, closed=False, event_time=T0 + 5_001)

    def known() -> Series:
        series = begun()
        assert series.accept(first, moment(T0 + 5_000)) == [first]
        return series

    series = known()
    assert series.follow(newer)
    assert series.forming == newer
    assert begun().follow(first) is False, "nothing is known of it"
    assert not known().follow(first), "it is not newer"
    assert not known().follow(msgspec.structs.replace(newer, event_time=T0 + 4_999))
    assert not known().follow(msgspec.structs.replace(newer, closed=True))
    later = candle(T0 + MINUTE, 1, closed=False, event_time=T0 + MINUTE + 1)
    assert not known().follow(later), "another is awaited"
    series = known()
    series.accept(later, moment(T0 + MINUTE + 1))
    newest = msgspec.structs.replace(later, event_time=T0 + MINUTE + 2)
    assert not series.follow(newest), "it is the newest, but not awaited"
    assert not series.follow(newer), "it is awaited, but not the newest"
    series = known()
    series.accept(candle(T0 + MINUTE, 9), moment(T0 + 2 * MINUTE + 600))
    assert not series.follow(newer), "one is held"
    series = known()
    series.end()
    assert not series.follow(newer), "it is traded again"


def test_to_follow_is_to_hear() -> None:
    series = begun()
    series.accept(candle(T0, 1, closed=False), moment(T0 + 1))
    series.hearing.unheard = 3
    assert series.follow(candle(T0, 2, closed=False))
    assert series.hearing.unheard == 0


def test_what_was_held_behind_candles_that_never_were_is_let_out() -> None:
    """Listed in this minute: once two answers agree, its close waits for nothing."""
    series = begun(lines=1)
    close = candle(T0, 7)
    now = moment(T0 + MINUTE + 1_000, 1_060.0)
    assert series.accept(close, now) == []
    young = row(T0, T0 + MINUTE + 1_000)
    assert series.take_wish(now) is not None
    assert series.fill([young], now, now) == []
    later = moment(T0 + MINUTE + 7_000, 1_067.0)
    assert series.take_wish(later) is not None
    assert series.fill([young], later, later) == [close]
    assert series.expected == T0 + MINUTE


def test_what_a_frame_came_of_was_listed_whatever_the_rows_say() -> None:
    series = begun(lines=3)
    close = candle(T0 - MINUTE, 3, event_time=T0 + 31_000)
    assert series.accept(close, moment(T0 + 31_000)) == []
    out = []
    for second in (32, 40):
        at = moment(T0 + second * 1000)
        series.take_wish(at)
        out += series.fill([row(T0, at.exchange)], at, at)
    assert out == [close]
    assert (series.expected, series.lacking) == (T0, False)


def test_frames_that_come_meanwhile_do_not_prolong_a_hold() -> None:
    series = begun(hold=10.0)
    now = Moment(T0 + 2 * MINUTE + 30_000, 1000.0)
    series.accept(candle(T0 + MINUTE, 1), now)
    series.take_wish(now)
    series.fail("HTTP 503", now)
    for second in range(1, 10):
        at = Moment(now.exchange + second * 1000, now.monotonic + second)
        event_time = T0 + 2 * MINUTE + 30_000 + second
        forming = candle(T0 + 2 * MINUTE, 1, closed=False, event_time=event_time)
        series.accept(forming, at)
        assert series.tick(at) == []
    assert len(series.tick(Moment(now.exchange + 10_000, 1010.0))) == 3


def test_what_waited_before_is_no_part_of_a_hold() -> None:
    series = begun(hold=10.0)
    series.accept(candle(T0 + MINUTE, 1), Moment(T0 + 2 * MINUTE + 1, 1000.0))
    series.accept(candle(T0, 1), Moment(T0 + 2 * MINUTE + 2, 1000.0), echo=True)
    now = Moment(T0 + 3 * MINUTE + 4000, 1010.0)
    series.tick(now)
    now = Moment(T0 + 3 * MINUTE + 4000, 1012.0)
    series.tick(now)
    assert series.take_wish(now) is not None
    series.fail("HTTP 503", now)
    series.accept(candle(T0 + 3 * MINUTE, 1), Moment(T0 + 4 * MINUTE + 1, 1050.0))
    assert series.tick(Moment(T0 + 4 * MINUTE + 1, 1059.9)) == []
    assert len(series.tick(Moment(T0 + 4 * MINUTE + 1, 1060.0))) == 2


def test_a_line_that_is_back_ends_the_row_of_failures() -> None:
    series = begun()
    now = Moment(T0 + 2 * MINUTE + 1, 1000.0)
    series.accept(candle(T0 + MINUTE, 1), now)
    for _ in range(5):
        series.take_wish(now)
        series.fail("no route to host", now)
        now = Moment(now.exchange, series.due(now))
    assert series.take_wish(Moment(now.exchange, now.monotonic - 0.1)) is None
    now = Moment(now.exchange, now.monotonic - 0.1)
    series.resume(now)
    assert series.take_wish(now) is not None
    series.fail("HTTP 503", now)
    assert series.due(now) == now.monotonic + RETRY[0]


def test_what_has_ended_is_not_overdue() -> None:
    series = begun()
    for seconds in (0, 10):
        late = Moment(T0 + 2 * MINUTE, 1000.0 + seconds)
        series.tick(late)
    assert series.overdue(late)
    series.trading.end(T0)
    assert not series.overdue(late)


def test_before_the_exchange_was_founded_there_is_nothing_to_go_back_to() -> None:
    series = Series(STREAM, lines=5)
    series.begin(moment(86_400_000))
    assert series.expected == 86_400_000


def test_a_close_that_is_pushed_after_its_gap_was_announced_fills_it() -> None:
    series, now = given_up()
    pushed = [candle(T0 + n * MINUTE, 3) for n in range(3)]
    middle, end = T0 + MINUTE, T0 + 2 * MINUTE
    filled = GapEvent(STREAM, middle, end, "HTTP 503", (pushed[1],))
    assert series.accept(pushed[1], now, echo=True) == [filled]
    assert pushed[1] in series.closed
    drop = DropEvent(Drop.DUPLICATE, STREAM)
    assert series.accept(pushed[1], now, echo=True) == [drop]
    assert series.take_wish(now) == Wish(end, T0 + 3 * MINUTE, late=True)
    assert series.accept(pushed[2], now, echo=True) == [], "it is being fetched"
    series.fail("HTTP 503", now)
    series.accept(candle(T0 + 6 * MINUTE, 3), moment(T0 + 7 * MINUTE), echo=True)
    soon = Moment(now.exchange, now.monotonic + 5.0)
    assert series.take_wish(soon) == Wish(T0 + 4 * MINUTE, T0 + 6 * MINUTE)
    assert len(series.accept(pushed[2], now, echo=True)) == 1
    assert len(series.accept(pushed[0], now, echo=True)) == 1
    series.fail("HTTP 503", now)
    times = [one.open_time for one in series.closed]
    assert times == [T0 + n * MINUTE for n in range(4)]
    assert not series._fetching.gaps


def test_a_delivery_ends_the_failing_that_a_hold_counts_from() -> None:
    series = begun(hold=10.0)
    now = Moment(T0 + 2 * MINUTE + 1, 1000.0)
    series.accept(candle(T0 + MINUTE, 1), now)
    series.take_wish(now)
    series.fail("HTTP 503", now)
    assert len(series.accept(candle(T0, 1), now, echo=True)) == 2
    later = Moment(T0 + 4 * MINUTE + 1, 1120.0)
    series.accept(candle(T0 + 3 * MINUTE, 1), later)
    failed = Moment(later.exchange, 1140.0)
    assert series.take_wish(failed) is not None
    series.fail("HTTP 503", failed)
    assert series.tick(Moment(later.exchange, 1149.9)) == []
    assert len(series.tick(Moment(later.exchange, 1150.0))) == 2


def test_the_first_frame_ends_being_mute_whatever_it_is() -> None:
    for follows in (False, True):
        series = begun()
        forming = candle(T0 + MINUTE, 5, closed=False)
        series.accept(forming, moment(T0 + MINUTE))
        series.hearing.mute = True
        again = candle(T0 + MINUTE, 6 if follows else 5, closed=False)
        assert not series.follow(again)
        out = series.accept(again, moment(T0 + MINUTE))
        assert out[-1] == MuteEvent(STREAM, over=True)
        later = candle(T0 + MINUTE, 7, closed=False)
        out = series.accept(later, moment(T0 + MINUTE))
        assert not any(isinstance(item, MuteEvent) for item in out)


def test_a_row_too_young_to_be_believed_is_told_of_once_a_version() -> None:
    series = begun(lines=1)
    told = []
    for count, at in [(5, 31_000 - MINUTE), (5, 5_000), (6, 26_000), (6, 36_000)]:
        now = moment(T0 + at)
        series.take_wish(now)
        rows = [candle(T0 - MINUTE, count, source=Source.REST), row(T0, T0)]
        series.fill(rows, now, now)
        told.append(series.unconfirmed(now))
        assert series.unconfirmed(moment(T0 + at)) is None, "not of this answer"
    until = T0 - 1 + SETTLED
    assert told == [
        None,  # it has not closed yet
        UnconfirmedEvent(STREAM, T0 - MINUTE, T0 + 5_000 + CONFIRM),
        UnconfirmedEvent(STREAM, T0 - MINUTE, until),
        None,
    ]
    assert series.expected == T0


def test_a_flat_row_after_the_end_is_not_said_to_be_confirmed() -> None:
    series = begun(lines=1)
    now = moment(T0 + 5_000)
    series.take_wish(now)
    series.trading.end(T0 + MINUTE)
    series.fill([candle(T0 - MINUTE, 0, source=Source.REST)], now, now)
    assert series.lacking
    assert series.unconfirmed(now) is None


def test_what_is_pending_is_awaited_once_it_is_traded() -> None:
    series = Series(STREAM)
    series.begin(moment(T0 + 30_000), onboard=0)
    assert series.pending is True
    series.trade(T0 + 5 * MINUTE + 1)
    assert series.pending is False
    assert series.expected == T0 + 5 * MINUTE


def test_no_series_begins_where_no_candle_opens() -> None:
    with pytest.raises(UsageError, match="no candle opens at this time"):
        Series(STREAM).begin(moment(T0 + 30_000), start=T0 + 1)


def test_a_frame_without_trades_behind_the_end_is_stale() -> None:
    series = begun()
    series.end()
    frame = candle(T0 + MINUTE, 0, closed=False)
    stale = DropEvent(Drop.STALE, STREAM)
    assert series.accept(frame, moment(T0 + 2 * MINUTE)) == [stale]
    assert series.ended
