"""The end of a stream and its return: what is awaited then."""

from __future__ import annotations

import math

from klinetail.candle import HOUR, MINUTE, Interval, Stream
from klinetail.clock import Moment
from klinetail.contract.ending import Ending
from klinetail.contract.fetching import Fetching
from klinetail.contract.order import Order
from klinetail.contract.trading import LEAST
from klinetail.events import TradedEvent
from tests.contract.minutes import STREAM, T0, candle, moment

NOW = moment(T0 + 30_000)


def begun(
    lines: int = 0,
    onboard: int | None = None,
    *,
    stream: Stream = STREAM,
    now: Moment = NOW,
) -> tuple[Order, Fetching, Ending]:
    order = Order(stream, lines=lines, keep=500, held=500)
    order.begin(now, onboard, None)
    fetching = Fetching(order, hold=30.0, follow=True)
    return order, fetching, Ending(order, fetching)


def test_candles_of_an_hour_are_long() -> None:
    order = Order(Stream("BTCUSDT", Interval.H1), lines=0, keep=1, held=1)
    assert Ending(order, Fetching(order, hold=1.0, follow=True)).long
    order = Order(Stream("BTCUSDT", Interval.M30), lines=0, keep=1, held=1)
    assert not Ending(order, Fetching(order, hold=1.0, follow=True)).long


def test_without_a_line_nobody_would_see_a_trade() -> None:
    order, _, ending = begun()
    assert ending.idle_at() == math.inf
    order.hearing.up_since = T0 + 40_000
    assert ending.idle_at() == T0 + 40_000 + LEAST
    order.hearing.unheard = 1
    assert ending.idle_at() == math.inf


def test_while_candles_lack_only_an_exchange_that_has_none_tells_of_an_end() -> None:
    order, fetching, ending = begun(lines=2)
    order.hearing.up_since = T0
    assert ending.idle_at() == math.inf
    fetching.attempts.lacking(NOW, later=False)
    assert ending.idle_at() == NOW.exchange + LEAST
    order.hearing.frame(order.expected)
    assert ending.idle_at() == NOW.exchange + LEAST, "no frame is later"
    order.hearing.frame(T0)
    assert ending.idle_at() == math.inf, "a frame is later"


def test_a_trade_that_the_newest_frame_shows_puts_off_the_end() -> None:
    order, _, ending = begun()
    order.hearing.up_since = T0 + 40_000
    order.forming = candle(T0, 3, closed=False, event_time=T0 + 50_000)
    assert ending.idle_at() == T0 + 50_000 + LEAST


def test_closes_up_to_the_time_in_question_prove_without_a_line() -> None:
    order, _, ending = begun(now=moment(T0))
    order.expect(T0 + LEAST - MINUTE)
    assert ending.idle_at() == math.inf, "a minute is not proved yet"
    order.expect(T0 + LEAST)
    assert ending.idle_at() == T0 + LEAST


def test_what_is_held_with_trades_tells_of_no_end() -> None:
    order, fetching, ending = begun(lines=2)
    fetching.attempts.lacking(NOW, later=False)
    order.held.hold(candle(T0, 0))
    assert ending.idle_at() < math.inf
    order.held.hold(candle(T0 + MINUTE, 1))
    assert ending.idle_at() == math.inf


def test_after_the_end_the_candle_of_the_last_trade_is_awaited() -> None:
    order, _, ending = begun()
    order.forming = candle(T0, 3, closed=False, event_time=T0 + 2000)
    ending.end()
    assert order.ended
    assert order.trading.until == T0 + MINUTE
    order.hearing.up_since = T0
    assert ending.idle_at() == math.inf, "it has ended already"


def test_a_trade_that_only_the_newest_frame_shows_tells_the_last_candle() -> None:
    order, _, ending = begun()
    order.forming = candle(T0 + MINUTE, 3, closed=False, event_time=T0 + 62_000)
    ending.end()
    assert order.trading.until == T0 + 2 * MINUTE


