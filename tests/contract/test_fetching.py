"""Fetching: what is asked for, and what an answer leaves behind."""

from __future__ import annotations

import math

import pytest

from klinetail.candle import DAY, MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.attempts import RETRY
from klinetail.contract.fetching import ABSENT, Fetching, Wish
from klinetail.contract.finality import CONFIRM, NOTICE, SETTLED
from klinetail.contract.holes import NO_ROW, Lack
from klinetail.contract.order import Order
from klinetail.events import GapEvent
from klinetail.protocol.klines import BadRow
from tests.contract.minutes import STREAM, T0, candle, moment, row

NOW = moment(T0 + 30_000)


def begun(lines: int = 5, *, hold: float = 30.0, follow: bool = True) -> Fetching:
    order = Order(STREAM, lines=lines, keep=500, held=500)
    order.begin(NOW, None, None)
    return Fetching(order, hold=hold, follow=follow)


def order_of(fetching: Fetching) -> Order:
    return fetching._order


def rows(*minutes: int) -> list[Candle]:
    return [row(T0 + n * MINUTE, NOW.exchange) for n in minutes]


def missing(start: int, end: int) -> Wish:
    return Wish(T0 + start * MINUTE, T0 + end * MINUTE)


def test_one_range_at_a_time_is_asked_for() -> None:
    fetching = begun()
    assert fetching.take_wish(NOW) == missing(-5, 0)
    assert fetching.take_wish(NOW) is None
    assert fetching.renew_wish() == missing(-5, 0)


def test_a_range_ends_before_what_is_held() -> None:
    fetching = begun()
    order_of(fetching).held.hold(candle(T0 - 3 * MINUTE, 2))
    assert fetching.take_wish(NOW) == missing(-5, -3)


def test_a_range_that_nothing_lacks_any_more_is_on_its_way_no_more() -> None:
    fetching = begun(1)
    assert fetching.take_wish(NOW) == missing(-1, 0)
    out: list = []
    order_of(fetching).deliver(candle(T0 - MINUTE, 2), out)
    assert fetching.renew_wish() is None
    assert fetching.in_flight is None


def test_the_answer_comes_out_but_for_what_still_runs() -> None:
    fetching = begun(2)
    fetching.take_wish(NOW)
    asked = moment(T0 + SETTLED)
    assert fetching.fill(rows(-2, -1, 0), asked, asked) == rows(-2, -1)
    assert fetching.in_flight is None
    assert fetching.answered


def test_nothing_is_left_to_forget_when_all_came() -> None:
    fetching = begun(2)
    assert not fetching.stirred
    fetching.take_wish(NOW)
    fetching.fail("HTTP 503", NOW)
    assert fetching.stirred
    fetching.take_wish(NOW)
    asked = moment(T0 + SETTLED)
    fetching.fill(rows(-2, -1, 0), asked, asked)
    assert not fetching.stirred
    assert not fetching.attempts.failing


def test_what_a_half_answer_leaves_behind_is_forgotten_with_the_candle() -> None:
    """A candle comes out, the next one lacks, and then a frame brings that one."""
    fetching = begun(4)
    order = order_of(fetching)
    fetching.take_wish(NOW)
    asked = moment(T0 + SETTLED)
    assert fetching.fill(rows(-4, -2, -1, 0), asked, asked) == rows(-4)
    assert fetching.holes.at(T0 - 3 * MINUTE) is not None
    assert fetching.attempts.failures == 1
    assert fetching.stirred
    before, out = order.expected, []
    order.take(candle(before, 2), out)
    fetching.delivered(before)
    assert [one.open_time for one in out] == [T0 - n * MINUTE for n in (3, 2, 1)]
    assert len(fetching.holes) == 0
    assert fetching.attempts.failures == 0
    assert not fetching.stirred


def test_of_another_candle_nothing_that_was_learned_counts() -> None:
    fetching = begun(2)
    order = order_of(fetching)
    fetching.listed.settle(T0)
    fetching.attempts.ask_from = T0
    fetching.attempts.denied_since = 1.0
    fetching.holes.note([Lack(order.expected, T0, NO_ROW)], T0, 1.0)
    order.expect(T0)
    fetching.moved_on()
    assert fetching.listed.begins is None
    assert fetching.attempts.ask_from == 0
    assert fetching.attempts.denied_since is None
    assert len(fetching.holes) == 0


