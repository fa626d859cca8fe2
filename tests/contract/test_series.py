"""Series against a small model of an exchange and of a bad line to it."""

from __future__ import annotations

import copy
import functools
import random
from array import array
from collections import Counter, deque
from types import MethodType

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Wish
from klinetail.contract.finality import CONFIRM, SETTLED
from klinetail.contract.grid import FOUNDED
from klinetail.contract.held import HELD
from klinetail.contract.holes import NO_ROW, bad_row
from klinetail.contract.series import Series
from klinetail.events import (
    Drop,
    DropEvent,
    GapEvent,
    PreviewEvent,
    RevisionEvent,
)
from tests.contract.minutes import (
    HOWS,
    IMPOSSIBLE,
    ORDERS,
    STREAM,
    T0,
    answer_of,
    begun,
    candle,
    count_at,
    final_count,
    moment,
    ordered,
    row,
    spoilt,
    written,
)


@functools.cache
def _slots(kind: type) -> tuple[str, ...]:
    """The names of all that parts of this kind know; none of other objects."""
    return tuple(
        name
        for one in kind.__mro__
        if one.__module__.startswith("klinetail.contract")
        for name in getattr(one, "__slots__", ())
    )


def _state(value: object) -> object:
    """All that a series or a part of it knows, to be compared."""
    if isinstance(value, Series):
        return {name: _state(part) for name, part in vars(value).items()}
    if slots := _slots(type(value)):
        own = {**value} if isinstance(value, dict) else None
        return own, {name: _state(getattr(value, name)) for name in slots}
    return None if isinstance(value, MethodType) else value


def _twin(value: object, known: dict[int, object]) -> object:
    """A copy of a series or a part of it, down to the containers. Candles are shared:
    none of them changes."""
    slots = _slots(type(value))
    if isinstance(value, MethodType):
        return MethodType(value.__func__, _twin(value.__self__, known))
    if not slots and not isinstance(value, (Series, dict, list, deque, array)):
        return value
    if id(value) not in known:
        known[id(value)] = twin = copy.copy(value)
        for name in slots or getattr(value, "__dict__", ()):
            setattr(twin, name, _twin(getattr(value, name), known))
    return known[id(value)]


