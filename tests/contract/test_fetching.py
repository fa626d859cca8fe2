"""Fetching: what is asked for, and what an answer leaves behind."""

from __future__ import annotations

import math

from klinetail.candle import MINUTE, Candle
from klinetail.clock import Moment
from klinetail.contract.attempts import RETRY
from klinetail.contract.fetching import ABSENT, Fetching, Wish
from klinetail.contract.finality import CONFIRM, NOTICE, SETTLED
from klinetail.contract.order import Order
from klinetail.events import GapEvent
from tests.contract.test_series import STREAM, T0, candle, moment, row

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
    fetching.fail("HTTP 503", NOW, 99.0)
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
    assert not fetching.take_late(late, out)
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
    following = begun(2)
    following.take_wish(NOW)
    following.fill(rows(-2), asked, asked)
    assert not following.alone