def test_a_bad_row_is_told_again_of_no_candle_that_is_awaited_no_more() -> None:
    fetching = begun(2)
    asked = moment(T0 + SETTLED)
    bad = [BadRow(T0 - n * MINUTE, "crossed") for n in (2, 1)]
    fetching.take_wish(NOW)
    assert len(fetching.fill(bad, asked, asked)) == 2
    fetching.fail("HTTP 503", NOW)
    order_of(fetching).expect(T0 - MINUTE)
    fetching.delivered(T0 - 2 * MINUTE)
    assert fetching.stirred, "the second one is remembered"
    order_of(fetching).expect(T0)
    fetching.delivered(T0 - MINUTE)
    assert not fetching.stirred


@pytest.mark.parametrize("left", ["a row", "a hole", "a bad row", "a failure"])
def test_what_later_candles_left_behind_is_kept(left: str) -> None:
    fetching = begun(3)
    order = order_of(fetching)
    fetching.stirred = True
    order.expect(T0 - 2 * MINUTE)
    if left == "a row":
        assert not fetching.finality.is_final(*rows(-1), False, NOW)
    elif left == "a hole":
        lack = Lack(T0 - MINUTE, T0, NO_ROW)
        fetching.holes.note([lack], T0, 1.0)
    elif left == "a bad row":
        bad = BadRow(T0 - MINUTE, "crossed")
        fetching._bad_rows.tell([bad], order.expected, [])
    else:
        fetching.attempts.failed("HTTP 503", NOW)
    fetching.moved_on()
    assert fetching.stirred
    order.expect(T0)
    fetching.delivered(T0 - 2 * MINUTE)
    assert not fetching.stirred
    assert not fetching.finality.seen


def test_a_bad_row_of_a_candle_to_come_is_remembered_though_all_came() -> None:
    fetching = begun(2)
    fetching.take_wish(NOW)
    asked = moment(T0 + SETTLED)
    bad = BadRow(T0 + MINUTE, "crossed")
    filled = fetching.fill([*rows(-2, -1, 0), bad], asked, asked)
    assert filled[1:] == rows(-2, -1)
    assert fetching.stirred


def test_an_answer_ends_the_failures_though_it_lacks_the_candle() -> None:
    fetching = begun(1)
    fetching.fail("HTTP 503", NOW)
    assert fetching.attempts.failing_since is not None
    asked = moment(T0 + 5_000)
    fetching.take_wish(asked)
    assert fetching.fill([], asked, asked) == []
    assert fetching.attempts.failing_since is None


def test_what_is_let_out_behind_a_late_listing_ends_the_failures() -> None:
    fetching = begun(4)
    order = order_of(fetching)
    held = candle(T0 - 2 * MINUTE, 2)
    order.held.hold(held)
    asked = moment(T0 + SETTLED)
    fetching.fail("HTTP 503", NOW)
    fetching.take_wish(asked)
    assert fetching.fill(rows(-2, -1, 0), asked, asked) == []
    fetching.attempts.failures = 3
    later = moment(asked.exchange + 60_000)
    fetching.take_wish(later)
    assert fetching.fill(rows(-2), later, later) == [held]
    assert order.first == T0 - 2 * MINUTE
    assert fetching.attempts.failures == 0


def test_a_gap_given_up_with_nothing_behind_delivers_nothing() -> None:
    fetching = begun(2)
    fetching.fail("HTTP 503", NOW)
    out: list = []
    fetching.release(out)
    assert out == []
    assert fetching.attempts.failing, "nothing came out"