class Line(RuleBasedStateMachine):
    """The truth; a line that drops, delays, doubles, reorders and is cut, and brings
    frames ahead of their time; and a REST side that fails, lags, gives half an answer,
    lacks some rows for good and spoils others now and then. What came out must be the
    truth's prefix, in order, each once, with final values, or a gap was announced. A
    gap of what answers lack has just that, and none reaches into what is not over."""

    stream = STREAM

    @initialize(
        lines=st.integers(0, 5),
        offset=st.integers(0, 3 * MINUTE),
        hold=st.sampled_from([0.0, 5.0, 30.0, float("inf")]),
        keep=st.sampled_from([1, 3, 500]),
        listed=st.one_of(st.integers(-10, 0), st.integers(1, 8)),
        rotten=st.dictionaries(
            st.integers(-5, 12), st.sampled_from([*IMPOSSIBLE, "absent"]), max_size=4
        ),
        healed=st.booleans(),
        start=st.one_of(st.none(), st.none(), st.integers(0, 8)),
    )
    def begin(
        self,
        lines: int,
        offset: int,
        hold: float,
        keep: int,
        listed: int,
        rotten: dict[int, str],
        healed: bool,
        start: int | None,
    ) -> None:
        """It begins so many lines back, or at a start point so many minutes back."""
        self.now = T0 + offset
        self.monotonic = 1000.0
        self.newest_event = 0
        self.listed = T0 + listed * MINUTE
        self.series = Series(self.stream, lines=lines, hold=hold, keep=keep)
        current = self.now - self.now % MINUTE
        self.has_start = start is not None
        self.asked = current - (lines if start is None else start) * MINUTE
        self.series.begin(self.moment, start=self.asked if self.has_start else None)
        if self.has_start:  # the stream was listed before
            self.listed = min(self.listed, self.asked)
        self.first = max(self.asked, self.listed)
        self.rotten = {T0 + n * MINUTE: how for n, how in rotten.items()}
        self.absent = {time for time, how in self.rotten.items() if how == "absent"}
        self.healed = healed or hold == float("inf")
        self.hold = hold
        self.lacked: Counter[int] = Counter()
        self.lacked_since: dict[int, float] = {}
        self.heard: set[int] = set()
        self.wish: tuple[Wish, Moment, int] | None = None
        self.connected = True
        self.pushed_until = self.now
        self.in_transit: list[Candle] = []
        self.out: list[Candle | GapEvent] = []
        self.forming_seen: dict[int, int] = {}

    @property
    def moment(self) -> Moment:
        """Event times put the exchange's clock ahead, `/time` is right."""
        ahead = max(0, self.newest_event - self.now)
        return Moment(self.now + ahead, self.monotonic, ahead)

    def begin_at(self, open_time: int) -> None:
        """Nothing came out before: what neither a frame nor a row was of is no gap."""
        if self.has_start:
            return  # from a start point on all is a gap that does not come out
        skipped = range(self.first, open_time, MINUTE)
        if self.absent.issuperset(skipped) and not self.heard.intersection(skipped):
            self.first = open_time

    def take(self, output: list) -> None:
        """Check what came out against everything that is promised."""
        for item in output:
            if isinstance(item, Candle) and not self.out:
                self.begin_at(item.open_time)
            if isinstance(item, Candle) and item.closed:
                self.out.append(item)
            elif isinstance(item, Candle):
                assert item.open_time == self.next_expected()
                seen = self.forming_seen.get(item.open_time, -1)
                assert item.event_time >= seen
                self.forming_seen[item.open_time] = item.event_time
            elif isinstance(item, GapEvent) and not item.filled:
                # Until two answers agree it cannot know what was not listed then.
                if not self.out and item.start == self.asked:
                    self.first = self.asked
                elif not self.out:
                    self.begin_at(item.start)
                assert item.start == self.next_expected()
                assert item.end > item.start
                assert item.end <= self.now - GRACE, "it is not over"
                if item.reason == NO_ROW or item.reason.startswith(bad_row("")):
                    self.check_hole(item)
                self.out.append(item)
            elif isinstance(item, GapEvent):
                times = [one.open_time for one in item.candles]
                assert times == list(range(item.start, item.end, MINUTE))
                assert all(
                    one.count == final_count(one.open_time) for one in item.candles
                )
            elif isinstance(item, PreviewEvent):
                assert item.candle.open_time > self.series.expected
            else:
                assert not isinstance(item, RevisionEvent)
        if self.wish is None and (wish := self.series.take_wish(self.moment)):
            assert wish.start < wish.end
            self.wish = wish, self.moment, self.now

    def check_hole(self, gap: GapEvent) -> None:
        """Of all of it the latest answers had no row to believe, for the whole hold."""
        for time in range(gap.start, gap.end, MINUTE):
            assert self.lacked[time] >= 2
            assert self.monotonic >= self.lacked_since[time] + self.hold

    def next_expected(self) -> int:
        if not self.out:
            return self.first
        last = self.out[-1]
        return last.end if isinstance(last, GapEvent) else last.close_time + 1

    # Time and the line

    @rule(
        seconds=st.sampled_from([0.05, 0.3, 1.0, 1.1, 3.0, 9.0, 20.0, 61.0, 200.0]),
        speed=st.sampled_from([1, 1, 1, 60, 600]),
    )
    def pass_time(self, seconds: float, speed: int) -> None:
        """The exchange pushes what happened; the line takes it, if it is up."""
        before = self.now
        self.now += int(seconds * speed * 1000)
        self.monotonic += seconds
        for open_time in range(before - before % MINUTE, self.now + 1, MINUTE):
            if not self.connected or not final_count(open_time):
                continue
            if open_time < self.listed:
                continue
            end = open_time + MINUTE
            middle = min(end - 1, self.now)
            if middle > max(before, open_time) and count_at(open_time, middle):
                count = count_at(open_time, middle)
                self.in_transit.append(
                    candle(open_time, count, closed=False, event_time=middle)
                )
            close = end + random.Random(-open_time).choice([4, 500, 2000, 24_000])
            if before < close <= self.now:
                self.in_transit.append(
                    candle(open_time, final_count(open_time), event_time=close)
                )

    @precondition(lambda self: self.in_transit)
    @rule(index=st.integers(0, 3), times=st.sampled_from([0, 1, 1, 1, 1, 2]))
    def arrive(self, index: int, times: int) -> None:
        """A frame arrives: perhaps out of order, not at all, or twice."""
        frame = self.in_transit.pop(min(index, len(self.in_transit) - 1))
        for _ in range(times):
            self.come(frame)

    @rule()
    def arrive_all(self) -> None:
        """Everything under way arrives in order."""
        frames, self.in_transit = self.in_transit, []
        for frame in frames:
            self.come(frame)

    @precondition(lambda self: self.connected)
    @rule(ages=st.lists(st.sampled_from([30, 20, 20, 10, 10, 5, 0]), max_size=6))
    def chatter(self, ages: list[int]) -> None:
        """Updates of the present candle come, mostly newer ones."""
        open_time = self.now - self.now % MINUTE
        if open_time < self.listed:
            return
        for age in ages:
            time = self.now - age
            if time > open_time and (count := count_at(open_time, time)):
                self.come(candle(open_time, count, closed=False, event_time=time))

    @precondition(lambda self: self.connected)
    @rule(early=st.integers(1, 60), late=st.sampled_from([1, 100, 5_000, 40_000]))
    def hurry(self, early: int, late: int) -> None:
        """A forming frame of a candle that does not open for a while yet."""
        open_time = self.now + early * 1_000
        open_time -= open_time % MINUTE
        if self.now < open_time >= self.listed and open_time + late < self.now + MINUTE:
            time = open_time + late
            self.come(candle(open_time, 1, closed=False, event_time=time))

    def come(self, frame: Candle) -> None:
        """The short way answers what the long way would have, or leaves it to it."""
        self.newest_event = max(self.newest_event, frame.event_time)
        self.heard.add(frame.open_time)
        twin = None if frame.closed else _twin(self.series, {})
        if not self.series.follow(frame):
            output = self.series.accept(frame, self.moment)
        else:
            assert twin is not None
            output = twin.accept(frame, self.moment)
            assert output == [frame]
            assert _state(self.series) == _state(twin)
        self.take(output)

    @rule()
    def cut(self) -> None:
        """The connection breaks; what was under way is lost."""
        self.connected = False
        self.in_transit.clear()

    @precondition(lambda self: not self.connected)
    @rule()
    def reconnect(self) -> None:
        """It is subscribed again."""
        self.connected = True
        self.series.resume(self.moment)
        self.take([])

    @rule()
    def tick(self) -> None:
        """The keeper comes by."""
        self.take(self.series.tick(self.moment))

    # REST

    @precondition(lambda self: self.wish)
    @rule()
    def send(self) -> None:
        """Only now the request is sent; it has queued for weight."""
        wish = self.series.renew_wish()
        self.wish = None
        if wish is None:
            assert not self.series.lacking
            self.take([])
        else:
            assert wish.start < wish.end
            self.wish = wish, self.moment, self.now

    def rows(self, wish: Wish, asked: int, lag: int, page: int) -> list:
        """The rows of an answer, of a good one save for those that rot."""
        first = max(wish.start, self.listed)
        found = [
            one
            for time in range(first, asked - lag + 1, MINUTE)
            if self.rotten.get(time) != "absent"
            for one in written(row(time, asked - lag))
        ]
        return found[:page]

    @precondition(lambda self: self.wish)
    @rule(
        lag=st.sampled_from([0, 0, 0, 5_000, 19_000]),
        page=st.sampled_from([2, 3, 500, 500]),
        later=st.booleans(),
        how=st.sampled_from(["", *HOWS]),
        at=st.integers(0, 6),
        order=st.sampled_from(ORDERS),
    )
    def answer(
        self, lag: int, page: int, later: bool, how: str, at: int, order: str
    ) -> None:
        """REST answers with what it knew a while ago, and perhaps with a newer row
        behind an unfinished one; and perhaps one more row is bad. Of the first one, if
        it is not young, there is always something: without, nobody could tell it from a
        late listing."""
        wish, asked, _ = self.wish
        self.wish = None
        if how == "null":  # its neighbours tell its place, if they are in order
            order = "ascending"
        rows = self.rows(wish, asked.confirmed, lag, page)
        if later and rows and len(rows) < page:
            following = rows[-1][6] + 1
            if following <= asked.confirmed and following not in self.rotten:
                rows += written(row(following, asked.confirmed))
        for place in reversed(range(len(rows))):
            rots = self.rotten.get(rows[place][0])
            if rots is not None:
                rows = spoilt(rows, place, rots)
            elif how and place == at:
                young = asked.confirmed - rows[place][6] < 20_000
                if place or young or how not in ("null", "absent"):
                    rows = spoilt(rows, place, how)
        read = answer_of(ordered(rows, order))
        if not wish.late:
            self.note(wish, [one.open_time for one in read if isinstance(one, Candle)])
        self.take(self.series.fill(read, asked, self.moment))

    def note(self, wish: Wish, believed: list[int]) -> None:
        """Count the answers in a row that lack a candle."""
        for time in range(wish.start, wish.end, MINUTE):
            if time in believed:
                self.lacked[time] = 0
                self.lacked_since.pop(time, None)
            else:
                self.lacked[time] += 1
                self.lacked_since.setdefault(time, self.monotonic)

    @precondition(lambda self: self.wish)
    @rule(wait=st.sampled_from([0.0, 0.0, 60.0]))
    def refuse(self, wait: float) -> None:
        """REST fails."""
        self.wish = None
        self.series.fail("HTTP 503", self.moment, wait)
        self.take([])

    # The promises

    @invariant()
    def prefix_of_the_truth(self) -> None:
        if not hasattr(self, "out"):
            return
        expected = self.first
        for item in self.out:
            if isinstance(item, GapEvent):
                assert item.start == expected
                expected = item.end
            else:
                assert item.open_time == expected
                assert item.count == final_count(expected), repr(self.series)
                assert item.close_time < self.now
                expected = item.close_time + 1

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "series"):
            assert len(self.series._order.held) <= HELD
            assert len(self.series._fetching.finality.seen) <= 8

    def missing(self) -> set[int]:
        """What was announced as missing and did not come later."""
        return {
            time
            for gap in self.series._fetching.gaps._gaps
            for time in range(gap.start, gap.end, MINUTE)
        }

    def teardown(self) -> None:
        """With a good line and a good REST everything comes out in the end, but for
        what the exchange never has."""
        if not hasattr(self, "series"):
            return
        self.in_transit.clear()
        self.connected = True
        self.series.resume(self.moment)
        goal = self.now - self.now % MINUTE
        if self.healed:
            self.rotten.clear()
        for _ in range(400):
            reached = self.next_expected() >= goal
            had = {t for t in self.missing() if t >= self.listed} - {*self.rotten}
            if reached and not had:
                break
            self.take(self.series.tick(self.moment))
            if self.wish is not None:
                self.answer(0, 500, False, "", 0, "ascending")
            else:
                due = self.series.due(self.moment)
                assert due < float("inf"), f"{self.series!r} waits for nothing"
                seconds = max(0.001, due - self.monotonic)
                self.monotonic += seconds
                self.now += int(seconds * 1000) + 1
        assert reached, repr(self.series)
        assert not had, repr(self.series)
        self.prefix_of_the_truth()


