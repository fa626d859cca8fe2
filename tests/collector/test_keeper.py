"""The keeper: who is seen to, and that nobody else is."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

import pytest

from klinetail.candle import HOUR, MINUTE, Interval, Stream
from klinetail.clock import Moment
from klinetail.collector.keeper import Keeper
from klinetail.collector.sleep import PULSE
from klinetail.contract.attempts import RETRY
from klinetail.contract.close import GRACE
from klinetail.contract.finality import SETTLED
from klinetail.contract.series import Series
from tests.contract.minutes import STREAM, T0, candle

MANY = 1000
PATIENCE = 60.0
BEGUN = Moment(T0 + 1000, 1.0)


class Counted(Series):
    """Counts what it is asked about its deadlines."""

    asked: Counter[str]

    def due(self, now: Moment) -> float:
        self.asked["due"] += 1
        return super().due(now)

    def exchange_due(self, now: Moment) -> float:
        self.asked["exchange_due"] += 1
        return super().exchange_due(now)

    def overdue(self, now: Moment) -> bool:
        self.asked["overdue"] += 1
        return super().overdue(now)

    def tick(self, now: Moment) -> list:
        self.asked["tick"] += 1
        return super().tick(now)


class Told(threading.Condition):
    """Counts how often the waiting was ended."""

    times = 0

    def notify_all(self) -> None:
        self.times += 1
        super().notify_all()


class Kept:
    """A keeper on its thread, whose time is what it is set to; a context manager."""

    def __init__(self, groups: Sequence[Sequence[Series]]) -> None:
        self.changed = Told(threading.RLock())
        self.stopping = threading.Event()
        self.now = BEGUN
        self.seen: list[Series] = []
        self.waits = 0
        self.keeper = Keeper(groups, self.changed, lambda: self.now)
        self.on_due = self.see_to
        self.thread = threading.Thread(
            target=self.keeper.run,
            args=[self.stopping, lambda *due: self.on_due(*due), self.pulse],
            daemon=True,
        )

    def see_to(self, series: Series, now: Moment) -> None:
        self.seen.append(series)
        series.tick(now)
        series.take_wish(now)
        self.keeper.heed(series, now)

    def pulse(self) -> float:
        self.waits += 1
        return PULSE

    def set(self, now: Moment) -> list[Series]:
        """Let time pass; whoever was seen to until the keeper waits again."""
        with self.changed:
            self.now = now
            self.seen.clear()
            before = self.waits
            self.changed.notify_all()
            self.until(lambda: self.waits > before and self.rests())
            return list(self.seen)

    def rests(self) -> bool:
        """Whether the keeper waits for the next deadline; asked with the lock held."""
        return self.keeper.exchange_due < math.inf

    def until(self, done: Callable[[], bool]) -> None:
        """Wait with the lock, while the keeper goes on."""
        for _ in range(int(PATIENCE * 1000)):
            self.changed.wait(0.001)
            if done():
                return
        raise AssertionError("the keeper does not come to rest")

    def __enter__(self) -> Self:
        with self.changed:
            for series in self.keeper._delay_of:
                self.keeper.heed(series, BEGUN)
            self.thread.start()
            self.until(self.rests)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with self.changed:
            self.changed.notify_all()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


def many(number: int = MANY, first: int = 0) -> list[Series]:
    found = []
    for n in range(first, first + number):
        one = Counted(Stream(f"S{n}USDT", STREAM.interval))
        one.asked = Counter()
        one.begin(BEGUN)
        found.append(one)
    return found


def forget(series: Sequence[Series]) -> None:
    for one in series:
        one.asked.clear()


def asked(series: Sequence[Series]) -> list[Series]:
    return [one for one in series if one.asked]


def test_all_of_a_minute_are_seen_to_once_at_its_end_and_once_after_it() -> None:
    series = many()
    with Kept([series]) as kept:
        assert sorted(map(id, kept.set(Moment(T0 + MINUTE, 60.0)))) == sorted(
            map(id, series)
        )
        assert kept.set(Moment(T0 + MINUTE + 500, 60.5)) == []
        with kept.changed:
            for one in series:
                one.accept(candle(T0, 3, stream=one.stream), kept.now)
                kept.keeper.heed(one, kept.now)
        assert len(kept.set(Moment(T0 + MINUTE + GRACE, 63.0))) == MANY
        assert kept.set(Moment(T0 + MINUTE + 20_000, 80.0)) == []


@pytest.mark.parametrize("first", ["the keeper", "the close"])
def test_values_are_remembered_when_the_closes_are_through(first: str) -> None:
    """The keeper comes by at a minute's end, before its closes or after them."""
    series = [Series(one.stream, keep=1) for one in many()]
    for one in series:
        one.begin(BEGUN)
    with Kept([series]) as kept:
        end = Moment(T0 + MINUTE, 60.0)
        if first == "the keeper":
            kept.set(end)
        with kept.changed:
            for one in series:
                one.accept(candle(T0, 3, stream=one.stream), end)
                kept.keeper.heed(one, end)
        kept.set(Moment(T0 + MINUTE + GRACE - 1, 62.9))
        assert not any(T0 in one._order.delivered.fingerprints for one in series)
        assert sorted(map(id, kept.set(Moment(T0 + MINUTE + GRACE, 63.0)))) == sorted(
            map(id, series)
        )
        assert all(T0 in one._order.delivered.fingerprints for one in series)
        assert kept.set(Moment(T0 + MINUTE + 20_000, 80.0)) == []


