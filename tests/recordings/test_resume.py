"""What goes into a recording, against a model: an exchange, a line, a disk, fetches."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from klinetail.candle import MINUTE, Candle, Interval, Stream
from klinetail.events import GapEvent
from klinetail.recordings.resume import Entry, Resumption
from tests.strategies import candle

BASE = 1_700_000_040_000
BTC, ETH, XRP = (Stream(f"{name}USDT", Interval.M1) for name in ("BTC", "ETH", "XRP"))
STREAMS = (BTC, ETH, XRP)

streams = st.sampled_from(STREAMS)


def time_of(index: int) -> int:
    return BASE + index * MINUTE


def entry(stream: Stream, index: int, *, closed: bool = True) -> Entry[str]:
    """A candle as a sink is given it."""
    record = candle(time_of(index), stream=stream, closed=closed)
    return record, f"{stream} {index} {closed}"


def gap(stream: Stream, start: int, end: int) -> Entry[str]:
    return GapEvent(stream, time_of(start), time_of(end), "lost"), ""


def shown(entries: list[Entry[str]]) -> list[str]:
    """The candles in a short form: `BTC 3`, and `BTC 4?` for a forming one."""
    found = []
    for record, _ in entries:
        assert isinstance(record, Candle)
        index = (record.open_time - BASE) // MINUTE
        mark = "" if record.closed else "?"
        found.append(f"{record.symbol.removesuffix('USDT')} {index}{mark}")
    return found


def ranges(gaps: list[GapEvent]) -> list[tuple[int, int]]:
    """The gaps' ranges as indices."""
    found = [((g.start - BASE) // MINUTE, (g.end - BASE) // MINUTE) for g in gaps]
    gaps.clear()
    return found


class Line:
    """What the model knows of one stream."""

    def __init__(self) -> None:
        self.now = 20
        """The index of the candle that forms."""
        self.lost: set[int] = set()
        """The candles that the exchange does not have any more."""
        self.sent = 0
        """The index of the next live candle."""
        self.start: int | None = None
        """The index of the recording's first candle of this run."""
        self.reach = 0
        """The index after the last closed candle that came."""
        self.fetch: int | None = None
        """The index of the next candle of the fetch under way."""


class Recording(RuleBasedStateMachine):
    """A recording is written through a `Resumption`, as a recorder writes it."""

    @initialize(
        points=st.dictionaries(streams, st.integers(0, 25)),
        first=st.lists(st.integers(10, 20), min_size=3, max_size=3),
        most=st.sampled_from([0, 1, 3, 1_000]),
        jump=st.booleans(),
    )
    def begin(
        self, points: dict[Stream, int], first: list[int], most: int, jump: bool
    ) -> None:
        self.lines = {stream: Line() for stream in STREAMS}
        for line, begins in zip(self.lines.values(), first, strict=True):
            line.sent = begins
        self.file: list[Candle] = []
        self.durable = 0
        self.announced: set[tuple[Stream, int]] = set()
        self.failures: list[tuple[int, bool]] = []
        for stream, point in points.items():
            self.lines[stream].start = point
        self.resumption: Resumption[str] = Resumption(
            {stream: time_of(point) for stream, point in points.items()},
            held=bool(points),
            jump=jump,
            most=most,
        )

    def announce(self, record: GapEvent) -> None:
        first, end = ((t - BASE) // MINUTE for t in (record.start, record.end))
        self.announced |= {(record.stream, index) for index in range(first, end)}

    def write(self, entries: list[Entry[str]]) -> None:
        """Write as a recorder does: what fails is looked at, and written again."""
        while True:
            for record in self.resumption.gaps:
                self.announce(record)
            self.resumption.gaps.clear()
            if not entries:
                break
            records = [record for record, _ in entries if isinstance(record, Candle)]
            assert len(records) == len(entries), "gaps are not written"
            if not self.failures:
                self.file += records
                break
            written, lost = self.failures.pop()
            self.file += records[:written]
            if lost:
                del self.file[self.durable :]
            points = {one.stream: one.close_time + 1 for one in self.file if one.closed}
            self.resumption.set_back(points)
            entries = self.resumption.again(entries)

    def came(self, stream: Stream, index: int) -> None:
        line = self.lines[stream]
        line.reach = max(line.reach, index + 1)
        if line.start is None:
            line.start = index

    @rule(stream=streams, count=st.integers(1, 4))
    def time_passes(self, stream: Stream, count: int) -> None:
        self.lines[stream].now += count

    def line_brings(
        self, stream: Stream, count: int, *, forming: bool
    ) -> list[Entry[str]]:
        """What the live line delivers next: what is lost is announced."""
        line = self.lines[stream]
        found: list[Entry[str]] = []
        for _ in range(count):
            start = line.sent
            while line.sent < line.now and line.sent in line.lost:
                line.sent += 1
            if line.sent > start:
                found.append(gap(stream, start, line.sent))
            if line.sent < line.now:
                if forming:
                    found.append(entry(stream, line.sent, closed=False))
                found.append(entry(stream, line.sent))
                line.sent += 1
        if forming and line.sent == line.now:
            found.append(entry(stream, line.sent, closed=False))
        return found

    @rule(stream=streams, count=st.integers(1, 5), forming=st.booleans())
    def live(self, stream: Stream, count: int, forming: bool) -> None:
        entries = self.line_brings(stream, count, forming=forming)
        for record, _ in entries:
            if isinstance(record, GapEvent):
                self.announce(record)
            elif record.closed:
                self.came(stream, (record.open_time - BASE) // MINUTE)
        self.write(self.resumption.live(entries))

    @rule(stream=streams, count=st.integers(1, 5))
    def a_queue_is_forgotten(self, stream: Stream, count: int) -> None:
        records = [
            record for record, _ in self.line_brings(stream, count, forming=True)
        ]
        times = [r.open_time for r in records if isinstance(r, Candle) and r.closed]
        if times:
            for time in times:
                self.came(stream, (time - BASE) // MINUTE)
            self.resumption.missed({stream: (times[0], times[-1] + MINUTE)})

    @rule(stream=streams, count=st.integers(1, 4), told=st.booleans())
    def candles_are_lost(self, stream: Stream, count: int, told: bool) -> None:
        """For good, or on the line alone; and a candle follows them."""
        line = self.lines[stream]
        some = set(range(line.now, line.now + count))
        if told:
            line.lost |= some
        elif line.sent == line.now:
            record = gap(stream, line.now, line.now + count)
            line.sent += count
            self.announce(record[0])
            self.write(self.resumption.live([record]))
        line.now += count + 1

    @rule()
    def a_fetch_begins(self) -> None:
        wanted = self.resumption.wanted()
        for stream, time in wanted.items():
            assert self.lines[stream].fetch is None, "one fetch at a time"
            assert time >= BASE, "a time that is known"
            self.lines[stream].fetch = (time - BASE) // MINUTE
        self.resumption.begin_fetch(wanted)

    @rule(stream=streams)
    def a_comparison_fetches(self, stream: Stream) -> None:
        """From before the resume point, while everything is held."""
        line = self.lines[stream]
        if self.resumption.held and line.start is not None and line.fetch is None:
            line.fetch = max(0, line.start - 2)
            self.resumption.begin_fetch([stream])

    def page(self, stream: Stream, size: int) -> list[Entry[str]]:
        line = self.lines[stream]
        found: list[Entry[str]] = []
        assert line.fetch is not None
        while len(found) < size and line.fetch < line.now:
            start = line.fetch
            while line.fetch in line.lost:
                line.fetch += 1
            if line.fetch > start:
                found.append(gap(stream, start, line.fetch))
            else:
                found.append(entry(stream, line.fetch))
                line.fetch += 1
        return found

    @rule(stream=streams, size=st.integers(1, 9), forgotten=st.booleans())
    def a_page_comes(self, stream: Stream, size: int, forgotten: bool) -> None:
        line = self.lines[stream]
        if line.fetch is None:
            return
        entries = self.page(stream, size)
        closed = [r for r, _ in entries if isinstance(r, Candle)]
        if forgotten and closed:
            self.came(stream, (closed[-1].open_time - BASE) // MINUTE)
            span = closed[0].open_time, closed[-1].close_time + 1
            self.resumption.missed({stream: span})
            return
        if closed and not self.resumption.held:
            self.came(stream, (closed[-1].open_time - BASE) // MINUTE)
        self.write(self.resumption.fetched(entries))

    @rule(stream=streams)
    def a_fetch_ends(self, stream: Stream) -> None:
        """Complete or not."""
        self.lines[stream].fetch = None
        self.resumption.end_fetch([stream])

    @rule(fetched=st.booleans())
    def released(self, fetched: bool) -> None:
        if self.resumption.held:
            self.write(self.resumption.release(fetched=fetched))

    @rule(
        failures=st.lists(
            st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=3
        )
    )
    def writes_will_fail(self, failures: list[tuple[int, bool]]) -> None:
        """After so many candles; with all that was not synced lost, or not."""
        self.failures = failures

    @rule()
    def synced(self) -> None:
        self.durable = len(self.file)

    @rule()
    def everything_is_fetched(self) -> None:
        """Then nothing that had come is missing."""
        self.failures = []
        if self.resumption.held:
            self.write(self.resumption.release())
        for stream in STREAMS:
            self.a_fetch_ends(stream)
        for _ in range(4):
            self.a_fetch_begins()
            for stream, line in self.lines.items():
                if line.fetch is not None:
                    while entries := self.page(stream, 3):
                        self.write(self.resumption.fetched(entries))
                    self.a_fetch_ends(stream)
        assert self.resumption.wanted() == {}
        assert self.resumption.whole
        for stream, line in self.lines.items():
            if line.start is not None and line.start < line.reach:
                have = {one.open_time for one in self.closed(stream)}
                need = {
                    time_of(index)
                    for index in range(line.start, line.reach)
                    if (stream, index) not in self.announced
                }
                assert need <= have

    def closed(self, stream: Stream) -> list[Candle]:
        return [one for one in self.file if one.stream == stream and one.closed]

    @invariant()
    def consecutive(self) -> None:
        for stream in STREAMS:
            line, closed = self.lines[stream], self.closed(stream)
            if not closed:
                continue
            assert line.start is not None
            before = time_of(line.start) - MINUTE
            times = [before, *(one.open_time for one in closed)]
            for one, other in pairwise(times):
                assert one < other, "doubled, or out of order"
                for time in range(one + MINUTE, other, MINUTE):
                    index = (time - BASE) // MINUTE
                    assert (stream, index) in self.announced, "a hole that nobody told"

    @invariant()
    def forming_candles_come_before_their_close(self) -> None:
        last: dict[Stream, int] = {}
        for one in self.file:
            if one.closed:
                last[one.stream] = one.open_time
            else:
                assert one.open_time > last.get(one.stream, 0)

    @invariant()
    def never_stuck(self) -> None:
        """Whatever waits is fetched."""
        if not self.resumption.held and not self.resumption.whole:
            fetching = any(line.fetch is not None for line in self.lines.values())
            assert fetching or self.resumption.wanted()

    def teardown(self) -> None:
        if hasattr(self, "lines"):
            self.everything_is_fetched()
            self.consecutive()


Recording.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
TestRecording = Recording.TestCase


def resumption(point: int = 0, **options: object) -> Resumption[str]:
    """Of one stream, with the resume point given as an index; 0 for a new stream."""
    points = {BTC: time_of(point)} if point else {}
    return Resumption(points, **options)  # type: ignore[arg-type]


def btc(*indices: int) -> list[Entry[str]]:
    return [entry(BTC, index) for index in indices]


def forming(index: int) -> list[Entry[str]]:
    return [entry(BTC, index, closed=False)]


def test_what_the_recording_holds_comes_no_second_time() -> None:
    own = resumption(5)
    assert shown(own.live(btc(3, 4, 5, 6))) == ["BTC 5", "BTC 6"]
    assert own.whole
    assert own.points() == {BTC: time_of(7)}


def test_a_new_stream_begins_with_its_first_live_candle() -> None:
    own = resumption()
    assert shown(own.live(btc(3, 4))) == ["BTC 3", "BTC 4"]


def test_candles_after_a_hole_wait_for_a_fetch() -> None:
    own = resumption(5)
    assert own.live(btc(8, 9)) == []
    assert own.wanted() == {BTC: time_of(5)}
    own.begin_fetch([BTC])
    assert own.wanted() == {}
    assert shown(own.fetched(btc(5, 6))) == ["BTC 5", "BTC 6"]
    assert shown(own.fetched(btc(7, 8))) == ["BTC 7", "BTC 8", "BTC 9"]
    assert own.whole


def test_a_fetch_that_failed_is_wanted_again_from_where_it_came_to() -> None:
    own = resumption(5)
    own.live(btc(8))
    own.begin_fetch([BTC])
    own.fetched(btc(5, 6))
    own.end_fetch([BTC])
    assert own.wanted() == {BTC: time_of(7)}


def test_only_the_newest_forming_candle_waits_and_follows_the_fetch() -> None:
    own = resumption(5)
    assert own.live(btc(7) + forming(8) + forming(8)) == []
    assert shown(own.fetched(btc(5, 6))) == ["BTC 5", "BTC 6", "BTC 7", "BTC 8?"]


def test_a_forming_candle_does_not_wait_longer_than_its_close() -> None:
    own = resumption(5)
    own.live(forming(7) + btc(7))
    assert shown(own.fetched(btc(5, 6))) == ["BTC 5", "BTC 6", "BTC 7"]


def test_a_forming_candle_after_a_hole_shows_the_hole() -> None:
    own = resumption(5)
    assert own.live(forming(7)) == []
    assert own.wanted() == {BTC: time_of(5)}
    assert shown(own.fetched(btc(5, 6))) == ["BTC 5", "BTC 6", "BTC 7?"]


def test_a_forming_candle_from_before_the_resume_point_is_left_out() -> None:
    assert resumption(5).live(forming(4)) == []


def test_a_gap_of_the_line_is_passed() -> None:
    own = resumption(5)
    assert shown(own.live([*btc(5), gap(BTC, 6, 8), *btc(8)])) == ["BTC 5", "BTC 8"]
    assert own.gaps == [], "the line announces it"


def test_a_gap_after_a_hole_waits_for_the_fetch() -> None:
    own = resumption(5)
    assert own.live([gap(BTC, 7, 9)]) == []
    assert own.wanted() == {BTC: time_of(5)}
    assert shown(own.fetched(btc(5, 6))) == ["BTC 5", "BTC 6"]
    assert own.whole
    assert shown(own.live(btc(9))) == ["BTC 9"]


def test_a_gap_of_a_fetch_is_announced() -> None:
    own = resumption(5)
    own.live(btc(8))
    assert shown(own.fetched([*btc(5), gap(BTC, 6, 8)])) == ["BTC 5", "BTC 8"]
    assert ranges(own.gaps) == [(6, 8)]


def test_past_the_limit_candles_are_fetched_a_second_time() -> None:
    own = resumption(5, most=2)
    own.live(btc(7, 8, 9, 10))
    own.begin_fetch([BTC])
    assert shown(own.fetched(btc(5, 6))) == ["BTC 5", "BTC 6", "BTC 7", "BTC 8"]
    own.end_fetch([BTC])
    assert own.wanted() == {BTC: time_of(9)}, "9 and 10 came, and are not forgotten"
    assert shown(own.fetched(btc(9, 10))) == ["BTC 9", "BTC 10"]
    assert own.whole


def test_a_new_stream_without_room_begins_with_its_first_candle() -> None:
    own: Resumption[str] = Resumption({ETH: time_of(5)}, held=True, most=0)
    own.live(btc(7, 8))
    own.release()
    assert own.wanted() == {BTC: time_of(7)}


def test_candles_of_a_forgotten_queue_are_fetched() -> None:
    own = resumption(5)
    own.missed({BTC: (time_of(6), time_of(9)), ETH: (time_of(2), time_of(3))})
    assert own.wanted() == {BTC: time_of(5), ETH: time_of(2)}


def test_a_forgotten_page_is_fetched_again() -> None:
    own = resumption(5)
    own.live(btc(9))
    own.begin_fetch([BTC])
    assert own.fetched(btc(7, 8)) == [], "5 and 6 were forgotten"
    own.end_fetch([BTC])
    assert own.wanted() == {BTC: time_of(5)}


def test_what_a_fetch_showed_beyond_a_forgotten_page_is_fetched() -> None:
    own = resumption(5)
    own.begin_fetch([BTC])
    assert own.fetched(btc(7, 8)) == []
    own.end_fetch([BTC])
    assert own.wanted() == {BTC: time_of(5)}
    other = resumption(5)
    assert other.fetched([gap(BTC, 7, 9)]) == []
    assert other.wanted() == {BTC: time_of(5)}


def test_everything_waits_for_the_comparison() -> None:
    own = resumption(5, held=True)
    assert own.live(btc(7)) == []
    assert own.fetched(btc(5, 6)) == []
    assert not own.whole
    assert own.wanted() == {}
    assert shown(own.release()) == ["BTC 5", "BTC 6", "BTC 7"]
    assert own.whole


def test_released_without_what_was_fetched_the_hole_becomes_a_gap() -> None:
    own = resumption(5, held=True, jump=True)
    own.live(btc(7))
    own.fetched(btc(5, 6))
    assert shown(own.release(fetched=False)) == ["BTC 7"]
    assert ranges(own.gaps) == [(5, 7)]


def test_only_the_first_hole_becomes_a_gap() -> None:
    own = resumption(5, jump=True)
    assert shown(own.live(btc(7))) == ["BTC 7"]
    assert own.live(btc(9)) == []
    assert own.wanted() == {BTC: time_of(8)}


def test_a_forming_candle_shows_the_gap_as_well() -> None:
    for held in (False, True):
        own = resumption(5, held=held, jump=True)
        out = own.live(forming(7))
        assert shown(own.release() if held else out) == ["BTC 7?"]
        assert ranges(own.gaps) == [(5, 7)]
        assert own.whole


def test_a_recording_without_a_hole_has_no_gap() -> None:
    own = resumption(5, jump=True)
    own.live(btc(4, 5))
    assert own.gaps == []
    assert own.live(btc(7)) == [], "the first hole was none"


def test_a_failed_write_goes_on_behind_what_was_written() -> None:
    own = resumption(5)
    batch = own.live(btc(5, 6, 7))
    own.set_back({BTC: time_of(6)})
    assert shown(own.again(batch)) == ["BTC 6", "BTC 7"]
    assert own.whole


def test_what_a_failed_sync_lost_is_fetched() -> None:
    for point in (5, 0):
        own = resumption(point)
        own.live(btc(5, 6))
        batch = own.live(btc(7))
        own.set_back({})
        assert own.again(batch) == []
        assert own.wanted() == {BTC: time_of(5)}
        assert shown(own.fetched(btc(5, 6, 7))) == ["BTC 5", "BTC 6", "BTC 7"]
        assert own.whole


def test_a_gap_is_passed_a_second_time_after_a_failed_write() -> None:
    own = resumption(5, jump=True)
    batch = own.live(btc(8))
    own.set_back({})
    assert shown(own.again(batch)) == ["BTC 8"]


def test_a_file_that_holds_more_than_was_known_goes_on_there() -> None:
    own = resumption(5)
    own.live(btc(7, 8))
    own.set_back({BTC: time_of(8)})
    assert shown(own.again([])) == ["BTC 8"]
    assert own.whole