TestLine = Line.TestCase
TestLine.settings = settings(stateful_step_count=60)


def test_a_close_is_delivered_once_and_its_double_is_dropped() -> None:
    series = begun()
    close = candle(T0, 3)
    now = moment(T0 + MINUTE + 500)
    assert series.accept(close, now) == [close]
    assert series.accept(close, now) == [DropEvent(Drop.DUPLICATE, STREAM)]


def test_other_digits_are_a_duplicate_and_other_values_a_revision() -> None:
    series = begun()
    now = moment(T0 + MINUTE + 500)
    close = candle(T0, 3)
    series.accept(close, now)
    longer = candle(T0, 3)
    longer = type(longer)(
        *[getattr(longer, name) for name in longer.__struct_fields__[:6]],
        "3.000",
        *[getattr(longer, name) for name in longer.__struct_fields__[7:]],
    )
    assert series.accept(longer, now) == [DropEvent(Drop.DUPLICATE, STREAM)]
    revised = candle(T0, 4)
    assert series.accept(revised, now) == [RevisionEvent(close, revised)]
    assert series.closed[-1] == revised
    assert series.accept(revised, now) == [DropEvent(Drop.DUPLICATE, STREAM)]


def test_frames_from_before_the_start_are_no_duplicates() -> None:
    series = begun()
    early = candle(T0 - MINUTE, 3, event_time=T0 + 1500)
    assert series.accept(early, moment(T0 + 30_000)) == []