def test_a_row_that_may_change_is_asked_for_again_when_it_can_be_final() -> None:
    fetching = begun(1)
    fetching.take_wish(NOW)
    asked = moment(T0 + 5_000)
    assert fetching.fill(rows(-1, 0), asked, asked) == []
    assert fetching.attempts.ask_from == asked.exchange + CONFIRM
    assert fetching.attempts.retry_at == asked.monotonic + NOTICE
    told = fetching.unconfirmed(asked)
    assert told is not None
    assert (told.open_time, told.until) == (T0 - MINUTE, asked.exchange + CONFIRM)
    assert fetching.stirred
    asked = moment(asked.exchange + CONFIRM)
    fetching.take_wish(asked)
    assert fetching.fill(rows(-1, 0), asked, asked) == rows(-1)
    assert fetching.unconfirmed(asked) is None


def test_a_young_row_that_is_not_there_is_asked_for_a_little_later() -> None:
    fetching = begun(1)
    fetching.take_wish(NOW)
    asked = moment(T0 + 5_000)
    assert fetching.fill([], asked, asked) == []
    assert fetching.attempts.ask_from == asked.exchange + ABSENT
    assert not fetching.answered


def test_a_failure_is_waited_out() -> None:
    fetching = begun()
    fetching.take_wish(NOW)
    fetching.fail("HTTP 503", NOW, 7.0)
    assert fetching.attempts.reason == "HTTP 503"
    assert fetching.take_wish(Moment(NOW.exchange, NOW.monotonic + 6.9)) is None
    assert fetching.take_wish(Moment(NOW.exchange, NOW.monotonic + 7.0)) is not None


def gone(fetching: Fetching, start: int, end: int) -> GapEvent:
    """Announce candles as missing."""
    order = order_of(fetching)
    wish = missing(start, end)
    gap = GapEvent(STREAM, wish.start, wish.end, "HTTP 503")
    order.expect(gap.end)
    fetching.give_up(gap)
    return gap


def test_a_gap_leaves_nothing_that_was_learned_of_its_candles() -> None:
    fetching = begun(3)
    fetching.attempts.ask_from = T0
    fetching.holes.note([Lack(T0 - 3 * MINUTE, T0 - MINUTE, NO_ROW)], T0, 1.0)
    gone(fetching, -3, -1)
    assert fetching.attempts.ask_from == 0
    assert len(fetching.holes) == 0


def test_a_gap_is_fetched_when_nothing_else_lacks() -> None:
    fetching = begun(3)
    gone(fetching, -3, -1)
    assert fetching.take_wish(NOW) == missing(-1, 0)
    asked = moment(T0 + SETTLED)
    fetching.fill(rows(-1, 0), asked, asked)
    assert fetching.take_wish(asked) == missing(-3, -1)._replace(late=True)
    filled = fetching.fill(rows(-3, -2, -1), asked, asked)
    assert [one.candles for one in filled] == [tuple(rows(-3, -2))]
    assert not fetching.gaps
    kept = [one.open_time for one in order_of(fetching).delivered.closed]
    assert kept == [T0 - n * MINUTE for n in (3, 2, 1)]


def test_a_gap_that_cannot_be_fetched_is_put_off() -> None:
    fetching = begun(2)
    gone(fetching, -2, 0)
    assert fetching.take_wish(NOW) is not None
    fetching.attempts.denied_since = 1.0
    fetching.fail("HTTP 503", NOW, 99.0)
    assert fetching.attempts.denied_since is None
    assert fetching.gaps.retry_at == NOW.monotonic + 99.0
    fetching.gaps.put_off(-math.inf)
    assert fetching.take_wish(NOW) is not None
    assert fetching.fill([], NOW, NOW) == []
    assert fetching.gaps.retry_at == NOW.monotonic + RETRY[1]
    assert not fetching.attempts.failing


def test_a_close_of_a_gap_mends_it_unless_an_answer_is_on_its_way() -> None:
    fetching = begun(2)
    out: list = []
    late = candle(T0 - MINUTE, 3)
    assert fetching.take_late(late, out) is False
    gone(fetching, -2, 0)
    fetching.take_wish(NOW)
    assert fetching.take_late(late, out)
    assert out == []
    fetching.fail("HTTP 503", NOW)
    assert fetching.take_late(late, out)
    assert [one.candles for one in out] == [(late,)]


