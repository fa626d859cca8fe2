"""Whether a stream's symbol is traded, and what a series makes of it."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import (
    HOUR,
    LAST_TIME,
    MINUTE,
    Candle,
    Interval,
    Source,
    Stream,
)
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Wish
from klinetail.contract.finality import SETTLED
from klinetail.contract.holes import NO_ROW
from klinetail.contract.series import Series
from klinetail.contract.trading import (
    DELIVERED,
    LEAST,
    MOST,
    NEVER,
    STOPPED,
    State,
    Trading,
    patience,
)
from klinetail.events import Drop, DropEvent, GapEvent, TradedEvent
from klinetail.protocol.statuses import PENDING, TRADING, UNKNOWN
from tests.contract.minutes import STREAM, T0, begun, candle, moment

H1 = Stream("BTCUSDT", Interval.H1)
HOUR0 = T0 - T0 % HOUR
STALE = DropEvent(Drop.STALE, STREAM)
FUTURE = 4_133_404_800_000


def seen(interval: Interval = Interval.M1, *candles: Candle) -> Trading:
    trading = Trading(interval)
    trading.begin(T0, None)
    for one in candles:
        trading.see(one)
    return trading


def test_a_symbol_is_looked_up_after_five_intervals_within_bounds() -> None:
    assert (LEAST, MOST, STOPPED) == (300_000, 1_800_000, 60_000)
    minutes = [patience(interval) / MINUTE for interval in Interval]
    assert minutes == [5, 15, 25, *[30] * 12]


def test_at_first_nothing_is_known() -> None:
    trading = Trading(Interval.M1)
    assert (trading.state, trading.status) == (State.TRADED, UNKNOWN)
    assert (trading.last, trading.onboard) == (0, 0)
    assert (trading.delivery, trading.told_at) == (0, 0)
    assert trading.until == NEVER == LAST_TIME + 1
    assert not trading.shows_trades(1)
    assert not hasattr(trading, "__dict__"), "the whole market has 11,800 of them"


class TestSee:
    def test_a_delivered_candle_takes_back_nothing_that_a_newer_one_showed(
        self,
    ) -> None:
        newer = candle(T0 + MINUTE, 2, closed=False, event_time=T0 + MINUTE + 5)
        trading = seen(Interval.M1, newer)
        trading.see_closed(candle(T0, 3), None)
        assert trading.shows_trades(T0 + MINUTE)
        assert not trading.see(newer)

    def test_a_trade_is_known_by_the_count(self) -> None:
        trading = seen()
        assert not trading.see(candle(T0, 0, closed=False, event_time=T0 + 1))
        assert trading.last == T0
        assert trading.see(candle(T0, 1, closed=False, event_time=T0 + 2_000))
        assert trading.last == T0 + 2_000
        assert not trading.see(candle(T0, 1, closed=False, event_time=T0 + 9_000))
        assert not trading.see(candle(T0, 1))
        assert trading.last == T0 + 2_000, "sent again, nothing was traded"
        assert trading.see(candle(T0, 2))
        assert trading.last == T0 + MINUTE - 1, "at its close at the latest"

    def test_an_earlier_candle_tells_nothing_new(self) -> None:
        trading = seen(Interval.M1, candle(T0 + MINUTE, 4, closed=False))
        assert not trading.see(candle(T0, 9))
        assert trading.last == T0 + MINUTE + 4

    def test_a_delivered_one_is_dated_by_its_last_forming_frame(self) -> None:
        trading = seen()
        forming = candle(T0, 3, closed=False, event_time=T0 + 7_000)
        trading.see_closed(candle(T0, 3), forming)
        assert trading.last == T0 + 7_000
        trading.see_closed(candle(T0 + MINUTE, 3), None)
        assert trading.last == T0 + 2 * MINUTE - 1

    @pytest.mark.parametrize(
        ("forming", "at"),
        [
            (candle(T0, 3, closed=False, event_time=T0 + 7_000), T0 + 7_000),
            (candle(T0, 2, closed=False, event_time=T0 + 7_000), T0 + MINUTE - 1),
            (candle(T0 + MINUTE, 3, closed=False), T0 + MINUTE - 1),
            (None, T0 + MINUTE - 1),
        ],
    )
    def test_only_a_frame_with_all_its_trades_dates_a_close(
        self, forming: Candle | None, at: int
    ) -> None:
        trading = seen()
        trading.see_closed(candle(T0, 3), forming)
        assert trading.last == at

    def test_a_delivered_candle_that_shows_nothing_new_dates_nothing(self) -> None:
        trading = seen()
        trading.see(candle(T0, 3, closed=False, event_time=T0 + 7_000))
        again = candle(T0, 3, closed=False, event_time=T0 + 9_000)
        trading.see_closed(candle(T0, 3), again)
        trading.see_closed(candle(T0 - MINUTE, 4), None)
        trading.see_closed(candle(T0 + MINUTE, 0), None)
        assert trading.last == T0 + 7_000
        trading.see_closed(candle(T0, 4), None)
        assert trading.last == T0 + MINUTE - 1
        trading.see_closed(candle(T0 + MINUTE, 4), None)
        assert trading.last == T0 + 2 * MINUTE - 1

    def test_a_candle_from_before_the_start_does_not_bring_it_forward(self) -> None:
        trading = seen()
        trading.see_closed(candle(T0 - 3 * MINUTE, 4), None)
        assert trading.last == T0
        assert trading.shows_trades(T0 - 3 * MINUTE)

    def test_in_which_candle_it_was(self) -> None:
        trading = seen()
        assert not trading.shows_trades(T0)
        trading.see(candle(T0, 3))
        assert trading.shows_trades(T0)
        assert not trading.shows_trades(T0 + MINUTE)


class TestIdle:
    def test_it_counts_from_the_last_trade_or_from_where_one_may_have_been(
        self,
    ) -> None:
        assert seen().idle_at() == T0 + LEAST
        assert seen(Interval.H1).idle_at() == T0 + MOST
        assert seen().idle_at(since=T0 + 7) == T0 + LEAST + 7
        assert seen().idle_at(since=T0 - 7) == T0 + LEAST

    def test_what_the_list_calls_ended_needs_five_minutes_alone(self) -> None:
        trading = seen(Interval.H1)
        trading.told("SETTLING", FUTURE, T0)
        assert trading.idle_at() == T0 + LEAST
        trading.see(candle(T0, 1))
        assert trading.idle_at() == trading.last + MOST, "it was told before that trade"
        trading.told(TRADING, FUTURE, T0 + HOUR)
        assert trading.idle_at() == trading.last + MOST

    def test_a_date_that_passed_needs_a_minute_without_a_trade(self) -> None:
        date = T0 + 90_000
        trading = seen()
        trading.told(TRADING, date, T0)
        assert trading.idle_at() == date + STOPPED
        assert trading.idle_at(since=date + 9) == date + STOPPED + 9
        late = candle(T0 + MINUTE, 1, closed=False, event_time=date + STOPPED)
        trading.see(late)
        assert trading.idle_at() == date + 2 * STOPPED
        trading.see(msgspec.structs.replace(late, event_time=date + STOPPED + 1))
        assert trading.idle_at() == date + 2 * STOPPED, "the same trade"
        trading.see(candle(T0 + 2 * MINUTE, 1, closed=False, event_time=date + 60_001))
        assert trading.idle_at() == date + 60_001 + LEAST, "that date is wrong"


class TestVerdict:
    @pytest.mark.parametrize(
        ("status", "ends"),
        [
            (TRADING, False),
            (PENDING, False),
            ("", False),
            ("PRE_SETTLE", True),
            ("PRE_DELIVERING", True),
            ("SETTLING", True),
            ("CLOSE", True),
            ("HALT", True),
        ],
    )
    def test_the_status_decides_if_it_is_newer_than_the_last_trade(
        self, status: str, ends: bool
    ) -> None:
        trading = seen(Interval.M1, candle(T0, 1))
        for told_at, ended in ((trading.last - 1, False), (trading.last, ends)):
            trading.told(status, FUTURE, told_at)
            verdict = trading.verdict(T0 + HOUR, by_date=True)
            assert verdict == (status if ended else None)

    @pytest.mark.parametrize(
        ("told_at", "time", "by_date", "ends"),
        [
            (0, STOPPED, True, True),
            (0, STOPPED - 1, True, False),
            (0, HOUR, False, False),
            (-1, HOUR, False, False),
            (MINUTE, HOUR, False, True),
        ],
    )
    def test_a_date_decides_where_no_newer_list_is_to_be_had(
        self, told_at: int, time: int, by_date: bool, ends: bool
    ) -> None:
        date = T0 + MINUTE
        trading = seen()
        trading.told(TRADING, date, T0 + told_at)
        verdict = trading.verdict(date + time, by_date=by_date)
        assert verdict == (DELIVERED if ends else None)

    def test_a_date_before_the_last_trade_decides_nothing(self) -> None:
        trading = seen()
        trading.told(TRADING, T0, T0)
        trading.see(candle(T0 + MINUTE, 1))
        assert trading.verdict(T0 + HOUR, by_date=True) is None

    def test_what_is_pending_ends_by_its_status_alone(self) -> None:
        trading = Trading(Interval.M1)
        trading.begin(T0, 0)
        trading.told(PENDING, T0, T0)
        assert trading.verdict(T0 + HOUR, by_date=True) is None
        trading.told("CLOSE", T0, T0 - 1)
        assert trading.verdict(T0 + HOUR, by_date=True) == "CLOSE"

    def test_what_is_traded_again_may_be_looked_up_at_once(self) -> None:
        trading = seen()
        trading.look_up_from = 1e9
        trading.end(T0)
        assert (trading.state, trading.until) == (State.ENDED, T0)
        trading.resume()
        assert (trading.state, trading.until) == (State.TRADED, NEVER)
        assert trading.look_up_from == -math.inf


def flat(open_time: int, *, closed: bool = True) -> Candle:
    return candle(open_time, 0, closed=closed)


def live(stream: Stream = STREAM, *, hold: float = 30.0) -> Series:
    """A series whose line is up since its start."""
    series = Series(stream, hold=hold)
    at = moment(stream.interval.floor(T0) + 1)
    series.begin(at)
    series.resume(at)
    return series


def closes(series: Series, count: int, first: int = T0, *, trades: int = 0) -> list:
    """That so many closes are pushed one after another; what came out."""
    out = []
    for n in range(count):
        one = candle(first + n * MINUTE, trades)
        out += series.accept(one, moment(one.event_time))
    return out


class TestSilence:
    @given(st.integers(0, 9), st.integers(0, 12))
    def test_five_candles_without_a_trade_however_they_come(
        self, traded: int, empty: int
    ) -> None:
        series = live()
        closes(series, traded, trades=3)
        closes(series, empty, T0 + traded * MINUTE)
        last = T0 + traded * MINUTE - 1 if traded else T0 + 1
        assert series.idle_at() == last + LEAST
        now = T0 + (traded + empty) * MINUTE
        assert (now >= series.idle_at()) is (empty > 5 if not traded else empty >= 5)

    def test_what_is_not_known_yet_is_not_empty(self) -> None:
        """REST fails: there may have been trades."""
        series = live()
        for time in (MINUTE, MINUTE + GRACE + 1000, 40 * MINUTE):
            series.tick(moment(T0 + time))
        assert series.lacking
        assert series.idle_at() == math.inf
        series.take_wish(moment(T0 + 40 * MINUTE))
        series.fail("HTTP 503", moment(T0 + 40 * MINUTE))
        assert series.idle_at() == math.inf

    def test_what_rows_lack_and_frames_do_not_show_is_empty(self) -> None:
        series = live()
        series.tick(moment(T0 + MINUTE))
        at = moment(T0 + MINUTE - 1 + SETTLED)
        series.tick(at)
        series.take_wish(at)
        series.fill([], at, at)
        assert series.idle_at() == T0 + 1 + LEAST
        series.accept(flat(T0, closed=False), moment(T0 + 2 * MINUTE))
        assert series.idle_at() == T0 + 1 + LEAST, "only the awaited one came"
        series.accept(flat(T0 + MINUTE, closed=False), moment(T0 + 2 * MINUTE))
        assert series.idle_at() == math.inf, "a later candle came"

    def test_a_held_candle_with_trades_is_news(self) -> None:
        series = live()
        closes(series, 6)
        later = candle(T0 + 8 * MINUTE, 0)
        series.accept(later, moment(later.event_time))
        assert series.idle_at() == T0 + 1 + LEAST, "by the closes before it"
        later = candle(T0 + 7 * MINUTE, 2)
        series.accept(later, moment(T0 + 9 * MINUTE), echo=True)
        assert series.idle_at() == math.inf

    def test_of_a_long_candle_no_frame_counts_while_the_line_is_up(self) -> None:
        series = live(H1)
        series.accept(
            candle(HOUR0, 5, closed=False, stream=H1, event_time=T0), moment(T0)
        )
        assert series.idle_at() == T0 + MOST
        assert series.exchange_due(moment(T0)) == T0 + MOST
        again = candle(HOUR0, 5, closed=False, stream=H1, event_time=T0 + 9_000)
        assert series.follow(again)
        assert series.idle_at() == T0 + MOST, "it shows no trade"
        more = candle(HOUR0, 6, closed=False, stream=H1, event_time=T0 + 10_000)
        assert series.follow(more)
        assert series.idle_at() == T0 + 10_000 + MOST
        series.lose()
        assert series.idle_at() == math.inf
        series.resume(moment(T0 + 20_000))
        assert series.idle_at() == T0 + 20_000 + MOST
        series.hearing.unheard = 1
        assert series.idle_at() == math.inf, "it is mute"

    def test_a_look_up_that_has_to_wait_wakes_nobody_meanwhile(self) -> None:
        series = live(H1)
        now = moment(T0 + MOST + 1)
        series.hearing.up_since = T0
        assert series.due(now) <= now.monotonic
        series.trading.look_up_from = now.monotonic + 600.0
        closing = now.monotonic + (HOUR0 + HOUR - now.exchange) / 1000
        assert series.due(now) == min(closing, now.monotonic + 600.0)

    def test_of_a_short_one_nobody_is_woken_but_at_its_close(self) -> None:
        series = live()
        assert series.exchange_due(moment(T0 + 2)) == T0 + MINUTE


def settled(series: Series) -> Series:
    """It was traded for two minutes, had five flat ones, and ended."""
    closes(series, 2, trades=3)
    closes(series, 5, T0 + 2 * MINUTE)
    series.end()
    assert series.ended
    assert series.finished
    return series


class TestEnded:
    def test_nothing_flat_comes_out_any_more_and_nothing_is_fetched(self) -> None:
        series = settled(live())
        first = T0 + 7 * MINUTE
        assert closes(series, 35, first) == [STALE] * 35
        forming = flat(first + 36 * MINUTE, closed=False)
        assert series.accept(forming, moment(forming.event_time)) == [STALE]
        now = moment(first + 40 * MINUTE)
        series.resume(now)
        series.tick(now)
        assert series.ended
        assert series.take_wish(now) is None
        assert series.due(now) == series.exchange_due(now) == math.inf
        assert series.idle_at() == math.inf
        assert len(series.closed) == 7

    def test_a_trade_takes_it_back_and_what_lies_between_is_fetched(self) -> None:
        series = settled(live())
        closes(series, 3, T0 + 7 * MINUTE)
        again = candle(T0 + 10 * MINUTE, 1, closed=False)
        now = moment(again.event_time)
        assert series.accept(again, now)[0] == TradedEvent(STREAM)
        assert not series.ended
        series.tick(now)
        late = moment(T0 + 11 * MINUTE)
        series.tick(late)
        assert series.take_wish(late) == Wish(T0 + 7 * MINUTE, T0 + 10 * MINUTE)
        assert closes(series, 1, T0 + 10 * MINUTE, trades=1) == []
        rows = [candle(T0 + n * MINUTE, 0, source=Source.REST) for n in range(7, 11)]
        out = series.fill(rows, late, late)
        assert [one.count for one in out] == [0, 0, 0, 1]

    def test_what_is_late_from_before_its_end_takes_nothing_back(self) -> None:
        series = settled(live())
        old = candle(T0 + MINUTE, 3)
        assert series.accept(old, moment(T0 + 9 * MINUTE)) == [
            DropEvent(Drop.DUPLICATE, STREAM)
        ]
        assert series.ended


def hour(count: int, *, closed: bool, source: Source = Source.STREAM) -> Candle:
    time = HOUR0 + HOUR + 700 if closed else T0
    return candle(
        HOUR0, count, closed=closed, event_time=time, stream=H1, source=source
    )


class TestLastCandle:
    """A long candle's symbol ends in the middle of it: it is still to come."""

    def ending(self, count: int = 5) -> tuple[Series, Moment]:
        """It ended when it had no trade for half an hour, and the hour is over."""
        series = live(H1)
        if count:
            assert series.accept(hour(count, closed=False), moment(T0))
        series.end()
        assert not series.finished
        return series, moment(HOUR0 + HOUR + 700)

    def test_it_may_be_pushed(self) -> None:
        series, now = self.ending()
        again = hour(5, closed=False)
        again = msgspec.structs.replace(again, event_time=T0 + 9)
        assert series.accept(again, moment(T0 + 9)) == [again]
        assert series.ended, "it shows no trade"
        close = hour(6, closed=True)
        assert series.accept(close, now) == [close]
        assert series.ended
        assert series.finished

    def test_a_new_trade_takes_the_end_back(self) -> None:
        series, _ = self.ending()
        more = msgspec.structs.replace(hour(6, closed=False), event_time=T0 + 9)
        out = series.accept(more, moment(T0 + 9))
        assert out == [TradedEvent(H1), more]
        assert not series.ended

    def overdue(self, series: Series) -> Moment:
        series.tick(moment(HOUR0 + HOUR))
        now = moment(HOUR0 + HOUR + SETTLED)
        series.tick(now)
        assert series.take_wish(now) == Wish(HOUR0, HOUR0 + HOUR)
        return now

    @pytest.mark.parametrize("count", [0, 5])
    def test_it_may_be_a_row_that_others_follow(self, count: int) -> None:
        series, _ = self.ending(count)
        now = self.overdue(series)
        row = hour(5, closed=True, source=Source.REST)
        empty = candle(HOUR0 + HOUR, 0, stream=H1, source=Source.REST)
        assert series.fill([row, empty], now, now) == [row]
        assert series.finished
        assert series.take_wish(now) is None

    def test_a_row_without_a_trade_is_none_if_none_was_seen(self) -> None:
        series, _ = self.ending(0)
        now = self.overdue(series)
        opens = (HOUR0, HOUR0 + HOUR)
        rows = [candle(time, 0, stream=H1, source=Source.REST) for time in opens]
        assert series.fill(rows, now, now) == []
        assert series.finished

    def test_a_row_is_believed_even_if_it_lacks_the_trades_that_were_seen(self) -> None:
        series, _ = self.ending()
        now = self.overdue(series)
        rows = [
            candle(time, 0, stream=H1, source=Source.REST)
            for time in (HOUR0, HOUR0 + HOUR)
        ]
        assert series.fill(rows, now, now) == rows[:1]
        assert series.finished

    def test_an_empty_one_before_the_last_trade_comes_too(self) -> None:
        series = live()
        last = candle(T0 + MINUTE, 3, closed=False)
        series.accept(last, moment(last.event_time))
        series.end()
        now = moment(T0 + 3 * MINUTE)
        series.tick(moment(T0 + MINUTE))
        series.tick(now)
        assert series.take_wish(now) == Wish(T0, T0 + 2 * MINUTE)
        rows = [
            candle(T0 + n * MINUTE, count, source=Source.REST)
            for n, count in enumerate([0, 3, 0, 0])
        ]
        out = series.fill(rows, now, now)
        assert [one for one in out if one.closed] == rows[:2]
        assert series.finished

    @pytest.mark.parametrize("count", [0, 5])
    def test_what_never_comes_is_a_gap_if_there_were_trades(self, count: int) -> None:
        series, _ = self.ending(count)
        now = self.overdue(series)
        out: list[object] = []
        at = now
        for _ in range(60):
            assert series.fill([], at, at) == []
            while not series.asking and not series.finished:
                at = moment(at.exchange + 100)
                out += series.tick(at)
                series.take_wish(at)
            if series.finished:
                break
        assert at.exchange >= now.exchange + 30_000, "the whole hold"
        assert out == ([GapEvent(H1, HOUR0, HOUR0 + HOUR, NO_ROW)] if count else [])
        assert series.finished

    @pytest.mark.parametrize("count", [0, 5])
    def test_what_neither_frames_nor_rows_know_of_is_not_awaited(
        self, count: int
    ) -> None:
        series = begun()
        if count:
            series.accept(candle(T0, count, closed=False), moment(T0 + 40_000))
        series.tick(moment(T0 + MINUTE))
        now = moment(T0 + MINUTE - 1 + SETTLED)
        series.tick(now)
        series.take_wish(now)
        series.fill([], now, now)
        series.end()
        assert series.finished is (count == 0)


