"""What is asked about streams without a trade, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.endings import GONE, PAUSE, Endings
from klinetail.contract.series import Series
from klinetail.contract.trading import DELIVERED, LEAST
from klinetail.errors import Unreachable
from klinetail.events import Drop, DropEvent, EndedEvent, Event, TradedEvent
from klinetail.protocol.exchange_info import Listing, Listings
from klinetail.protocol.statuses import PENDING
from tests.collector.collecting import FakeRest
from tests.contract.minutes import T0, candle
from tests.states import SetClock, Times, state_of

NAMES = ("AUSDT", "BUSDT", "CUSDT", "DUSDT")
M1, H1 = Interval.M1, Interval.H1
STREAMS = [Stream(name, M1) for name in NAMES]
IDLE = T0 + LEAST
"""When a stream without a trade since its start is looked up."""


class Asked:
    """Endings whose requests are sent when the test says so."""

    def __init__(self, *streams: Stream, onboard: int | None = None) -> None:
        self.rest = FakeRest()
        self.listed: Sequence[Listing] = [Listing(name, "TRADING") for name in NAMES]
        self.rest.listings = lambda: self.listed  # type: ignore[method-assign]
        self.series = {s: Series(s) for s in streams or STREAMS}
        self.events: list[Event] = []
        self.sent = 0
        self.now = Moment(T0, 0.0)
        for series in self.series.values():
            series.begin(self.now, onboard)
            series.resume(self.now)
        state = state_of(
            self.series, self.rest, self.events, clock=SetClock(lambda: self.now)
        )
        self.jobs = state.backfill.jobs
        self.times = Times(self.rest.server_time)
        self.endings = Endings(state, self.times, self.after)

    def after(self, series: Series, now: Moment) -> None:
        assert now == self.now
        assert series.ended or series.stream in self.traded

    @property
    def ended(self) -> dict[Stream, str]:
        """The status of each stream of which the end was told, once each."""
        told = [e for e in self.events if isinstance(e, EndedEvent)]
        assert len(told) == len({event.stream for event in told})
        return {event.stream: event.status for event in told}

    @property
    def traded(self) -> list[Stream]:
        return [e.stream for e in self.events if isinstance(e, TradedEvent)]

    @property
    def told(self) -> list[DropEvent]:
        return [e for e in self.events if isinstance(e, DropEvent)]

    def at(self, exchange: int, monotonic: float | None = None, ahead: int = 0) -> None:
        """Look at all of them at that time; what is asked is answered at once."""
        seconds = (exchange - T0) / 1000 if monotonic is None else monotonic
        self.now = Moment(exchange, seconds, ahead)
        for series in self.series.values():
            self.endings.look_at(series, self.now)
        self.sent += len(self.jobs)
        for _, _, job in self.jobs:
            job()
        self.jobs.clear()

    def trade(self, stream: Stream, time: int) -> None:
        opens = stream.interval.floor(time)
        seen = candle(opens, time - opens, closed=False, stream=stream, event_time=time)
        self.series[stream].accept(seen, Moment(time, (time - T0) / 1000))


def test_nobody_asks_about_a_stream_that_has_trades() -> None:
    asked = Asked()
    for second in range(0, 3600, 7):
        for stream in STREAMS:
            asked.trade(stream, T0 + second * 1000 + 1)
        asked.at(T0 + second * 1000 + 1)
    assert (asked.sent, asked.ended) == (0, {})


def test_one_list_serves_all_and_only_those_end_that_it_calls_ended() -> None:
    asked = Asked()
    asked.listed = [
        Listing("AUSDT", "SETTLING"),
        Listing("BUSDT", "TRADING"),
        Listing("CUSDT", "CLOSE"),
        Listing("DUSDT", "SETTLING"),
    ]
    a, _, c, d = STREAMS
    asked.endings.learn([Listing("BUSDT", "TRADING")], asked.now)
    asked.trade(d, IDLE - 1)
    asked.at(IDLE - 1)
    assert asked.sent == 0
    asked.at(IDLE)
    assert asked.sent == 1
    assert asked.ended == {a: "SETTLING", c: "CLOSE"}
    asked.at(IDLE + LEAST - 2)
    assert d not in asked.ended
    asked.trade(d, IDLE + LEAST - 2)
    asked.at(IDLE + LEAST - 1)
    assert d not in asked.ended, "the list is older than its last trade"


def test_what_was_learned_ends_what_becomes_idle_later_without_another_list() -> None:
    long = Stream("AUSDT", H1)
    asked = Asked(STREAMS[0], long)
    asked.listed = [Listing("AUSDT", "SETTLING")]
    asked.series[STREAMS[0]].hearing.unheard = 1  # of it frames prove nothing
    asked.at(IDLE)
    assert asked.sent == 0
    asked.at(T0 + 6 * LEAST)
    assert (asked.sent, asked.ended) == (1, {long: "SETTLING"})
    asked.series[STREAMS[0]].hearing.unheard = 0
    asked.at(T0 + 20 * LEAST)
    assert (asked.sent, len(asked.ended)) == (1, 2)


def test_the_time_is_read_before_the_list() -> None:
    asked = Asked(STREAMS[0])
    order = []
    asked.times.read = lambda: order.append("time")
    asked.rest.listings = lambda: order.append("list") or []  # type: ignore[method-assign]
    asked.at(IDLE)
    assert order == ["time", "list"]


def test_a_long_stream_ends_with_the_short_one_of_its_symbol() -> None:
    long = Stream("AUSDT", H1)
    asked = Asked(STREAMS[0], long)
    asked.listed = [Listing("AUSDT", "SETTLING")]
    asked.at(IDLE)
    assert asked.ended == {STREAMS[0]: "SETTLING", long: "SETTLING"}


def test_it_is_asked_every_ten_real_minutes_and_not_before_what_is_live() -> None:
    """However fast the exchange's clock runs, and whether there is an answer or not."""
    assert PAUSE == 600.0
    for answers in (True, False):
        asked = Asked()
        if not answers:
            asked.rest.listings = fail  # type: ignore[method-assign]
        times = []
        for second in range(3600):
            asked.now = Moment(IDLE + second * 60_000, float(second))
            for series in asked.series.values():
                asked.endings.look_at(series, asked.now)
            for urgency, weight, job in asked.jobs:
                times.append(second)
                assert (urgency, weight) == (Urgency.HISTORY, 2)
                job()
            asked.jobs.clear()
        assert times == [*range(0, 3600, int(PAUSE))]
        assert asked.ended == {}


