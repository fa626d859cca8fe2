"""The timetable: what time brings about, and when it is due."""

from __future__ import annotations

import math

from klinetail.candle import DAY, MINUTE, Interval, Stream
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.ending import Ending
from klinetail.contract.fetching import Fetching
from klinetail.contract.finality import NOTICE
from klinetail.contract.hold import Hold
from klinetail.contract.order import Order
from klinetail.contract.timetable import Timetable
from klinetail.contract.trading import MOST
from klinetail.events import GapEvent
from tests.contract.minutes import STREAM, T0, candle, moment

NOW = moment(T0 + 30_000)
END = T0 + MINUTE


def begun(
    lines: int = 0, *, keep: int = 500, follow: bool = True, stream: Stream = STREAM
) -> tuple[Order, Fetching, Timetable]:
    order = Order(stream, lines=lines, keep=keep, held=500)
    order.begin(NOW, None, None)
    fetching = Fetching(order, hold=10.0, follow=follow)
    hold = Hold(order, fetching, 10.0)
    ending = Ending(order, fetching)
    return order, fetching, Timetable(order, fetching, hold, ending, follow=follow)


def test_first_the_end_of_the_candle_is_due_then_its_close() -> None:
    order, _, timetable = begun()
    assert timetable.exchange_due(NOW) == END
    assert timetable.due(NOW) == NOW.monotonic + 30.0
    end = moment(END)
    assert timetable.tick(end) == []
    assert timetable.exchange_due(end) == END + GRACE
    assert timetable.due(end) == end.monotonic + GRACE / 1000
    late = moment(END + GRACE)
    assert timetable.overdue(late)
    assert not order.lacking
    timetable.tick(late)
    assert order.lacking
    assert order.fetch_until == END
    assert timetable.due(late) <= late.monotonic, "it may be asked for at once"


def test_a_fast_clock_is_not_enough() -> None:
    _, _, timetable = begun()
    timetable.tick(Moment(END, 100.0))
    fast = Moment(END + MINUTE, 100.5)
    assert not timetable.overdue(fast)
    assert timetable.due(fast) == 100.0 + NOTICE


def test_without_frames_no_close_is_awaited() -> None:
    order, _, timetable = begun(follow=False)
    assert timetable.due(NOW) == math.inf
    assert timetable.exchange_due(NOW) == math.inf
    timetable.tick(moment(END + MINUTE))
    assert order.close.passed_at is None


def test_before_anything_is_known_nothing_is_due() -> None:
    order = Order(STREAM, lines=0, keep=1, held=1)
    fetching = Fetching(order, hold=1.0, follow=True)
    hold, ending = Hold(order, fetching, 1.0), Ending(order, fetching)
    timetable = Timetable(order, fetching, hold, ending, follow=True)
    assert timetable.due(NOW) == math.inf
    assert timetable.tick(NOW) == []


def test_the_end_of_a_hold_is_due_on_both_clocks() -> None:
    order, fetching, timetable = begun(lines=1)
    held = candle(T0, 3)
    order.held.hold(held)
    fetching.take_wish(NOW)
    fetching.fail("HTTP 503", NOW)
    fetching.attempts.retry_at = math.inf
    assert timetable.due(NOW) == NOW.monotonic + 10.0
    doubtful = NOW._replace(ahead=50_000)
    over = T0 + GRACE + 10_000
    late = (over - doubtful.confirmed) / 1000
    assert timetable.due(doubtful) == NOW.monotonic + late
    assert timetable.exchange_due(doubtful) == over + 50_000
    soon = moment(NOW.exchange + 9_999)
    assert timetable.tick(soon) == []
    gap = GapEvent(STREAM, T0 - MINUTE, T0, "HTTP 503")
    assert timetable.tick(moment(NOW.exchange + 10_000)) == [gap, held]


def test_a_gap_is_fetched_when_it_is_time() -> None:
    _, fetching, timetable = begun()
    fetching.gaps.add(GapEvent(STREAM, T0 - MINUTE, T0, "HTTP 503"))
    fetching.gaps.put_off(NOW.monotonic + 5.0)
    assert timetable.due(NOW) == NOW.monotonic + 5.0
    assert fetching.take_wish(moment(NOW.exchange + 5_000)) is not None
    assert timetable.due(NOW) == NOW.monotonic + 30.0, "it is on its way"


def test_of_what_is_on_its_way_nothing_is_due() -> None:
    _, fetching, timetable = begun(lines=1)
    fetching.take_wish(NOW)
    assert timetable.due(NOW) == math.inf


def test_values_are_remembered_a_while_after_the_close() -> None:
    order, _, timetable = begun(keep=1)
    order.take(candle(T0, 3), [])
    now = moment(END + 500)
    assert timetable.exchange_due(now) == END + GRACE
    timetable.tick(moment(END + GRACE - 1))
    assert T0 not in order.delivered.fingerprints
    timetable.tick(moment(END + GRACE))
    assert T0 in order.delivered.fingerprints
    assert timetable.exchange_due(now) == END + MINUTE


def test_a_line_that_is_up_again_has_missed_closes() -> None:
    order, fetching, timetable = begun()
    fetching.attempts.failed("HTTP 503", NOW, 99.0)
    late = moment(T0 + 3 * MINUTE + 1)
    timetable.line_up(late)
    assert order.fetch_until == T0 + 3 * MINUTE
    assert fetching.attempts.allowed(late)
    assert not fetching.attempts.failing


def test_a_line_that_comes_and_goes_prolongs_no_hold() -> None:
    order, fetching, timetable = begun(lines=1)
    order.held.hold(candle(T0, 3))
    order.close.waiting_since = NOW.monotonic
    fetching.attempts.failed("HTTP 503", NOW)
    timetable.line_up(moment(NOW.exchange + 9_999))
    assert fetching.attempts.failing_since is None
    fetching.attempts.failed("HTTP 503", NOW)
    timetable.line_up(moment(NOW.exchange + 10_000))
    assert fetching.attempts.failing_since == NOW.monotonic


def test_of_what_is_not_traded_only_the_look_up_is_due() -> None:
    order, _, timetable = begun()
    order.trading.begin(NOW.exchange, T0 + DAY)
    order.hearing.up_since = NOW.exchange
    assert timetable.exchange_due(NOW) == order.trading.idle_at(since=NOW.exchange)
    order.close.passed_at = END / 1000
    assert not timetable.overdue(moment(END + DAY)), "no close is awaited"


def test_of_a_long_candle_the_look_up_is_due_before_its_end() -> None:
    order, _, timetable = begun(stream=Stream("BTCUSDT", Interval.H4))
    order.hearing.up_since = NOW.exchange
    assert timetable.exchange_due(NOW) == NOW.exchange + MOST
    end = order.grid.end_of(order.expected)
    order.hearing.up_since = None
    assert timetable.exchange_due(NOW) == end, "without a line nobody looks up"


def test_of_what_ended_the_close_of_the_last_candle_is_due() -> None:
    order, _, timetable = begun()
    order.trading.end(END)
    assert timetable.exchange_due(NOW) == END
    order.take(candle(T0, 3), [])
    assert order.finished
    assert timetable.exchange_due(NOW) == math.inf


def test_a_gap_that_may_be_fetched_is_due_at_once() -> None:
    _, fetching, timetable = begun()
    fetching.gaps.add(GapEvent(STREAM, T0 - MINUTE, T0, "HTTP 503"))
    assert timetable.due(NOW) <= NOW.monotonic
    assert timetable.exchange_due(NOW) == END