def test_without_frames_only_an_answer_with_a_candle_tells_that_none_comes() -> None:
    fetching = begun(2, follow=False)
    assert not fetching.alone
    asked = moment(T0 + 5_000)
    fetching.take_wish(NOW)
    fetching.fill(rows(-2), asked, asked)
    assert fetching.alone
    fetching.take_wish(later := moment(T0 + SETTLED))
    fetching.fill([], later, later)
    assert fetching.alone, "one candle is enough"
    following = begun(2)
    following.take_wish(NOW)
    following.fill(rows(-2), asked, asked)
    assert not following.alone


def rest(minute: int, count: int) -> Candle:
    return candle(T0 + minute * MINUTE, count, source=Source.REST)


def test_an_answer_with_the_awaited_candle_does_not_question_the_beginning() -> None:
    fetching = begun(1)
    asked = moment(T0 + 5_000)
    fetching.take_wish(NOW)
    assert fetching.fill(rows(-1, 0), asked, asked) == []
    assert fetching.listed.begins is None


def test_where_candles_begin_is_not_settled_while_earlier_ones_may_come() -> None:
    fetching = begun(1)
    asked = moment(T0 + 10_000)
    fetching.take_wish(NOW)
    assert fetching.fill(rows(0), asked, asked) == []
    assert fetching.listed.begins is None
    assert fetching.attempts.ask_from == T0 - 1 + SETTLED, "earlier candles are final"
    assert fetching.attempts.failures == 0
    assert len(fetching.holes) == 0


def test_where_candles_begin_is_settled_once_for_all() -> None:
    fetching = begun(2)
    order = order_of(fetching)
    for second in (5, 6):
        asked = moment(T0 + second * 1_000)
        fetching.take_wish(asked)
        assert fetching.fill(rows(-1, 0), asked, asked) == []
        fetching.attempts.retry_at = -math.inf
        fetching.attempts.ask_from = 0
    assert order.first == order.expected == T0 - MINUTE
    assert fetching.listed.begins is None, "another candle is awaited"
    asked = moment(T0 + 7_000)
    fetching.take_wish(asked)
    assert fetching.fill(rows(0), asked, asked) == []
    assert order.expected == T0 - MINUTE
    assert fetching.attempts.ask_from == asked.exchange + ABSENT, "it is late, no more"


def test_rows_behind_a_hole_are_held_as_far_as_they_were_asked_for() -> None:
    fetching = begun(5)
    order = order_of(fetching)
    fetching.take_wish(NOW)
    pushed = candle(T0 - 3 * MINUTE, 2)
    order.held.hold(pushed)
    order.hearing.up_since = T0 - 5 * MINUTE
    asked = moment(T0 + MINUTE + SETTLED)
    found = [rest(n, 2) for n in range(-4, 2)]
    assert fetching.fill(found, asked, asked) == []
    assert sorted(order.held) == [T0 - n * MINUTE for n in (4, 3, 2, 1)]
    assert order.held[pushed.open_time].source is Source.STREAM, "it need not be asked"
    assert order.hearing.unheard == 3, "of the other three no frame came"


def test_a_candle_absent_though_later_ones_are_there_is_not_denied() -> None:
    fetching = begun(4)
    asked = moment(T0 + SETTLED)
    fetching.take_wish(NOW)
    assert fetching.fill(rows(-4, -2, -1, 0), asked, asked) == rows(-4)
    assert fetching.attempts.denied_since is None
    fetching.take_wish(asked := moment(T0 + 2 * SETTLED))
    assert fetching.fill(rows(-2, -1, 0), asked, asked) == []
    assert fetching.attempts.denied_since is None
    denied = begun(4)
    denied.take_wish(NOW)
    assert denied.fill(rows(-4, -3), asked, asked) == rows(-4)
    denied.take_wish(asked := moment(T0 + 2 * SETTLED))
    assert denied.fill([], asked, asked) == []
    assert denied.attempts.denied_since == asked.monotonic


