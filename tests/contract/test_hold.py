"""The hold: what came later waits, and then goes out behind an announced gap."""

from __future__ import annotations

from klinetail.candle import MINUTE
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Fetching
from klinetail.contract.hold import Hold
from klinetail.contract.order import Order
from klinetail.events import GapEvent
from tests.contract.minutes import STREAM, T0, candle, moment

HOLD = 10.0
NOW = moment(T0 + 30_000)


def begun(lines: int = 2) -> tuple[Order, Fetching, Hold]:
    order = Order(STREAM, lines=lines, keep=500, held=500)
    order.begin(NOW, None, None)
    fetching = Fetching(order, hold=HOLD, follow=True)
    return order, fetching, Hold(order, fetching, HOLD)


def test_it_is_never_over_while_nothing_fails_or_nothing_waits() -> None:
    order, fetching, hold = begun()
    assert hold.over is None
    fetching.take_wish(NOW)
    fetching.fail("HTTP 503", NOW)
    assert hold.over is None, "nothing waits"
    order.held.hold(candle(T0, 3))
    assert hold.over is not None
    order.trading.end(order.expected)
    assert hold.over is None, "nothing is expected"
    order.trading.resume()
    assert hold.over is not None
    order.trading.begin(NOW.exchange, T0 + MINUTE)
    assert order.pending
    assert hold.over is None, "nothing is traded yet"


def test_it_counts_from_when_both_fails_and_waits_and_from_the_close() -> None:
    order, fetching, hold = begun()
    order.held.hold(candle(T0, 3))
    hold.note_waiting(NOW)
    later = Moment(NOW.exchange, NOW.monotonic + 4.0)
    hold.note_waiting(later)
    assert order.close.waiting_since == NOW.monotonic, "the first one counts"
    fetching.fail("HTTP 503", later)
    overdue = T0 - MINUTE + GRACE + 10_000
    assert hold.over == (overdue, later.monotonic + HOLD)


def test_it_is_spent_once_something_waited_for_all_of_it() -> None:
    order, _, hold = begun()
    assert not hold.is_spent(NOW)
    hold.note_waiting(NOW)
    assert not hold.is_spent(Moment(T0, NOW.monotonic + 99.0)), "nothing waits"
    order.held.hold(candle(T0, 3))
    hold.note_waiting(NOW)
    assert not hold.is_spent(Moment(T0, NOW.monotonic + HOLD - 0.1))
    assert hold.is_spent(Moment(T0, NOW.monotonic + HOLD))


def test_what_waits_goes_out_behind_a_gap_that_is_fetched_later() -> None:
    order, fetching, hold = begun()
    held = candle(T0 - MINUTE, 3)
    order.held.hold(held)
    fetching.take_wish(NOW)
    fetching.fail("HTTP 503", NOW)
    out: list = []
    hold.give_up(moment(T0 + MINUTE), out)
    gap = GapEvent(STREAM, T0 - 2 * MINUTE, T0 - MINUTE, "HTTP 503")
    assert out == [gap, held]
    assert order.expected == T0
    assert not fetching.attempts.failing
    assert fetching.gaps.first == gap


def test_a_gap_ends_where_a_close_may_still_be_pushed() -> None:
    order, _, hold = begun()
    order.held.hold(candle(T0 + 5 * MINUTE, 3))
    out: list = []
    hold.give_up(moment(T0 + MINUTE + GRACE - 1), out)
    assert [one.end for one in out] == [T0]


def test_a_gap_ends_before_a_later_frame() -> None:
    order, _, hold = begun()
    order.forming = candle(T0 - MINUTE, 1, closed=False)
    out: list = []
    hold.give_up(moment(T0 + 9 * MINUTE), out)
    assert [one.end for one in out if isinstance(one, GapEvent)] == [T0 - MINUTE]
    assert out[1:] == [order.forming]


def test_of_what_ended_without_a_trade_nothing_is_missing() -> None:
    order, _, hold = begun()
    order.trading.end(T0)
    out: list = []
    hold.give_up(moment(T0 + 9 * MINUTE), out)
    assert out == []
    assert order.finished


def test_of_what_ended_with_trades_the_gap_goes_to_the_end() -> None:
    order, _, hold = begun()
    order.trading.see(candle(T0 - MINUTE, 4))
    order.trading.end(T0)
    out: list = []
    hold.give_up(moment(T0 + 9 * MINUTE), out)
    assert [(one.start, one.end) for one in out] == [(T0 - 2 * MINUTE, T0)]


def test_what_begins_to_wait_asks_an_exchange_at_once_that_had_nothing() -> None:
    order, fetching, hold = begun()
    fetching.attempts.lacking(NOW, later=False)
    assert fetching.attempts.retry_at > NOW.monotonic
    order.held.hold(candle(T0, 3))
    hold.note_waiting(NOW)
    assert fetching.attempts.allowed(NOW)
    assert fetching.attempts.denied_since is None