def test_a_later_close_is_held_and_the_hole_is_wished_for() -> None:
    series = begun()
    later = candle(T0 + 3 * MINUTE, 5)
    now = moment(T0 + 4 * MINUTE + 500)
    assert series.accept(later, now) == []
    assert series.take_wish(now) == Wish(T0, T0 + 3 * MINUTE)
    assert series.take_wish(now) is None, "it is on its way"
    rows = [row(T0 + n * MINUTE, now.exchange) for n in range(4)]
    asked = moment(now.exchange + SETTLED)
    assert series.fill(rows, asked, asked) == [*rows[:3], later]


def test_the_frame_of_the_next_candle_closes_nothing() -> None:
    series = begun()
    forming = candle(T0 + MINUTE, 1, closed=False, event_time=T0 + MINUTE + 900)
    now = moment(T0 + MINUTE + 900)
    assert series.accept(forming, now) == [PreviewEvent(forming)]
    close = candle(T0, 7, event_time=T0 + MINUTE + 2000)
    now = moment(T0 + MINUTE + 2000)
    assert series.accept(close, now) == [close, forming]


def test_forming_frames_come_out_newest_first_never_older() -> None:
    series = begun()
    now = moment(T0 + 40_000)
    new = candle(T0, 9, closed=False, event_time=T0 + 39_000)
    old = candle(T0, 8, closed=False, event_time=T0 + 38_000)
    assert series.accept(new, now) == [new]
    assert series.accept(old, now) == [DropEvent(Drop.STALE, STREAM)]
    assert series.accept(new, now) == [DropEvent(Drop.STALE, STREAM)]


