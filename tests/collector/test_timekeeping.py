"""The time keeper: what is asked until the exchange's time can be believed, and who is
told meanwhile."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import SOON, ExchangeClock
from klinetail.collector.timekeeping import (
    AGAIN,
    DOUBT,
    PAUSES,
    SAID_AFTER,
    TRIES,
    UNSTARTED,
    TimeAnswers,
    TimeKeeper,
    newest_row,
    read_time,
    witnesses_among,
)
from klinetail.contract.series import Series
from klinetail.errors import ExchangeError, Refused, Unavailable
from klinetail.events import CLOCK, LinkEvent, LinkState
from klinetail.pace import SPAN
from tests.states import state_of
from tests.strategies import candle
from tests.venue import eventually

T0 = 1_700_000_040_000 - 1_700_000_040_000 % MINUTE + 20_000
HOUR = 3_600_000
BTC, OMG = Stream("BTCUSDT", Interval.M1), Stream("OMGUSDT", Interval.M1)


class Exchange:
    """An exchange that lies as it is told to, on a clock that pauses move on."""

    used_weight = None

    def __init__(self) -> None:
        self.now = 1000.0
        self.lies: Iterator[int | Exception] = iter(())
        """What is added to its time, one an answer; afterwards it tells the truth."""
        self.leap = 0
        """How far the clock went on while this machine slept."""
        self.rows = True
        self.row_lies = 0
        self.asked: list[str] = []

    @property
    def truth(self) -> int:
        return T0 + self.leap + int((self.now - 1000.0) * 1000)

    def server_time(self) -> int:
        self.asked.append("time")
        lie = next(self.lies, 0)
        if isinstance(lie, Exception):
            raise lie
        return self.truth + lie

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> list[Candle]:
        self.asked.append(stream.symbol)
        assert (stream.interval, start, limit) == (Interval.M1, None, 1)
        if stream.symbol != "BTCUSDT":
            raise Refused("Invalid symbol.", -1121)
        if not self.rows:
            return []
        time = self.truth + self.row_lies
        return [candle(time - time % MINUTE, source=Source.REST)]

    def listings(self) -> list:
        raise AssertionError("not asked here")

    def under_way(self) -> tuple[str, str]:
        return "", ""

    def close(self) -> None: ...


class Stopping(threading.Event):
    """Pauses that take no real time."""

    def __init__(self, exchange: Exchange, most: int = 10**6) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._exchange = exchange
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        self._exchange.now += timeout + 0.01  # no pause is exact
        return len(self.pauses) >= self._most


class Kept:
    """A time keeper and all around it."""

    def __init__(self, *streams: Stream, most: int = 10**6) -> None:
        self.exchange = Exchange()
        self.clock = ExchangeClock()
        self.stopping = Stopping(self.exchange, most)
        self.told: list[LinkEvent] = []
        self.doubts = 0
        self.looks = 0
        """How often somebody looked at the local clock."""
        self.keeper = TimeKeeper(
            state_of(
                {stream: Series(stream) for stream in streams or [BTC]},
                self.exchange,
                self.told,
                clock=self.clock,
                monotonic=self.now,
                stopping=self.stopping,
            )
        )

    def now(self) -> float:
        self.looks += 1
        return self.exchange.now

    def begin(self, patience: float = 1e9, row: bool = True) -> bool:
        readings = [read_time(self.exchange, self.now) for _ in range(2)]
        rows = [newest_row(self.exchange, BTC, self.now)] if row else []
        said = TimeAnswers(readings, [one for one in rows if one is not None])
        self.exchange.asked.clear()
        return self.keeper.begin(said, patience=patience, on_doubt=self.doubt)

    def doubt(self) -> None:
        self.doubts += 1

    @property
    def off(self) -> int:
        moment = self.clock.moment(self.exchange.now)
        return moment.confirmed - self.exchange.truth

    @property
    def states(self) -> list[LinkState]:
        assert all(event.link == CLOCK for event in self.told)
        return [event.state for event in self.told]


def test_what_it_waits_for_is_what_was_chosen() -> None:
    assert (TRIES, PAUSES, AGAIN, SAID_AFTER) == (6, (1.0, 3.0), 300.0, 1.5)
    assert UNSTARTED < SOON


def test_the_newest_rows_are_those_of_minutes_and_one_is_always_traded() -> None:
    streams = [Stream(f"N{n}", i) for n in range(9) for i in (Interval.D1, Interval.M1)]
    found = witnesses_among(streams, "BUSYUSDT")
    assert [s.symbol for s in found] == ["N0", "N1", "N2", "BUSYUSDT"]
    assert {s.interval for s in found} == {Interval.M1}
    assert witnesses_among([BTC], BTC.symbol) == [BTC]


def test_a_start_that_agrees_asks_nothing_more_and_says_nothing() -> None:
    kept = Kept()
    assert kept.begin()
    assert kept.off == 0
    assert (kept.exchange.asked, kept.told, kept.doubts) == ([], [], 0)


@pytest.mark.parametrize("lie", [-12 * HOUR, -3 * HOUR, -5_000, 5_000, 3 * HOUR])
@pytest.mark.parametrize("times", [1, 2, 5, 40])
def test_a_start_on_lies_of_one_size_waits_for_the_truth(lie: int, times: int) -> None:
    """But where they all lie in the minute of the newest row nobody could tell."""
    kept = Kept()
    kept.exchange.lies = iter([lie] * times)
    assert kept.begin()
    if times == 1 or abs(lie) > MINUTE:
        assert kept.off == 0
    pauses = kept.stopping.pauses
    assert len(pauses) <= max(2, times)
    assert set(pauses) <= {SPAN, UNSTARTED}


def test_a_start_in_doubt_is_told_and_lets_frames_come() -> None:
    kept = Kept()
    kept.exchange.lies = itertools.repeat(3 * HOUR, 30)
    assert kept.begin()
    assert kept.doubts == 1, "then links may subscribe"
    assert kept.states[0] is LinkState.WAITING
    assert kept.states[-1] is LinkState.IDLE
    assert {event.reason for event in kept.told[:-1]} == {DOUBT}


def test_a_start_in_doubt_can_be_stopped() -> None:
    kept = Kept(most=3)
    kept.exchange.lies = itertools.repeat(3 * HOUR)
    assert not kept.begin()
    assert not kept.clock.known


def test_a_start_in_doubt_ends_with_the_patience() -> None:
    kept = Kept()
    kept.exchange.lies = itertools.repeat(3 * HOUR)
    with pytest.raises(ExchangeError, match="clock cannot be believed"):
        kept.begin(patience=30.0)
    assert kept.exchange.now >= 1030.0


def test_a_start_without_any_row_waits_for_the_event_times_of_frames() -> None:
    kept = Kept()
    kept.exchange.rows = False

    def frames_come() -> None:
        kept.clock.see(kept.exchange.truth, kept.exchange.now)

    kept.doubt = frames_come  # type: ignore[method-assign]
    assert kept.begin(row=False)
    assert kept.off == 0


def test_a_start_of_which_requests_fail_goes_on_asking() -> None:
    kept = Kept()
    failures = [Unavailable("HTTP 503")] * 3
    kept.exchange.lies = iter([3 * HOUR, -HOUR, *failures])
    assert kept.begin()
    assert kept.off == 0


def test_a_start_of_which_most_requests_fail_puts_together_what_came() -> None:
    kept = Kept()
    failing = [Unavailable("HTTP 503")]
    kept.exchange.lies = iter(
        [3 * HOUR, 3 * HOUR, *(3 * [*failing, *failing, *failing, 0])]
    )
    assert kept.begin()
    assert kept.off == 0


def test_a_witness_without_rows_is_asked_last_from_then_on() -> None:
    kept = Kept(OMG)
    kept.exchange.lies = iter([3 * HOUR] * 4)
    assert kept.begin()
    rows = [asked for asked in kept.exchange.asked if asked != "time"]
    assert rows == ["OMGUSDT", *["BTCUSDT"] * (len(rows) - 1)]


def begun() -> Kept:
    kept = Kept()
    assert kept.begin()
    return kept


def test_a_reading_that_counts_is_one_request() -> None:
    kept = begun()
    kept.exchange.now += 60.0
    assert kept.keeper.read()
    assert kept.exchange.asked == ["time"]
    assert kept.keeper.read(), "another moment, another reading"


@pytest.mark.parametrize("lie", [-12 * HOUR, -5_000, 5_000, 3 * HOUR])
def test_one_lie_costs_one_more_request(lie: int) -> None:
    kept = begun()
    kept.exchange.now += 60.0
    kept.exchange.lies = iter([lie])
    assert kept.keeper.read()
    assert kept.exchange.asked == ["time", "time"]
    assert (kept.off, kept.told) == (0, [])


@pytest.mark.parametrize("lie", [-12 * HOUR, -3 * HOUR, 3 * HOUR])
def test_a_lie_that_lasts_is_found_out_by_the_newest_row(lie: int) -> None:
    kept = begun()
    kept.exchange.lies = itertools.repeat(lie)
    for _ in range(20):
        kept.exchange.now += 30.0
        assert kept.keeper.read()
        assert kept.off == 0
    assert kept.told == []


def test_lies_of_many_sizes_leave_a_doubt_that_is_told_and_ends() -> None:
    """The newest row is told by the same lie, so that it settles nothing."""
    kept = begun()
    kept.exchange.row_lies = HOUR
    kept.exchange.lies = itertools.count(2 * HOUR, 10_000)
    kept.exchange.now += 60.0
    for attempt in (1, 2, 3, 4):
        assert not kept.keeper.read()
        assert kept.told[-1].attempt == attempt
        assert kept.off == 0, "it goes on as predicted"
        assert kept.keeper.left() <= PAUSES[1]
        kept.exchange.now += kept.keeper.left()
        assert kept.keeper.heed()
    kept.exchange.lies = iter(())
    assert kept.keeper.read()
    assert kept.states == [LinkState.WAITING] * 4 + [LinkState.IDLE]
    assert kept.off == 0
    assert kept.keeper.left() == AGAIN


def test_a_true_leap_is_taken_at_once() -> None:
    kept = begun()
    kept.exchange.leap = 12 * HOUR
    assert kept.keeper.read()
    assert kept.off == 0
    assert sum(kept.stopping.pauses) <= 1.0


def test_an_exchange_that_does_not_answer_is_asked_again_and_doubts_nothing() -> None:
    kept = begun()
    kept.exchange.lies = iter([Unavailable("HTTP 503")])
    assert not kept.keeper.read()
    assert kept.keeper.left() == PAUSES[0]
    assert (kept.told, kept.clock.doubted) == ([], False)


def test_it_is_read_now_and_then_though_nobody_asks() -> None:
    kept = begun()
    assert not kept.keeper.heed()
    kept.exchange.now += AGAIN
    assert kept.keeper.heed()
    assert not kept.keeper.heed(), "it counts as asked for"


def test_one_answer_serves_all_who_wait_for_one() -> None:
    kept = begun()
    asked, answer = threading.Event(), threading.Event()
    truth = kept.exchange.server_time

    def slowly() -> int:
        asked.set()
        assert answer.wait(60.0)
        kept.exchange.now += 0.5
        return truth()

    kept.exchange.server_time = slowly  # type: ignore[method-assign]
    before, many = kept.looks, 5
    readers = [threading.Thread(target=kept.keeper.read) for _ in range(many)]
    for reader in readers:
        reader.start()
    assert asked.wait(60.0)
    eventually(lambda: kept.looks == before + many + 1, "all want the time")
    answer.set()
    for reader in readers:
        reader.join(60.0)
        assert not reader.is_alive()
    assert kept.exchange.asked == ["time"]