def fail() -> list[Listing]:
    raise Unreachable("no route")


def test_nobody_is_woken_for_it_meanwhile() -> None:
    asked = Asked(Stream("AUSDT", H1))
    (series,) = asked.series.values()
    asked.at(T0 + 6 * LEAST, 100.0)
    assert asked.sent == 1
    assert series.trading.look_up_from == 100.0 + PAUSE
    asked.at(T0 + 6 * LEAST + 1, 100.0 + PAUSE)
    assert asked.sent == 2


def test_no_time_that_is_not_confirmed_ends_anything() -> None:
    asked = Asked(STREAMS[0])
    asked.listed = [Listing("AUSDT", "SETTLING")]
    asked.at(IDLE + 7, 1.0, ahead=8)
    assert (asked.sent, asked.ended) == (1, {})
    (series,) = asked.series.values()
    assert series.trading.look_up_from == 2.0, "it is looked at again soon"
    asked.at(IDLE + 8, 2.0, ahead=8)
    assert (asked.sent, asked.ended) == (1, {STREAMS[0]: "SETTLING"})


class TestDates:
    def dated(self, date: int, status: str = "TRADING") -> Asked:
        asked = Asked(STREAMS[0])
        asked.endings.learn(
            [Listing("AUSDT", "TRADING", delivery_time=date)], asked.now
        )
        asked.listed = [Listing("AUSDT", status, delivery_time=date)]
        asked.trade(STREAMS[0], date - 1)
        return asked

    def test_one_that_has_passed_is_looked_up_after_a_minute(self) -> None:
        date = T0 + 90_000
        asked = self.dated(date, "SETTLING")
        asked.at(date + MINUTE - 1)
        assert asked.sent == 0
        asked.at(date + MINUTE)
        assert (asked.sent, asked.ended) == (1, {STREAMS[0]: "SETTLING"})

    @pytest.mark.parametrize("answers", [True, False])
    def test_it_decides_where_the_list_still_says_otherwise(
        self, answers: bool
    ) -> None:
        date = T0 + 90_000
        asked = self.dated(date)
        if not answers:
            asked.rest.listings = fail  # type: ignore[method-assign]
        asked.at(date + MINUTE)
        assert len(asked.ended) == answers
        asked.at(date + MINUTE + 1)
        assert (asked.sent, asked.ended) == (1, {STREAMS[0]: DELIVERED})

    def test_while_the_list_is_on_its_way_it_decides_nothing(self) -> None:
        date = T0 + 90_000
        asked = self.dated(date, "SETTLING")
        asked.now = Moment(date + MINUTE, 150.0)
        for _ in range(3):
            asked.endings.look_at(asked.series[STREAMS[0]], asked.now)
        assert (len(asked.jobs), asked.ended) == (1, {})
        asked.jobs[0][2]()
        assert asked.ended == {STREAMS[0]: "SETTLING"}

    def test_it_decides_where_the_list_was_asked_a_moment_ago(self) -> None:
        date = T0 + 10 * MINUTE
        asked = self.dated(date)
        asked.endings._pause_until = 1e9
        asked.at(date + MINUTE - 1)
        assert asked.ended == {}
        asked.at(date + MINUTE)
        assert (asked.sent, asked.ended) == (0, {STREAMS[0]: DELIVERED})

    def test_one_that_was_put_off_decides_nothing(self) -> None:
        date = T0 + 90_000
        asked = self.dated(date)
        asked.listed = [Listing("AUSDT", "TRADING", delivery_time=date + 60 * MINUTE)]
        asked.at(date + MINUTE)
        asked.at(date + 20 * MINUTE)
        assert (asked.sent, asked.ended) == (2, {})

    def test_while_trades_come_no_date_counts(self) -> None:
        date = T0 + 90_000
        asked = self.dated(date)
        asked.endings._pause_until = 1e9
        for second in range(0, 600, 50):
            asked.trade(STREAMS[0], date + second * 1000)
            asked.at(date + second * 1000)
        asked.at(date + 590_000 + MINUTE)
        assert (asked.sent, asked.ended) == (0, {})