def test_a_close_is_overdue_after_three_seconds_and_one_of_real_time() -> None:
    series = begun()
    end = T0 + MINUTE
    assert series.tick(moment(end - 1)) == []
    assert series.take_wish(moment(end - 1)) is None
    series.tick(Moment(end, 100.0))
    series.tick(Moment(end + GRACE - 1, 150.0))
    assert series.take_wish(Moment(end + GRACE - 1, 150.0)) is None
    series.tick(Moment(end + GRACE, 150.0))
    assert series.take_wish(Moment(end + GRACE, 150.0)) == Wish(T0, end)


def test_a_fast_clock_alone_makes_nothing_overdue() -> None:
    series = begun()
    end = T0 + MINUTE
    series.tick(Moment(end, 100.0))
    series.tick(Moment(end + 10 * MINUTE, 100.9))
    assert series.take_wish(Moment(end + 10 * MINUTE, 100.9)) is None
    series.tick(Moment(end + 10 * MINUTE, 101.0))
    assert series.take_wish(Moment(end + 10 * MINUTE, 101.0)) is not None


def test_due_is_when_the_next_tick_has_something_to_do() -> None:
    series = begun()
    now = moment(T0 + 30_000)
    assert series.due(now) == pytest.approx((T0 + MINUTE) / 1000, abs=0.001)
    assert series.exchange_due(now) == T0 + MINUTE
    series.tick(moment(T0 + MINUTE))
    after = moment(T0 + MINUTE)
    assert series.due(after) == pytest.approx((T0 + MINUTE + GRACE) / 1000, abs=0.001)
    assert series.exchange_due(after) == T0 + MINUTE + GRACE


def test_a_young_row_is_believed_only_when_seen_twice_far_enough_apart() -> None:
    series = begun(lines=1)
    asked = moment(T0 + 30_000 - 26_000)
    series = Series(STREAM, lines=1)
    series.begin(asked)
    rows = [row(T0 - MINUTE, asked.exchange), row(T0, asked.exchange)]
    assert series.take_wish(asked) == Wish(T0 - MINUTE, T0)
    assert series.fill(rows, asked, asked) == []
    soon = moment(asked.exchange + CONFIRM - 1)
    assert series.take_wish(soon) is None
    then = moment(asked.exchange + CONFIRM)
    assert series.take_wish(then) == Wish(T0 - MINUTE, T0)
    assert series.fill(rows, then, then) == rows[:1]
    assert series.started


