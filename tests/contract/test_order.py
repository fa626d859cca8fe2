"""Order: closed candles come out consecutive, each once, whatever comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import DAY, MINUTE, Candle, Interval, Stream
from klinetail.clock import Moment
from klinetail.contract.order import Order
from klinetail.contract.output import Output, bad
from klinetail.contract.trading import State
from klinetail.events import Drop, DropEvent, PreviewEvent, RevisionEvent
from tests.contract.minutes import STREAM, T0, candle, moment

NOW = moment(T0 + 30_000)


def begun(lines: int = 0, held: int = 500) -> Order:
    order = Order(STREAM, lines=lines, keep=500, held=held)
    order.begin(NOW, None, None)
    return order


def closed(minute: int, count: int = 3) -> Candle:
    return candle(T0 + minute * MINUTE, count)


def forming(minute: int, second: int) -> Candle:
    opens = T0 + minute * MINUTE
    return candle(opens, second, closed=False, event_time=opens + second * 1000)


def took(order: Order, *candles: Candle) -> list[Output]:
    out: list[Output] = []
    for one in candles:
        order.take(one, out)
    return out


def test_it_begins_with_the_lines_before_the_running_candle() -> None:
    order = begun(lines=3)
    assert order.expected == order.first == T0 - 3 * MINUTE
    assert order.subscribed_in == order.fetch_until == T0
    assert order.lacking
    assert not order.started
    assert begun().started
    assert not begun().lacking


def test_before_it_begins_nothing_is_known_and_nothing_lacks() -> None:
    order = Order(STREAM, lines=3, keep=1, held=1)
    assert order.expected == order.first == 0
    assert order.subscribed_in == order.fetch_until == 0
    assert not order.unknown
    assert not order.lacking


@pytest.mark.parametrize(("start", "started"), [(-1, False), (0, True), (1, True)])
def test_from_a_start_point_history_is_what_is_before_the_running_candle(
    start: int, started: bool
) -> None:
    order = Order(STREAM, lines=0, keep=1, held=1)
    order.begin(NOW, None, T0 + start * MINUTE)
    assert order.expected == order.first == T0 + start * MINUTE
    assert order.started is started


DAYS = Stream("BTCUSDT", Interval.D3)
THIRD = 3 * DAY


def of_three_days(lines: int = 0, start: int | None = None) -> Order:
    order = Order(DAYS, lines=lines, keep=1, held=1)
    order.begin(NOW, None, start)
    return order


def test_where_days_are_unknown_the_answer_must_hold_all_that_may_be_wanted() -> None:
    order = of_three_days(lines=2)
    current = order.grid.floor(NOW.exchange)
    end = current + THIRD
    assert order.first_range() == (current - 3 * THIRD, end)
    early, late = current - 9 * THIRD, current - THIRD + DAY
    assert of_three_days(start=early).first_range() == (early, end)
    assert of_three_days(start=late).first_range() == (current - THIRD, end)


def test_what_ended_before_its_days_were_known_has_no_history_to_come() -> None:
    order = of_three_days(lines=2)
    order.started = True
    order.start(T0 - T0 % DAY)
    assert order.started
    order.expect(order.subscribed_in - THIRD)
    assert order.started, "what has started does not begin again"


def test_a_delivered_close_tells_of_its_trades() -> None:
    order = begun()
    took(order, closed(0))
    assert order.trading.last == T0 + MINUTE - 1
    took(order, forming(1, 3), candle(T0 + MINUTE, 3))
    assert order.trading.last == T0 + MINUTE + 3_000, "the frame tells it better"


@given(st.permutations(range(6)))
def test_in_whatever_order_closes_come_they_go_out_in_theirs(
    minutes: list[int],
) -> None:
    order = begun()
    assert took(order, *map(closed, minutes)) == [closed(n) for n in range(6)]
    assert not order.held
    assert list(order.delivered.closed) == [closed(n) for n in range(6)]
    assert order.expected == T0 + 6 * MINUTE


def test_history_is_over_with_the_candle_before_the_start() -> None:
    order = begun(lines=2)
    took(order, closed(-2))
    assert not order.started
    took(order, closed(-1))
    assert order.started


def test_a_held_candle_that_comes_again_is_a_duplicate() -> None:
    order = begun()
    again = closed(2, 4)
    duplicate = DropEvent(Drop.DUPLICATE, STREAM)
    assert took(order, closed(2), again) == [duplicate]
    assert took(order, closed(0), closed(1)) == [closed(0), closed(1), again]


def test_what_runs_comes_out_behind_the_close_that_it_waited_for() -> None:
    order = begun()
    later = forming(1, 5)
    assert took(order, later) == [PreviewEvent(later)]
    assert order.waiting
    assert took(order, closed(0)) == [closed(0), later]
    assert not order.waiting
    assert took(order, closed(1)) == [closed(1)]
    assert order.forming is None


def test_what_is_not_newer_is_stale() -> None:
    order = begun()
    stale = DropEvent(Drop.STALE, STREAM)
    assert took(order, forming(0, 9), forming(0, 9), forming(0, 8)) == [
        forming(0, 9),
        stale,
        stale,
    ]
    took(order, closed(1))
    assert took(order, forming(1, 50)) == [stale], "it is closed already"


def test_a_past_close_is_a_duplicate_or_a_revision() -> None:
    order = begun()
    took(order, closed(0))
    out: list[Output] = []
    order.take_past(closed(0), out)
    order.take_past(closed(0, 9), out)
    assert out == [
        DropEvent(Drop.DUPLICATE, STREAM),
        RevisionEvent(closed(0), closed(0, 9)),
    ]


def test_a_held_close_from_later_than_a_frame_is_told_and_forgotten() -> None:
    order = begun()
    took(order, closed(2))
    out: list[Output] = []
    order.doubt_held(T0 + 90_000, out)
    assert out == [bad(STREAM, f"{T0 + 2 * MINUTE} closed ahead of its time")]
    assert not order.held


def test_what_cannot_be_a_frame() -> None:
    order = begun()
    assert order.fault(closed(0), moment(T0 + MINUTE)) is None
    ahead = candle(T0 + 30_000 + MINUTE + 1, 1)
    assert order.fault(ahead, NOW) == f"{ahead.open_time} opens in the future"
    assert order.fault(candle(T0 + 30_000 + MINUTE, 1), NOW) is None
    early = candle(T0, 1, event_time=T0 + MINUTE - 1)
    assert order.fault(early, NOW) == f"{T0} closed before its end"
    before = candle(T0, 1, closed=False, event_time=T0 - 1)
    assert order.fault(before, NOW) == f"{T0} pushed before it opens"


def test_only_newer_updates_of_the_awaited_candle_are_followed() -> None:
    order = begun()
    assert not order.follow(forming(0, 5)), "nothing was known of it"
    took(order, forming(0, 5))
    order.hearing.unheard = 2
    assert order.follow(forming(0, 6))
    assert order.forming == forming(0, 6)
    assert order.hearing.unheard == 0
    for other in (forming(0, 6), forming(0, 5), forming(1, 7), closed(0)):
        assert not order.follow(other)
    order.hearing.mute = True
    assert not order.follow(forming(0, 7))
    order.hearing.mute = False
    took(order, closed(3))
    assert not order.follow(forming(0, 7))
    order.held.clear()
    order.trading.state = State.PENDING
    assert not order.follow(forming(0, 7))
    order.trading.state = State.TRADED
    assert order.follow(forming(0, 7))


def test_of_what_ended_the_end_waits_until_it_is_finished() -> None:
    order = begun(lines=2)
    assert not order.waiting
    order.trading.end(T0 - MINUTE)
    assert order.waiting
    assert order.lacking
    assert order.wanted == T0 - MINUTE
    took(order, closed(-2))
    assert order.finished
    assert not order.waiting
    assert not order.lacking
    order.held.hold(closed(5))
    assert not order.lacking, "nothing is awaited that could let it out"


def test_of_what_is_pending_nothing_lacks() -> None:
    order = Order(STREAM, lines=4, keep=1, held=1)
    order.begin(Moment(T0, 1.0), T0 + MINUTE, T0 - MINUTE)
    assert order.pending
    assert order.started
    assert order.lines == 0
    assert order.expected == T0
    order.fetch_until = T0 + 9 * MINUTE
    assert not order.lacking


def test_of_what_is_pending_no_history_is_to_come_whatever_its_days() -> None:
    order = Order(DAYS, lines=4, keep=1, held=1)
    order.begin(NOW, 0, None)
    assert order.started