def test_after_the_last_trade_no_candle_without_trades_is_delivered() -> None:
    fetching = begun(2)
    order = order_of(fetching)
    order.trading.end(T0)
    asked = moment(T0 + SETTLED)
    fetching.take_wish(NOW)
    found = [rest(-2, 3), rest(-1, 0), rest(0, 0)]
    assert fetching.fill(found, asked, asked) == found[:1]
    assert order.trading.until == T0 - MINUTE
    assert order.finished


def test_before_the_last_trade_candles_without_trades_are_delivered() -> None:
    fetching = begun(2)
    order_of(fetching).trading.end(T0)
    asked = moment(T0 + SETTLED)
    fetching.take_wish(NOW)
    found = [rest(-2, 0), rest(-1, 3), rest(0, 0)]
    assert fetching.fill(found, asked, asked) == found[:2]


def test_a_candle_in_which_frames_showed_trades_is_delivered_whatever_its_row() -> None:
    fetching = begun(2)
    order = order_of(fetching)
    order.trading.see(candle(T0 - MINUTE, 3))
    order.trading.end(T0)
    asked = moment(T0 + SETTLED)
    fetching.take_wish(NOW)
    found = [rest(-2, 3), rest(-1, 0), rest(0, 0)]
    assert fetching.fill(found, asked, asked) == found[:2]


def test_a_bad_row_leaves_a_hole_once_a_later_row_is_there() -> None:
    fetching = begun(1)
    bad = BadRow(T0 - MINUTE, "crossed")
    asked = moment(T0 + SETTLED)
    fetching.take_wish(NOW)
    fetching.fill([bad], asked, asked)
    assert len(fetching.holes) == 0, "it may be mended"
    fetching.attempts.retry_at = -math.inf
    fetching.take_wish(asked)
    fetching.fill([bad, *rows(0)], asked, asked)
    assert fetching.holes.at(bad.open_time) is not None


def test_an_answer_with_nothing_behind_the_candle_disproves_its_hole() -> None:
    fetching = begun(1)
    fetching.holes.note([Lack(T0 - MINUTE, T0, NO_ROW)], T0, 1.0)
    asked = moment(T0 + SETTLED)
    fetching.take_wish(NOW)
    assert fetching.fill([], asked, asked) == []
    assert len(fetching.holes) == 0


def test_without_frames_a_candle_absent_at_the_end_is_a_hole() -> None:
    fetching = begun(3, follow=False)
    asked = moment(T0 + SETTLED)
    fetching.take_wish(NOW)
    assert fetching.fill(rows(-3, -2), asked, asked) == rows(-3)
    asked = moment(asked.exchange + CONFIRM)
    fetching.take_wish(asked)
    assert fetching.fill(rows(-2), asked, asked) == rows(-2)
    fetching.attempts.retry_at = -math.inf
    fetching.take_wish(asked)
    assert fetching.fill([], asked, asked) == []
    assert fetching.holes.at(T0 - MINUTE) is not None


@pytest.mark.parametrize(("late", "is_hole"), [(0, True), (-1, False)])
def test_a_candle_is_a_hole_once_its_row_should_be_settled(
    late: int, is_hole: bool
) -> None:
    fetching = begun(1)
    order_of(fetching).forming = candle(T0, 1, closed=False)
    asked = moment(T0 - 1 + SETTLED + late)
    fetching.take_wish(NOW)
    assert fetching.fill([], asked, asked) == []
    assert (fetching.holes.at(T0 - MINUTE) is not None) is is_hole


def test_a_hole_ends_where_was_asked_no_further() -> None:
    fetching = begun(2)
    order_of(fetching).forming = candle(T0, 1, closed=False)
    asked = moment(T0 + 9 * MINUTE)
    fetching.take_wish(NOW)
    assert fetching.fill([], asked, asked) == []
    assert fetching.holes.end == T0


def test_a_row_that_an_answer_lacks_again_is_waited_for_anew() -> None:
    fetching = begun(1)
    asked = moment(T0 + 5_000)
    fetching.take_wish(NOW)
    assert fetching.fill(rows(-1, 0), asked, asked) == []
    asked = moment(T0 + 7_000)
    fetching.attempts.line_up()
    fetching.attempts.ask_from = 0
    fetching.take_wish(asked)
    assert fetching.fill([], asked, asked) == []
    assert fetching.attempts.ask_from == asked.exchange + ABSENT