def test_an_unfinished_row_is_not_believed_however_often_it_is_seen() -> None:
    series = Series(STREAM, lines=1)
    asked = moment(T0 + 4_000)
    series.begin(asked)
    wrong = candle(T0 - MINUTE, 1, source=Source.REST)
    right = candle(T0 - MINUTE, 2, source=Source.REST)
    now = row(T0, asked.exchange)
    out = []
    for age, last in (
        (4_000, wrong),
        (19_000, wrong),
        (24_000, right),
        (29_000, right),
    ):
        at = moment(T0 + age)
        out += series.fill([last, now], at, at)
    assert out == []
    at = moment(T0 + SETTLED + 1)
    assert series.fill([right, now], at, at) == [right]


def test_a_stream_close_wins_over_a_row_that_is_not_final_yet() -> None:
    series = Series(STREAM, lines=0)
    series.begin(moment(T0))
    end = T0 + MINUTE
    series.resume(moment(end + 4_000))
    asked = moment(end + 4_000)
    assert series.take_wish(asked) == Wish(T0, end)
    series.fill([candle(T0, 1, source=Source.REST), row(end, end)], asked, asked)
    close = candle(T0, 2, event_time=end + 5_000)
    assert series.accept(close, moment(end + 5_000)) == [close]
    assert series.take_wish(moment(end + 25_000)) is None


def test_rows_from_before_the_listing_are_no_gap() -> None:
    series = Series(STREAM, lines=10)
    asked = moment(T0 + 40_000)
    series.begin(asked)
    rows = [row(T0 + n * MINUTE, asked.exchange) for n in (-2, -1, 0)]
    series.take_wish(asked)
    assert series.fill(rows, asked, asked) == [], "one answer may be half an answer"
    again = moment(T0 + 41_000)
    series.take_wish(again)
    assert series.fill(rows, again, again) == rows[:2]
    assert series.started


def test_a_symbol_listed_just_now_starts_with_the_current_candle() -> None:
    series = Series(STREAM, lines=10)
    series.begin(moment(T0 + 40_000))
    for second in (40, 50):
        at = moment(T0 + second * 1000)
        series.take_wish(at)
        assert series.fill([row(T0, at.exchange)], at, at) == []
    assert series.started
    assert series.expected == T0


def test_no_row_at_all_says_nothing_about_the_listing() -> None:
    series = Series(STREAM, lines=10)
    series.begin(moment(T0 + 40_000))
    for second in (40, 50, 60):
        at = moment(T0 + second * 1000)
        assert series.take_wish(at) is not None
        assert series.fill([], at, at) == []
    assert not series.started
    assert series.expected == T0 - 10 * MINUTE


def test_while_a_fetch_is_on_its_way_there_is_nothing_to_wake_for() -> None:
    series = begun()
    end = T0 + MINUTE
    series.tick(Moment(end, 100.0))
    late = Moment(end + GRACE, 150.0)
    series.tick(late)
    assert series.take_wish(late) is not None
    assert series.due(late) == float("inf")
    assert series.exchange_due(late) == float("inf")


def test_event_times_ahead_of_the_exchanges_own_clock_make_nothing_final() -> None:
    series = Series(STREAM, lines=1)
    series.begin(moment(T0 + 1000))
    ahead = Moment(T0 + SETTLED + 1, 0.0, ahead=SETTLED)
    rows = [row(T0 - MINUTE, T0), row(T0, T0 + 1000)]
    series.take_wish(ahead)
    assert series.fill(rows, ahead, ahead) == []


def test_a_gap_that_cannot_be_filled_keeps_nobody_from_trying_the_next() -> None:
    series = begun(hold=0.0)
    for n in (2, 5):
        now = moment(T0 + (n + 1) * MINUTE)
        series.accept(candle(T0 + n * MINUTE, 1, event_time=now.exchange), now)
        series.take_wish(now)
        series.fail("HTTP 503", now)
        series.tick(now)
    starts = []
    for second in (0, 31, 62):
        at = moment(T0 + 6 * MINUTE + second * 1000)
        wish = series.take_wish(at)
        assert wish is not None
        starts.append(wish.start)
        series.fail("HTTP 503", at)
    assert starts == [T0, T0 + 3 * MINUTE, T0]


def test_more_history_than_the_exchange_is_old_is_cut() -> None:
    series = Series(Stream("BTCUSDT", Interval.MO1), lines=10**14)
    series.begin(moment(T0))
    assert series.expected == FOUNDED