class TestMissing:
    def test_one_list_without_a_symbol_is_no_proof_and_two_are(self) -> None:
        asked = Asked(*STREAMS[:2])
        asked.listed = [Listing("BUSDT", "TRADING")]
        asked.at(IDLE)
        assert asked.ended == {}
        asked.at(IDLE + int(PAUSE) * 1000)
        assert asked.ended == {STREAMS[0]: GONE}

    def test_one_that_comes_back_was_never_gone(self) -> None:
        asked = Asked(STREAMS[0])
        without = [Listing("X", "TRADING")]
        full = [*without, Listing("AUSDT", "TRADING")]
        for n, listed in enumerate([without, full, without, full]):
            asked.listed = listed
            asked.at(IDLE + n * int(PAUSE) * 1000)
        assert (asked.sent, asked.ended) == (4, {})

    def test_a_list_that_could_not_be_read_in_full_proves_nothing(self) -> None:
        asked = Asked(STREAMS[0])
        asked.listed = odd = Listings([Listing("X", "TRADING")])
        odd.odd = odd.left_out = 1
        for n in range(3):
            asked.at(IDLE + n * int(PAUSE) * 1000)
        assert (asked.sent, asked.ended) == (3, {})
        assert [event.why for event in asked.told] == [Drop.LISTING] * 3
        odd.left_out = 0
        for n in range(3, 5):
            asked.at(IDLE + n * int(PAUSE) * 1000)
        assert asked.ended == {STREAMS[0]: GONE}, "all of its names were read"

    def test_not_even_after_one_that_could(self) -> None:
        asked = Asked(STREAMS[0])
        asked.listed = [Listing("X", "TRADING")]
        asked.at(IDLE)
        asked.listed = odd = Listings(asked.listed)
        odd.odd = odd.left_out = 1
        asked.at(IDLE + int(PAUSE) * 1000)
        assert (asked.sent, asked.ended) == (2, {})

    def test_nor_does_an_empty_one(self) -> None:
        asked = Asked(STREAMS[0])
        asked.listed = []
        for n in range(3):
            asked.at(IDLE + n * int(PAUSE) * 1000)
        assert (asked.sent, asked.ended) == (3, {})


class TestPending:
    def test_it_is_awaited_and_never_ends(self) -> None:
        asked = Asked(STREAMS[0], onboard=T0 + 60 * MINUTE)
        asked.listed = [Listing("AUSDT", PENDING, onboard_time=T0 + 60 * MINUTE)]
        asked.endings.learn(asked.listed, asked.now)
        asked.at(T0 + 60 * MINUTE + LEAST - 1)
        assert asked.sent == 0, "nothing is to be expected before"
        for minutes in range(65, 165):
            asked.at(T0 + minutes * MINUTE)
        assert (asked.sent, asked.ended, asked.traded) == (10, {}, [])

    def test_the_list_says_that_it_is_traded(self) -> None:
        asked = Asked(STREAMS[0], onboard=0)
        asked.at(IDLE)
        assert (asked.traded, asked.ended) == (STREAMS[:1], {})

    def test_the_list_says_that_it_never_will_be(self) -> None:
        asked = Asked(STREAMS[0], onboard=0)
        asked.listed = [Listing("AUSDT", "CLOSE")]
        asked.at(IDLE)
        assert (asked.traded, asked.ended) == ([], {STREAMS[0]: "CLOSE"})