def test_a_forming_frame_and_an_awaited_close_touch_no_deadline() -> None:
    series = many()
    with Kept([series]) as kept:
        kept.set(Moment(T0 + 2000, 2.0))
        with kept.changed:
            forget(series)
            for one in series:
                forming = candle(T0, 1, closed=False, stream=one.stream)
                one.accept(forming, kept.now)
                kept.keeper.heed(one, kept.now)
        kept.set(Moment(T0 + MINUTE, 60.0))
        with kept.changed:
            forget(series)
            for one in series:
                told = kept.changed.times
                one.accept(candle(T0, 3, stream=one.stream), kept.now)
                kept.keeper.heed(one, kept.now)
                assert kept.changed.times == told
            assert asked(series) == []


def test_a_round_touches_only_what_is_due() -> None:
    series = many()
    (lacking,) = some = series[500:501]
    with Kept([series]) as kept:
        now = Moment(T0 + MINUTE + 500, 60.5)
        kept.set(now)
        with kept.changed:
            for one in series:
                which = T0 + MINUTE if one is lacking else T0
                close = candle(which, 3, stream=one.stream, event_time=T0 + 2 * MINUTE)
                one.accept(close, now)
                kept.keeper.heed(one, now)
            lacking.take_wish(now)
        kept.set(Moment(T0 + MINUTE + GRACE, 63.0))
        with kept.changed:
            lacking.fail("HTTP 503", kept.now)
            forget(series)
            kept.keeper.heed(lacking, kept.now)
        assert kept.set(Moment(T0 + MINUTE + GRACE, 63.0 + RETRY[0] - 0.1)) == []
        assert kept.set(Moment(T0 + MINUTE + GRACE + 1, 63.0 + RETRY[0])) == some
        assert asked(series) == some


def test_one_that_has_to_be_seen_to_earlier_ends_the_waiting() -> None:
    """A candle that is held has a hold, whatever the keeper waits for."""
    series = many(20)
    held = series[7]
    with Kept([series]) as kept:
        kept.set(Moment(T0 + 2000, 2.0))
        with kept.changed:
            kept.seen.clear()
            kept.now = Moment(T0 + 2001, 2.001)
            held.accept(candle(T0 + MINUTE, 3, stream=held.stream), kept.now)
            told = kept.changed.times
            kept.keeper.heed(held, kept.now)
            assert kept.changed.times == told + 1
            kept.until(lambda: kept.seen == [held])