def test_a_failing_fetch_is_a_gap_after_the_hold_and_filled_when_it_can_be() -> None:
    series = begun(hold=30.0)
    now = moment(T0 + 3 * MINUTE)
    held = candle(T0 + 2 * MINUTE, 5, event_time=T0 + 3 * MINUTE)
    series.accept(held, now)
    assert series.take_wish(now) is not None
    series.fail("HTTP 503", now)
    assert series.tick(moment(now.exchange + 29_000)) == []
    at = moment(now.exchange + 30_000)
    gap = GapEvent(STREAM, T0, T0 + 2 * MINUTE, "HTTP 503")
    assert series.tick(at) == [gap, held]
    wish = series.take_wish(at)
    assert wish == Wish(T0, T0 + 2 * MINUTE, late=True)
    rows = [row(T0 + n * MINUTE, at.exchange) for n in range(3)]
    filled = GapEvent(STREAM, gap.start, gap.end, gap.reason, tuple(rows[:2]))
    assert series.fill(rows, at, at) == [filled]
    assert [one.open_time for one in series.closed] == [
        T0,
        T0 + MINUTE,
        T0 + 2 * MINUTE,
    ]


def test_the_hold_begins_when_something_waits_and_anew_when_the_line_is_back() -> None:
    """After an outage of hours the first close must not announce a gap at once."""
    series = begun(hold=30.0)
    series.resume(moment(T0 + 61_000))
    series.take_wish(moment(T0 + 61_000))
    series.fail("Connection refused", moment(T0 + 61_000))
    hours = moment(T0 + 360 * MINUTE + 1000)
    late = candle(T0 + 359 * MINUTE, 1, event_time=hours.exchange)
    assert series.accept(late, hours) == []
    assert series.tick(hours) == []
    series.resume(hours)
    much_later = moment(hours.exchange + 50_000)
    assert series.take_wish(hours) is not None, "it queues for weight, say"
    assert series.tick(much_later) == []
    series.fail("HTTP 503", much_later)
    assert series.tick(moment(much_later.exchange + 29_000)) == []
    gap, _ = series.tick(moment(much_later.exchange + 30_000))
    assert gap.reason == "HTTP 503"


def test_a_line_that_comes_and_goes_prolongs_a_hold_once() -> None:
    series = begun(hold=30.0)
    held = candle(T0 + MINUTE, 1, event_time=T0 + 121_000)
    series.accept(held, moment(T0 + 121_000))
    for second in (121, 141, 151):
        at = moment(T0 + second * 1000)
        series.resume(at)
        assert series.tick(at) == []
        assert series.take_wish(at) is not None
        series.fail("HTTP 503", at)
    gap = GapEvent(STREAM, T0, T0 + MINUTE, "HTTP 503")
    assert series.tick(moment(T0 + 170_900)) == []
    assert series.tick(moment(T0 + 171_000)) == [gap, held]


def test_nothing_is_given_up_while_nothing_waits() -> None:
    series = begun(lines=5, hold=1.0)
    now = moment(T0 + 31_000)
    series.take_wish(now)
    series.fail("HTTP 503", now)
    for second in range(32, 59):
        assert series.tick(moment(T0 + second * 1000)) == []


def test_an_exchange_that_asks_to_wait_is_not_asked_before() -> None:
    series = begun(lines=5)
    now = moment(T0 + 31_000)
    series.take_wish(now)
    series.fail("HTTP 429", now, 60.0)
    assert series.due(now) == now.monotonic + 60.0
    assert series.take_wish(moment(T0 + 90_000)) is None
    assert series.take_wish(moment(T0 + 91_000)) is not None


def test_frames_of_the_future_and_closes_before_the_end_are_bad() -> None:
    series = begun()
    now = moment(T0 + 30_000)
    future = candle(T0 + 2 * MINUTE, 1, closed=False)
    (dropped,) = series.accept(future, now)
    assert dropped.why is Drop.BAD
    early = candle(T0, 1, event_time=T0 + MINUTE - 1)
    (dropped,) = series.accept(early, now)
    assert dropped.why is Drop.BAD
    assert series.expected == T0