class TestPending:
    def pending(self, onboard: int, stream: Stream = STREAM) -> Series:
        series = Series(stream, lines=9)
        series.begin(moment(T0), onboard)
        series.resume(moment(T0))
        assert series.pending
        assert series.started, "it has no history"
        return series

    def test_nothing_is_fetched_nor_overdue(self) -> None:
        series = self.pending(T0 + HOUR)
        for minutes in range(90):
            now = moment(T0 + minutes * MINUTE)
            assert series.tick(now) == []
            assert series.take_wish(now) is None
            assert not series.overdue(now)
        series.resume(now)
        assert not series.lacking

    def test_it_is_looked_up_when_it_should_have_been_traded(self) -> None:
        now = moment(T0 + 1)
        for onboard, since in ((T0 + HOUR, T0 + HOUR), (0, T0)):
            series = self.pending(onboard)
            assert series.idle_at() == since + LEAST
            assert series.exchange_due(now) == since + LEAST

    def test_a_frame_without_trades_tells_nothing(self) -> None:
        series = self.pending(T0 + HOUR)
        assert closes(series, 3) == [STALE] * 3
        assert series.pending

    @pytest.mark.parametrize("onboard", [0, T0 + 5 * MINUTE, T0 + HOUR])
    @pytest.mark.parametrize("closed", [False, True])
    def test_the_first_trade_begins_it_where_it_may_have_begun(
        self, onboard: int, closed: bool
    ) -> None:
        series = self.pending(onboard)
        opens = T0 + 7 * MINUTE
        first = candle(opens, 2, closed=closed)
        now = moment(opens + MINUTE + 500)
        out = series.accept(first, now)
        assert out[0] == TradedEvent(STREAM)
        begins = T0 + 5 * MINUTE if onboard == T0 + 5 * MINUTE else opens
        if begins == opens:
            assert out[1:] == [first]
            assert series.expected == opens + (MINUTE if closed else 0)
        else:
            assert series.expected == begins
            series.tick(now)
            rows = [
                candle(begins + n * MINUTE, 1, source=Source.REST) for n in (0, 1, 2)
            ]
            later = moment(opens + 3 * MINUTE)
            series.tick(later)
            series.tick(moment(opens + 3 * MINUTE + 5_000))
            assert series.take_wish(moment(opens + 4 * MINUTE)) is not None
            got = series.fill(rows, later, later)
            assert [c.open_time for c in got[:2]] == [begins, begins + MINUTE]

    def test_the_list_begins_it_too(self) -> None:
        series = self.pending(T0 + 5 * MINUTE)
        series.trade(T0 + 9 * MINUTE + 7)
        assert not series.pending
        assert series.expected == T0 + 5 * MINUTE
        later = self.pending(0)
        later.trade(T0 + 9 * MINUTE + 7)
        assert later.expected == T0 + 9 * MINUTE

    def test_three_days_begin_with_the_first_frame(self) -> None:
        three = Stream("BTCUSDT", Interval.D3)
        series = self.pending(T0, three)
        opens = Interval.D1.floor(T0)
        first = candle(opens, 2, closed=False, stream=three, event_time=T0 + 5)
        series.trade(T0 + 1)
        assert (series.expected, series.started) == (0, True), "nobody knows its days"
        series = self.pending(T0, three)
        assert series.accept(first, moment(T0 + 5)) == [TradedEvent(three), first]
        assert (series.expected, series.started) == (opens, True)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
    st.integers(0, 39),
)
def test_every_trade_comes_out_once_and_in_order_whenever_it_ends(
    counts: list[int], pushed: list[bool], ends: int
) -> None:
    """A line that brings some of the closes, rows that bring the others, and somebody
    who says at some moment that it has ended, whether that is so or not."""
    series = live()
    rows = [
        candle(T0 + n * MINUTE, count, source=Source.REST)
        for n, count in enumerate([*counts, 1, 1])
    ]
    out: list = []
    ended_at = None
    for n, count in enumerate([*counts, 1]):
        close = candle(T0 + n * MINUTE, count)
        series.tick(moment(close.close_time + 1))
        if n == ends:
            series.end()
            ended_at = series.expected if series.finished else None
        if (pushed[n % 40] and count) or n == len(counts):
            out += series.accept(close, moment(close.event_time))
        late = moment(close.close_time + SETTLED + 1)
        series.tick(late)
        while (wish := series.take_wish(late)) is not None:
            there = [r for r in rows[: n + 2] if r.open_time >= wish.start]
            got = series.fill(there, late, late)
            out += got
            if not got:
                break
    candles = [one for one in out if isinstance(one, Candle)]
    assert [c.open_time for c in candles] == [
        T0 + n * MINUTE for n in range(len(counts) + 1)
    ]
    assert [c.count for c in candles] == [*counts, 1]
    assert not [one for one in out if isinstance(one, GapEvent)]
    assert series.trading.state is State.TRADED
    assert series.trading.until == NEVER
    if ended_at is not None and ended_at == T0 + len(counts) * MINUTE:
        assert TradedEvent(STREAM) in out