def test_a_gap_is_asked_for_again_however_far_the_next_close_is() -> None:
    """An hour's stream too, of which nothing else is due for long."""
    stream = Stream("S0USDT", Interval.H1)
    start = T0 - T0 % HOUR
    series = Series(stream, hold=0.0)
    series.begin(Moment(start + 1000, 1.0))
    with Kept([[series]]) as kept:
        now = Moment(start + 2 * HOUR + 500, 7200.5)
        with kept.changed:
            kept.now = now
            series.accept(candle(start + HOUR, 5, stream=stream), now)
            kept.keeper.heed(series, now)
            series.take_wish(now)
            series.fail("HTTP 503", now)
            kept.keeper.heed(series, now)
        later = now._replace(monotonic=now.monotonic + 1.0)
        kept.set(later)
        assert series.take_wish(later) is None, "it is on its way"
        with kept.changed:
            series.fail("HTTP 503", later)
            kept.keeper.heed(series, later)
        again = later.monotonic + RETRY[1]
        assert kept.set(later._replace(monotonic=again - 1.0)) == []
        assert kept.set(later._replace(monotonic=again)) == [series]


def test_many_that_are_overdue_together_on_a_link_wait_longer() -> None:
    late, fine = many(100), many(100, first=100)
    with Kept([late, fine]) as kept:
        kept.set(Moment(T0 + MINUTE, 60.0))
        with kept.changed:
            for one in fine[3:]:
                one.accept(candle(T0, 3, stream=one.stream), kept.now)
                kept.keeper.heed(one, kept.now)
        kept.set(Moment(T0 + MINUTE + GRACE, 63.0))
        assert not any(one.lacking for one in late)
        assert {one.grace for one in late} == {SETTLED}
        assert [one for one in fine if one.lacking] == fine[:3]
        with kept.changed:
            for one in late[10:]:
                one.accept(candle(T0, 3, stream=one.stream), kept.now)
                kept.keeper.heed(one, kept.now)
        kept.set(Moment(T0 + MINUTE + SETTLED, 90.0))
        assert [one for one in late if one.lacking] == late[:10]


def test_the_lock_is_given_up_between_some_and_the_next() -> None:
    """Whoever wants the lock during a round gets it before the round is over."""
    series = many()
    seen_at: list[int] = []
    with Kept([series]) as kept:
        kept.set(Moment(T0 + 2000, 2.0))

        def want() -> None:
            with kept.changed:
                seen_at.append(len(kept.seen))

        def see_to(one: Series, now: Moment) -> None:
            kept.see_to(one, now)
            if len(kept.seen) == 1:
                other.start()

        other = threading.Thread(target=want)
        kept.on_due = see_to
        kept.set(Moment(T0 + MINUTE, 60.0))
        other.join(PATIENCE)
    assert 0 < seen_at[0] < MANY


def test_a_shortage_is_waited_out_and_nobody_is_forgotten() -> None:
    """What was due when memory ran out is seen to afterwards."""
    series, seen = many(), set()
    with Kept([series]) as kept:
        failures = [MemoryError()]

        def see_to(one: Series, now: Moment) -> None:
            if len(seen) >= 100 and failures:
                raise failures.pop()
            kept.see_to(one, now)
            seen.add(one)

        kept.on_due = see_to
        with kept.changed:
            kept.now = Moment(T0 + MINUTE, 60.0)
            kept.changed.notify_all()
            kept.until(lambda: len(seen) == MANY)
    assert failures == []


def test_a_bug_is_raised() -> None:
    def see_to(one: Series, now: Moment) -> None:
        raise ZeroDivisionError

    series = many(1)
    changed = threading.Condition(threading.RLock())
    now = Moment(T0 + MINUTE, 60.0)
    keeper = Keeper([series], changed, lambda: now)
    with changed:
        keeper.heed(series[0], now)
    with pytest.raises(ZeroDivisionError):
        keeper.run(threading.Event(), see_to, lambda: None)