def test_a_close_from_later_than_what_comes_after_it_is_not_believed() -> None:
    """A made-up one that was stuck on the way is not in the future any more."""
    series = begun()
    now = moment(T0 + 5 * MINUTE)
    made_up = candle(T0 + 2 * MINUTE, 99)
    assert series.accept(made_up, now) == []
    forming = candle(T0, 1, closed=False, event_time=T0 + 31_000)
    (dropped, delivered) = series.accept(forming, now)
    assert (dropped.why, delivered) == (Drop.BAD, forming)
    close = candle(T0, 3)
    assert series.accept(close, now) == [close]
    assert series.expected == T0 + MINUTE


def test_a_forming_candle_from_before_it_opens_is_bad() -> None:
    series = begun()
    ahead = candle(T0 + MINUTE, 1, closed=False, event_time=T0 + 40_000)
    (dropped,) = series.accept(ahead, moment(T0 + 40_000))
    assert dropped.why is Drop.BAD
    assert series.forming is None


def test_the_held_candles_are_bounded_and_the_rest_is_fetched_again() -> None:
    series = begun()
    last = HELD + 10
    now = moment(T0 + (last + 2) * MINUTE)
    for n in range(1, last + 1):
        series.accept(candle(T0 + n * MINUTE, 1), now)
    assert series.take_wish(now) == Wish(T0, T0 + MINUTE)
    asked = moment(now.exchange + SETTLED)
    out = series.fill(
        [row(T0, now.exchange), row(T0 + MINUTE, now.exchange)], asked, asked
    )
    assert len(out) == HELD + 1
    for seconds in (0, 4):
        series.tick(moment(asked.exchange + seconds * 1000))
    wish = series.take_wish(moment(asked.exchange + 4_000))
    assert wish is not None
    assert wish.start == T0 + (HELD + 1) * MINUTE


@pytest.mark.parametrize("held", [1, 16])
def test_of_many_streams_each_holds_fewer(held: int) -> None:
    series = begun(held=held)
    for n in range(1, held + 10):
        series.accept(candle(T0 + n * MINUTE, 1), moment(T0 + (n + 2) * MINUTE))
        assert len(series._order.held) == min(n, held)
    asked = moment(T0 + (held + 12) * MINUTE)
    assert series.take_wish(asked) == Wish(T0, T0 + MINUTE)
    rows = [row(T0, asked.exchange), row(T0 + MINUTE, asked.exchange)]
    assert len(series.fill(rows, asked, asked)) == held + 1
    assert series.expected == T0 + (held + 1) * MINUTE


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_three_days_are_anchored_by_the_first_row(offset: int) -> None:
    stream = Stream("BTCUSDT", Interval.D3)
    day = 24 * 60 * MINUTE
    anchor = (T0 - T0 % day) + offset * day
    now = moment(anchor + 3 * day + 1000)
    series = Series(stream, lines=2)
    series.begin(now)
    wish = series.take_wish(now)
    assert wish is not None
    opens = [
        t for t in range(anchor - 30 * day, now.exchange, 3 * day) if t >= wish.start
    ]
    rows = [candle(t, 1, source=Source.REST, stream=stream) for t in opens]
    asked = moment(now.exchange + SETTLED)
    out = series.fill(rows, asked, asked)
    assert [one.open_time for one in out] == [anchor - 3 * day, anchor]
    assert series.expected == anchor + 3 * day


@pytest.mark.parametrize("interval", [Interval.W1, Interval.MO1, Interval.H4])
def test_other_calendars_follow_the_exchange_s_own_candles(interval: Interval) -> None:
    stream = Stream("BTCUSDT", interval)
    now = moment(T0 + 5_000)
    series = Series(stream, lines=3)
    series.begin(now)
    current = interval.floor(now.exchange)
    rows = [
        candle(interval.shift(current, n), 1, source=Source.REST, stream=stream)
        for n in (-3, -2, -1, 0)
    ]
    assert series.take_wish(now) == Wish(rows[0].open_time, current)
    asked = moment(now.exchange + SETTLED)
    assert series.fill(rows, asked, asked) == rows[:3]
    close = candle(current, 4, stream=stream)
    after = moment(close.close_time + 900)
    assert series.accept(close, after) == [close]


def test_its_repr_tells_its_state() -> None:
    assert repr(begun()).startswith("<Series btcusdt@1m expected=")