def test_what_frames_show_is_awaited_though_the_exchange_denies_all_candles() -> None:
    order, fetching, ending = begun(lines=2)
    fetching.attempts.lacking(NOW, later=False)
    order.forming = candle(T0, 3, closed=False)
    ending.end()
    assert order.trading.until == T0 + MINUTE
    assert not order.finished


def test_an_exchange_without_any_candle_leaves_nothing_to_await() -> None:
    order, fetching, ending = begun(lines=2)
    fetching.attempts.lacking(NOW, later=False)
    ending.end()
    assert order.finished
    assert order.started


def test_how_long_the_exchange_has_denied_all_candles() -> None:
    _, fetching, ending = begun()
    later = moment(NOW.exchange + 5_000)
    assert ending.denied(later) == 0.0
    fetching.attempts.lacking(NOW, later=False)
    assert ending.denied(later) == 5.0
    fetching.answered = True
    assert ending.denied(later) == 0.0


def test_what_was_pending_begins_with_its_first_candle() -> None:
    order, _, ending = begun(onboard=T0 + HOUR)
    frame = candle(T0 + HOUR + MINUTE, 1, closed=False)
    out: list = []
    assert ending.heeds(frame, out)
    assert out == [TradedEvent(STREAM)]
    assert order.expected == order.first == order.subscribed_in == T0 + HOUR
    assert not order.pending


def test_what_was_pending_without_a_date_begins_when_it_is_seen_traded() -> None:
    order, _, ending = begun(onboard=0)
    ending.trade(T0 + HOUR + 1)
    assert order.expected == order.first == T0 + HOUR


def test_the_close_of_the_first_candle_tells_that_a_pending_symbol_is_traded() -> None:
    order, _, ending = begun(onboard=T0)
    out: list = []
    assert ending.heeds(candle(T0, 1), out)
    assert out == [TradedEvent(STREAM)]
    assert not order.pending


def test_what_is_traded_is_asked_for_at_once_whatever_failed_before() -> None:
    _, fetching, ending = begun(onboard=T0 + HOUR)
    fetching.attempts.failed("HTTP 503", NOW, 99.0)
    fetching.listed.settle(T0)
    ending.trade(T0 + HOUR)
    assert fetching.attempts.allowed(NOW)
    assert not fetching.attempts.failing
    assert fetching.listed.begins is None, "another candle is awaited"


def test_where_days_are_unknown_a_trade_does_not_tell_them() -> None:
    order, _, ending = begun(onboard=0, stream=Stream("BTCUSDT", Interval.D3))
    ending.trade(T0)
    assert not order.pending
    assert order.unknown
    assert order.first == 0


def test_of_what_ended_a_frame_tells_more_only_by_a_new_trade() -> None:
    order, _, ending = begun()
    last = candle(T0, 3, closed=False, event_time=T0 + 40_000)
    order.forming = last
    ending.end()
    out: list = []
    assert ending.heeds(last, out), "a repeated frame of the last candle"
    assert ending.heeds(candle(T0, 4), out), "its close"
    assert out == []
    assert order.ended
    newer = candle(T0, 5, closed=False, event_time=T0 + 41_000)
    assert ending.heeds(newer, out)
    assert out == [TradedEvent(STREAM)]
    assert not order.ended
    ending.end()
    ending.trade(T0 + HOUR)
    assert order.expected == T0, "all candles until now are awaited"


def test_the_close_of_a_candle_behind_the_end_tells_that_it_is_traded() -> None:
    order, _, ending = begun()
    ending.end()
    assert order.trading.until == T0 + MINUTE
    out: list = []
    assert ending.heeds(candle(T0 + MINUTE, 1), out)
    assert out == [TradedEvent(STREAM)]
    assert not order.ended


def test_a_frame_without_a_trade_is_a_sign_of_life_alone() -> None:
    order, _, ending = begun()
    ending.end()
    out: list = []
    assert ending.heeds(candle(T0 + 5 * MINUTE, 0, closed=False), out) is False
    assert order.ended
    assert ending.heeds(candle(T0 - MINUTE, 0), out), "it is of the past"
    assert out == []
    assert ending.heeds(candle(T0 + 5 * MINUTE, 1), out)
    assert out == [TradedEvent(STREAM)]
    assert not order.ended