def test_of_a_candle_whose_close_may_still_be_pushed_no_confirmation_is_told() -> None:
    fetching = begun(1)
    asked = moment(T0 + MINUTE + 1_000)
    fetching.take_wish(NOW)
    assert fetching.fill(rows(-1, 0), asked, asked) == rows(-1)
    assert T0 in fetching.finality.seen
    assert fetching.unconfirmed(asked) is None


def test_a_candle_absent_behind_an_earlier_row_was_listed_and_is_a_hole() -> None:
    days, length = Stream("BTCUSDT", Interval.D3), 3 * DAY
    order = Order(days, lines=2, keep=9, held=9)
    order.begin(NOW, None, None)
    fetching = Fetching(order, hold=30.0, follow=True)
    wish = fetching.take_wish(NOW)
    assert wish is not None
    times = [wish.start + n * length for n in (0, 2, 3)]
    found = [candle(time, 2, source=Source.REST, stream=days) for time in times]
    for minute in range(1, 5):
        asked = moment(NOW.exchange + minute * MINUTE)
        assert fetching.fill(found, asked, asked) == []
        fetching.attempts.retry_at = -math.inf
        fetching.take_wish(asked)
        del found[:-2]  # the request begins with the awaited candle
    assert order.expected == wish.start + length
    hole = fetching.holes.at(order.expected)
    assert hole is not None
    assert hole.answers == 4


def test_a_candle_whose_row_was_shown_once_was_listed_and_is_a_hole() -> None:
    fetching = begun(1)
    fetching.take_wish(NOW)
    asked = moment(T0 + 5_000)
    assert fetching.fill(rows(-1, 0), asked, asked) == []
    for minute in range(1, 4):
        fetching.attempts.retry_at = -math.inf
        asked = moment(T0 + minute * MINUTE)
        fetching.take_wish(asked)
        assert fetching.fill(rows(0), asked, asked) == []
    assert order_of(fetching).expected == T0 - MINUTE
    assert fetching.holes.at(T0 - MINUTE) is not None


def test_from_a_start_point_on_whatever_answers_lack_is_a_hole() -> None:
    order = Order(STREAM, lines=0, keep=9, held=9)
    order.begin(NOW, None, T0 - 3 * MINUTE)
    fetching = Fetching(order, hold=30.0, follow=True)
    for minute in range(1, 4):
        asked = moment(T0 + minute * MINUTE)
        fetching.attempts.retry_at = -math.inf
        fetching.take_wish(asked)
        assert fetching.fill(rows(-1, 0), asked, asked) == []
    assert order.expected == T0 - 3 * MINUTE
    hole = fetching.holes.at(order.expected)
    assert hole is not None
    assert (hole.end, hole.answers) == (T0 - MINUTE, 3)


def test_candles_begin_no_later_than_with_a_bad_row() -> None:
    fetching = begun(2)
    order = order_of(fetching)
    bad = BadRow(T0 - MINUTE, "crossed")
    for answer in ([bad, *rows(0)], rows(0)):
        asked = moment(T0 + SETTLED)
        fetching.attempts.retry_at = -math.inf
        fetching.take_wish(asked)
        fetching.fill(answer, asked, asked)
    assert order.expected == order.first == T0 - MINUTE
    assert fetching.holes.at(T0 - MINUTE) is not None


def test_behind_a_gap_nothing_that_answers_lack_is_taken_for_not_listed_yet() -> None:
    fetching = begun(3)
    gone(fetching, -3, -2)
    for minute in range(1, 4):
        asked = moment(T0 + minute * MINUTE)
        fetching.attempts.retry_at = -math.inf
        fetching.take_wish(asked)
        assert fetching.fill(rows(-1, 0), asked, asked) == []
    assert order_of(fetching).expected == T0 - 2 * MINUTE
    assert fetching.holes.at(T0 - 2 * MINUTE) is not None
