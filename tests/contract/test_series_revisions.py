"""Series: closes that come once more, against a model that forgets no number."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from klinetail.candle import DAY, HOUR, MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.series import Series
from klinetail.events import Drop, DropEvent, GapEvent, RevisionEvent
from tests.contract.minutes import STREAM, T0, candle

START = T0 - T0 % DAY
LONG = (Interval.H2, Interval.H4, Interval.H8, Interval.H12, Interval.D1, Interval.D3)
"""So long that a day is a few candles, or less than one."""


def with_zeros(one: Candle, zeros: int) -> Candle:
    """The same numbers in other digits."""
    volume = f"{one.count}.{'0' * zeros}" if zeros else f"{one.count}"
    return msgspec.structs.replace(one, volume_text=volume)


class Late(RuleBasedStateMachine):
    """Closes come, some are lost and announced as gaps, gaps are filled or not; and any
    close may come once more, with its values or with others, in any digits."""

    @initialize(interval=st.sampled_from(LONG), keep=st.sampled_from([1, 2, 3, 500]))
    def begin(self, interval: Interval, keep: int) -> None:
        self.stream = Stream("BTCUSDT", interval)
        self.keep = keep
        self.series = Series(self.stream, hold=0.0, keep=keep)
        self.first = interval.floor(START)
        self.monotonic = 1000.0
        self.now = self.first + 1
        self.series.begin(self.moment)
        if interval is Interval.D3:  # its first frame says where it opens
            self.series.accept(self.made(0, 0, closed=False), self.moment)
        self.known: dict[int, Candle] = {}
        self.missing: set[int] = set()

    @property
    def moment(self) -> Moment:
        return Moment(self.now, self.monotonic)

    @property
    def next(self) -> int:
        """How many closed candles there were so far."""
        return self.stream.interval.steps(self.first, self.series.expected)

    def made(self, step: int, count: int, **options: object) -> Candle:
        opens = self.stream.interval.shift(self.first, step)
        return candle(opens, count, stream=self.stream, **options)

    def deliver(self, step: int, count: int) -> list:
        close = self.made(step, count)
        self.now = max(self.now, close.event_time)
        self.known[close.open_time] = close
        return self.series.accept(close, self.moment)

    @rule(count=st.integers(0, 2), times=st.integers(1, 8), pause=st.booleans())
    def close(self, count: int, times: int, pause: bool) -> None:
        """Candles close; there is time between them, or none."""
        for _ in range(times):
            close = self.deliver(self.next, count)
            assert close == [self.known[max(self.known)]]
            if pause:
                self.now = self.series.expected + GRACE
                assert self.series.tick(self.moment) == []

    @rule(lost=st.integers(1, 4), count=st.integers(0, 2))
    def lose(self, lost: int, count: int) -> None:
        """Closes are lost, and REST does not have them either."""
        first = self.next
        assert self.deliver(first + lost, count) == []
        self.monotonic += 60
        assert self.series.take_wish(self.moment) is not None
        self.series.fail("HTTP 503", self.moment)
        gap, later = self.series.tick(self.moment)
        assert isinstance(gap, GapEvent)
        assert later == self.known[max(self.known)]
        self.missing.update(self.made(first + n, 0).open_time for n in range(lost))

    @precondition(lambda self: self.missing)
    @rule(count=st.integers(0, 2), most=st.integers(1, 4))
    def fill(self, count: int, most: int) -> None:
        """REST has the first of a gap after all, or more of it."""
        self.monotonic += 60
        wish = self.series.take_wish(self.moment)
        assert wish is not None
        interval = self.stream.interval
        number = min(most, interval.steps(wish.start, wish.end)) + 1
        first = interval.steps(self.first, wish.start)
        rows = [self.made(first + n, count, source=Source.REST) for n in range(number)]
        (filled,) = self.series.fill(rows, self.moment, self.moment)
        self.take_gap(filled)

    def take_gap(self, filled: object) -> None:
        assert isinstance(filled, GapEvent)
        for one in filled.candles:
            self.missing.remove(one.open_time)
            self.known[one.open_time] = one

    @precondition(lambda self: self.known)
    @rule(
        back=st.integers(1, 14), count=st.integers(0, 2), zeros=st.sampled_from([0, 3])
    )
    def come_once_more(self, back: int, count: int, zeros: int) -> None:
        """What it then is, is told, once."""
        close = with_zeros(self.made(self.next - back, count), zeros)
        self.now += 1
        out = self.series.accept(close, self.moment)
        time = close.open_time
        if time < self.first:
            assert out == []
        elif time in self.missing:
            (filled,) = out
            self.take_gap(filled)
        elif count == self.known[time].count:
            assert out == [DropEvent(Drop.DUPLICATE, self.stream)]
        elif time in sorted(self.known)[-self.keep :]:
            assert out == [RevisionEvent(self.known[time], close)]
            self.known[time] = close
        elif time >= self.series.expected - DAY:
            assert out == [RevisionEvent(None, close)]
            self.known[time] = close
        else:
            assert out == [DropEvent(Drop.DUPLICATE, self.stream)]
        again = self.series.accept(close, self.moment)
        assert again in ([], [DropEvent(Drop.DUPLICATE, self.stream)])


TestLate = Late.TestCase
TestLate.settings = settings(stateful_step_count=30)


def days_worth(keep: int) -> tuple[Series, list[Candle], Moment]:
    """A series that has delivered a day and an hour of minutes."""
    series = Series(STREAM, keep=keep)
    series.begin(Moment(T0, 0.0))
    closes = [candle(T0 + n * MINUTE, 3) for n in range((DAY + HOUR) // MINUTE)]
    for close in closes:
        now = Moment(close.event_time, 0.0)
        assert series.accept(close, now) == [close]
    return series, closes, now


@pytest.mark.parametrize("keep", [1, 16, 500])
def test_a_revision_within_a_day_is_told_once_whatever_is_kept(keep: int) -> None:
    series, closes, now = days_worth(keep)
    duplicate = [DropEvent(Drop.DUPLICATE, STREAM)]
    for at in (-1440, -1439, -keep - 1, -keep, -1):
        revised = candle(closes[at].open_time, 4)
        delivered = closes[at] if at >= -keep else None
        assert series.accept(with_zeros(closes[at], 2), now) == duplicate
        assert series.accept(revised, now) == [RevisionEvent(delivered, revised)]
        assert series.accept(with_zeros(revised, 2), now) == duplicate
        delivered = revised if at >= -keep else None
        back = RevisionEvent(delivered, closes[at])
        assert series.accept(closes[at], now) == [back]
    for at in (0, -1441):
        assert series.accept(candle(closes[at].open_time, 4), now) == duplicate


def test_a_revision_stays_one_when_its_candle_leaves_what_is_kept() -> None:
    """Whether it came before its values were remembered or after that."""
    for pause in (False, True):
        series = Series(STREAM, keep=1)
        series.begin(Moment(T0, 0.0))
        first, revised = candle(T0, 3), candle(T0, 4)
        later = Moment(T0 + MINUTE + GRACE, 0.0)
        series.accept(first, later)
        if pause:
            series.tick(later)
        assert series.accept(revised, later) == [RevisionEvent(first, revised)]
        series.accept(candle(T0 + MINUTE, 3), Moment(T0 + 2 * MINUTE + 500, 60.0))
        now = Moment(T0 + 2 * MINUTE + 600, 60.0)
        duplicate = [DropEvent(Drop.DUPLICATE, STREAM)]
        assert series.accept(revised, now) == duplicate
        assert series.accept(first, now) == [RevisionEvent(None, first)]


def gapped(keep: int, lost: int) -> tuple[Series, Moment]:
    """A series that lost closes from the second one on, and was told the next three."""
    series = Series(STREAM, keep=keep, hold=0.0)
    series.begin(Moment(T0, 0.0))
    series.accept(candle(T0, 3), Moment(T0 + MINUTE + 500, 60.0))
    for n in range(lost + 1, lost + 4):
        now = Moment(T0 + (n + 1) * MINUTE + 500, (n + 1) * 60.0)
        series.accept(candle(T0 + n * MINUTE, 3), now)
        if n == lost + 1:
            assert series.take_wish(now) is not None
            series.fail("HTTP 503", now)
            assert len(series.tick(now)) == 2
    return series, now


@pytest.mark.parametrize("keep", [1, 2, 5, 8])
@pytest.mark.parametrize("pause", [False, True])
def test_what_filled_a_gap_late_is_remembered_too(keep: int, pause: bool) -> None:
    """Also when the values of what leaves next were remembered before that."""
    lost = 4
    series, now = gapped(keep, lost)
    if pause:
        now = Moment(now.exchange + GRACE, now.monotonic + 3)
        series.tick(now)
    now = now._replace(monotonic=now.monotonic + 60)
    assert series.take_wish(now) is not None
    times = [T0 + n * MINUTE for n in range(1, lost + 2)]
    rows = [candle(time, 3, source=Source.REST) for time in times]
    (filled,) = series.fill(rows, now, now)
    assert isinstance(filled, GapEvent)
    assert filled.candles == tuple(rows[:lost])
    for n in range(lost + 4, lost + 4 + keep):
        now = Moment(T0 + (n + 1) * MINUTE + 500, now.monotonic + 60)
        series.accept(candle(T0 + n * MINUTE, 3), now)
        for time in [T0, *times]:
            again = series.accept(candle(time, 3), now)
            assert again == [DropEvent(Drop.DUPLICATE, STREAM)]
    for time in [T0, *times]:
        revised = candle(time, 4)
        assert series.accept(revised, now) == [RevisionEvent(None, revised)]


def test_what_is_missing_is_not_remembered() -> None:
    series, now = gapped(1, 2)
    late = candle(T0 + MINUTE, 4)
    (filled,) = series.accept(late, now)
    assert isinstance(filled, GapEvent)
    assert filled.candles == (late,)
    duplicate = [DropEvent(Drop.DUPLICATE, STREAM)]
    assert series.accept(late, now) == duplicate
    revised = candle(T0 + MINUTE, 3)
    assert series.accept(revised, now) == [RevisionEvent(None, revised)]


def test_there_is_a_deadline_to_remember_values_by_and_only_if_they_leave() -> None:
    series = Series(STREAM, keep=2)
    series.begin(Moment(T0, 0.0))
    for n in range(1, 5):
        end = T0 + n * MINUTE
        now = Moment(end + 500, n * 60 + 0.5)
        series.accept(candle(end - MINUTE, 3), now)
        if n == 1:  # nothing leaves with the next one
            assert series.exchange_due(now) == end + MINUTE
            continue
        assert series.exchange_due(now) == end + GRACE
        assert series.due(now) == n * 60 + GRACE / 1000
        oldest = series.closed[0].open_time
        soon = Moment(end + GRACE - 1, n * 60 + 2.999)
        series.tick(soon)
        assert oldest not in series._order.delivered.fingerprints
        then = Moment(end + GRACE, n * 60 + 3.0)
        assert series.tick(then) == []
        assert oldest in series._order.delivered.fingerprints
        assert series.exchange_due(then) == end + MINUTE
        assert series.due(then) == (n + 1) * 60


@pytest.mark.parametrize(
    ("interval", "keep"), [(Interval.M5, 288), (Interval.D1, 1), (Interval.MO1, 1)]
)
def test_where_a_day_is_kept_nothing_is_remembered(
    interval: Interval, keep: int
) -> None:
    stream = Stream("BTCUSDT", interval)
    series = Series(stream, keep=keep)
    opens = interval.floor(T0)
    series.begin(Moment(opens, 0.0))
    for _ in range(keep + 10):
        close = candle(opens, 3, stream=stream)
        now = Moment(close.event_time, 0.0)
        assert series.accept(close, now) == [close]
        opens = close.close_time + 1
        assert series.exchange_due(now) == interval.shift(opens, 1)
    assert series._order.delivered.fingerprints._hashes.tolist() == []
