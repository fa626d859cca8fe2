import itertools
import queue
import threading
import time
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from klinetail.candle import Interval, Stream
from klinetail.events import (
    CandleEvent,
    Drop,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.mailbox import BATCH, Latest, Mailbox, Pace, as_it_is
from tests.strategies import BTCUSDT_1M, candle

PATIENCE = 15.0
STREAMS = [Stream(symbol, Interval.M1) for symbol in ("AUSDT", "BUSDT", "CUSDT")]
LINK = LinkEvent("link-0", LinkState.LIVE)


def item(number=0, *, closed=True, stream=BTCUSDT_1M):
    """A candle's event; the number of trades tells one from another."""
    return CandleEvent(candle(stream=stream, count=number, closed=closed))


def numbers(events):
    return [event.candle.count for event in events]


class Model(RuleBasedStateMachine):
    """Against all that was put: what came out, and in which order."""

    CAPACITY, MOST = 6, 14

    def __init__(self):
        super().__init__()
        self.paces = []
        self.woken = 0
        self.box = Mailbox(
            as_it_is,
            on_pace=lambda pace, skipped: self.paces.append((pace, skipped)),
            notify=self.wake,
            capacity=self.CAPACITY,
            most=self.MOST,
        )
        self.number = 0
        self.put = defaultdict(list)
        self.got = defaultdict(list)
        self.expected = Pace.FOLLOWING

    def wake(self):
        self.woken += 1

    def room(self):
        return len(self.box._items) < self.CAPACITY

    @rule(what=st.lists(st.tuples(st.sampled_from(STREAMS), st.booleans()), max_size=4))
    def put_some(self, what):
        events = []
        for stream, closed in what:
            self.number += 1
            events.append(item(self.number, closed=closed, stream=stream))
        if events and self.expected is Pace.FOLLOWING and not self.room():
            self.expected = Pace.BEHIND
        if self.expected is not Pace.LOST:
            for event in events:
                self.put[event.candle.stream].append(event.candle)
        woken = self.woken
        self.box.put(events, patience=0.0)
        if self.box.pace is Pace.LOST:
            self.expected = Pace.LOST
        elif events:
            assert self.woken > woken

    @rule()
    def take(self):
        events = self.box.take()
        for event in events:
            self.got[event.candle.stream].append(event.candle)
        if self.expected is Pace.BEHIND and len(self.box._items) <= self.CAPACITY // 2:
            self.expected = Pace.FOLLOWING

    @invariant()
    def is_bounded(self):
        assert len(self.box._items) <= max(self.MOST, self.CAPACITY + 3)
        assert len(self.box._newest) <= len(STREAMS)

    @invariant()
    def the_pace_is_told_once_a_change(self):
        told = [pace for pace, _ in self.paces]
        assert self.box.pace is self.expected
        assert (told[-1] if told else Pace.FOLLOWING) is self.expected
        assert all(a is not b for a, b in itertools.pairwise(told))
        skips = [skipped for _, skipped in self.paces]
        assert skips == sorted(skips)

    @invariant()
    def nothing_is_reordered_or_doubled(self):
        for stream, got in self.got.items():
            order = [c.count for c in got]
            assert order == sorted(set(order)), stream

    @precondition(lambda self: self.box.pace is not Pace.LOST)
    @rule()
    def drain(self):
        while events := self.box.take():
            for event in events:
                self.got[event.candle.stream].append(event.candle)
        self.expected = Pace.FOLLOWING
        skipped = 0
        for stream, put in self.put.items():
            got = self.got[stream]
            assert [c for c in put if c.closed] == [c for c in got if c.closed]
            missing = [c for c in put if c not in got]
            assert not any(c.closed for c in missing)
            skipped += len(missing)
            if put:
                assert got[-1] == put[-1], "the newest is never skipped"
        assert self.box.skipped == skipped

    def teardown(self):
        self.box.close()
        while events := self.box.take():
            for event in events:
                self.got[event.candle.stream].append(event.candle)
        assert self.box.done
        for stream, put in self.put.items():
            closed = [c for c in put if c.closed]
            got = [c for c in self.got[stream] if c.closed]
            assert got == closed[: len(got)], "no hole, even if it was lost"


TestModel = Model.TestCase


class TestMailbox:
    def test_takes_what_it_is_for(self):
        events = [item(1), item(2, closed=False), LINK]
        bare = [candle(count=1), candle(count=2, closed=False)]
        for items in (events, bare):
            box = Mailbox(as_it_is)
            box.put(items)
            assert box.take() == items
        for items in (events, bare):
            box = Mailbox(as_it_is, updates=False)
            box.put(items)
            assert box.take() == [items[0], *items[2:]]

    def test_bare_candles_are_skipped_like_their_events(self):
        box = Mailbox(as_it_is, capacity=1)
        box.put([candle(count=1)])
        box.put([candle(count=n, closed=False) for n in (2, 3)], 0.0)
        box.put([candle(count=4), candle(count=5, closed=False)], 0.0)
        assert [c.count for c in box.take()] == [1, 4, 5]
        assert box.skipped == 2

    def test_hands_out_batches_and_says_that_there_is_more(self):
        woken = []
        box = Mailbox(as_it_is, notify=lambda: woken.append(1))
        box.put([item(n) for n in range(BATCH + 1)])
        woken.clear()
        assert numbers(box.take()) == list(range(BATCH))
        assert woken
        woken.clear()
        assert numbers(box.take()) == [BATCH]
        assert not woken

    def test_a_consumer_is_behind_only_after_patience(self):
        paces = queue.Queue()
        box = Mailbox(as_it_is, capacity=1, on_pace=lambda pace, _: paces.put(pace))
        box.put([item(1)])
        began = time.monotonic()
        box.put([item(2)], patience=0.3)
        assert time.monotonic() - began >= 0.3
        assert paces.get_nowait() is Pace.BEHIND
        began = time.monotonic()
        for n in range(3, 50):  # nobody waits for it any more
            box.put([item(n)], patience=60.0)
        assert time.monotonic() - began < PATIENCE
        assert numbers(box.take()) == list(range(1, 50))
        assert box.pace is Pace.FOLLOWING

    def test_a_consumer_that_makes_room_in_time_is_not_behind(self):
        box = Mailbox(as_it_is, capacity=1)
        box.put([item(1)])
        writer = threading.Thread(target=box.put, args=([item(2)], 60.0))
        writer.start()
        assert numbers(box.take(PATIENCE)) == [1]
        assert numbers(box.take(PATIENCE)) == [2]
        writer.join(PATIENCE)
        assert not writer.is_alive()
        assert box.pace is Pace.FOLLOWING

    def test_caught_up_at_half_empty(self):
        paces = []
        box = Mailbox(
            as_it_is,
            capacity=4,
            most=2 * BATCH,
            on_pace=lambda *told: paces.append(told),
        )
        box.put([item(n) for n in range(BATCH + 3)])
        box.put([item(-1, closed=False), item(-2, closed=False)], 0.0)
        assert paces == [(Pace.BEHIND, 1)]
        box.take()
        assert box.pace is Pace.BEHIND  # three are left
        box.put([item(-3)], 0.0)
        box.take()
        assert paces == [(Pace.BEHIND, 1), (Pace.FOLLOWING, 2)]

    def test_what_was_newest_while_behind_does_not_come_late(self):
        """It is older than all that comes after the consumer has caught up."""
        box = Mailbox(as_it_is, capacity=4, most=2 * BATCH)
        box.put([item(n) for n in range(BATCH + 2)])
        box.put([item(5000, closed=False)], 0.0)
        assert len(box.take()) == BATCH
        assert box.pace is Pace.FOLLOWING
        box.put([item(5001), item(5002)], 0.0)
        assert numbers(box.take()) == [BATCH, BATCH + 1, 5000, 5001, 5002]

    def test_forming_candles_of_different_streams_do_not_touch(self):
        box = Mailbox(as_it_is, capacity=1)
        box.put([item(0)])
        for number, stream in enumerate(STREAMS * 2, 1):
            box.put([item(number, closed=False, stream=stream)], 0.0)
        assert sorted(numbers(box.take())) == [0, 4, 5, 6]
        assert box.skipped == 3

    def test_lost_past_the_limit_and_for_good(self):
        paces = []
        box = Mailbox(
            as_it_is, capacity=2, most=4, on_pace=lambda *told: paces.append(told)
        )
        box.put([item(0), item(1)])
        box.put([item(n) for n in range(2, 9)], 0.0)
        assert [pace for pace, _ in paces] == [Pace.LOST]
        assert numbers(box.take()) == [0, 1, 2, 3]
        box.put([item(9)], 0.0)
        assert box.take() == []
        assert box.pace is Pace.LOST

    def test_other_events_count_as_closed_candles(self):
        box = Mailbox(as_it_is, capacity=1, most=3)
        box.put([item(0)])
        box.put([LINK, LINK], 0.0)
        assert box.take() == [item(0), LINK, LINK]

    @pytest.mark.parametrize("timeout", [None, PATIENCE])
    def test_take_waits_for_something(self, timeout):
        box = Mailbox(as_it_is)
        timer = threading.Timer(0.1, box.put, [[item(1)]])
        timer.start()
        assert numbers(box.take(timeout)) == [1]
        timer.join()

    def test_take_does_not_wait_longer_than_asked(self):
        box = Mailbox(as_it_is)
        assert box.take() == []
        assert box.take(0.05) == []

    def test_close_ends_whoever_waits(self):
        box = Mailbox(as_it_is, capacity=1)
        box.put([item(1)])
        writer = threading.Thread(target=box.put, args=([item(2)], 600.0))
        writer.start()
        time.sleep(0.05)
        box.close()
        writer.join(PATIENCE)
        assert not writer.is_alive()
        empty = Mailbox(as_it_is)
        timer = threading.Timer(0.1, empty.close)
        timer.start()
        assert empty.take(None) == []
        assert list(empty) == []

    def test_nothing_comes_after_close(self):
        box = Mailbox(as_it_is, capacity=1)
        box.put([item(1)])
        writer = threading.Thread(target=box.put, args=([item(2)], 600.0))
        writer.start()
        time.sleep(0.05)
        box.close()
        writer.join(PATIENCE)
        box.put([item(3)])
        assert box.closed
        assert not box.done
        assert numbers(box.take()) == [1]
        assert box.done

    def test_close_wakes_the_reader(self):
        woken = []
        box = Mailbox(as_it_is, notify=lambda: woken.append(1))
        box.close()
        assert woken

    def test_iterating_ends_with_the_last_one(self):
        box = Mailbox(as_it_is)
        box.put([item(n) for n in range(BATCH + 10)])
        box.close()
        assert numbers(box) == list(range(BATCH + 10))

    @pytest.mark.parametrize("pause", [0.0, 0.002])
    def test_one_writer_one_reader(self, pause):
        """A slow reader's forming candles are skipped, its closed ones never."""
        box = Mailbox(as_it_is, capacity=64, most=10**6)
        total = 6_000
        got = []

        def read():
            while not box.done:
                got.extend(numbers(box.take(PATIENCE)))
                time.sleep(pause)

        reader = threading.Thread(target=read)
        reader.start()
        for n in range(total):
            box.put([item(n, closed=n % 3 == 0)], 0.0005)
        box.close()
        reader.join(4 * PATIENCE)
        assert not reader.is_alive()
        assert got == sorted(set(got))
        assert [n for n in got if n % 3 == 0] == list(range(0, total, 3))
        assert total - len(got) == box.skipped

    def test_many_writers(self):
        box = Mailbox(as_it_is, capacity=16)
        writers = [
            threading.Thread(
                target=lambda stream=stream: [
                    box.put([item(n, stream=stream)], 60.0) for n in range(500)
                ]
            )
            for stream in STREAMS
        ]
        for writer in writers:
            writer.start()
        got = defaultdict(list)
        for _ in range(100_000):
            for event in box.take(PATIENCE):
                got[event.candle.stream].append(event.candle.count)
            if sum(map(len, got.values())) == 1500:
                break
        for writer in writers:
            writer.join(PATIENCE)
        assert got == {stream: list(range(500)) for stream in STREAMS}


class TestLatest:
    def test_keeps_the_newest_forming_and_the_last_closed_candles(self):
        latest = Latest(3)
        latest.put([item(n, closed=False) for n in range(9)])
        latest.put([item(n) for n in range(10, 20)])
        latest.put([item(n, closed=False) for n in range(20, 30)])
        assert numbers(latest.take()) == [17, 18, 19, 29]
        assert latest.take() == []

    def test_a_close_ends_its_forming_candle(self):
        latest = Latest(3)
        latest.put([item(1, closed=False), item(2)])
        assert numbers(latest.take()) == [2]

    def test_streams_do_not_touch_and_other_events_come_first(self):
        latest = Latest(2)
        ended = EndedEvent(BTCUSDT_1M, "CLOSE")
        latest.put([item(n, stream=stream) for n in range(3) for stream in STREAMS])
        latest.put([ended])
        taken = latest.take()
        assert taken[0] is ended
        assert numbers(taken[1:]) == [1, 2] * 3

    def test_no_flood_of_other_events_hides_a_gap_or_an_end(self):
        latest = Latest(2)
        end = BTCUSDT_1M.interval.shift(0, 1)
        news = [GapEvent(stream, 0, end, "418") for stream in STREAMS]
        news += [EndedEvent(stream, "CLOSE") for stream in STREAMS]
        latest.put(news)
        latest.put([RevisionEvent(candle(), candle(count=n)) for n in range(9)])
        latest.put([DropEvent(Drop.DUPLICATE)] * 9)
        taken = latest.take()
        assert taken[:6] == news
        assert len(taken) == 8
        assert latest.take() == []

    def test_wakes_the_reader_once_until_it_takes(self):
        woken = []
        latest = Latest(1, notify=lambda: woken.append(1))
        for times in (1, 2, 3):
            for number in range(5):
                latest.put([item(number)])
            assert len(woken) == times
            latest.take()

    def test_forming_candles_that_nobody_sees_wait(self):
        unseen, seen, _ = STREAMS
        latest = Latest(5)
        for number, stream in enumerate([unseen, seen, seen, unseen]):
            latest.put([item(number, closed=False, stream=stream)])
        latest.put([item(4, stream=unseen), item(5, closed=False, stream=unseen)])
        assert numbers(latest.take([seen])) == [4, 2]
        latest.put([item(6, closed=False, stream=unseen)])
        assert numbers(latest.take([seen])) == []
        assert numbers(latest.take()) == [6]

    @given(
        st.integers(1, 4),
        st.lists(st.tuples(st.sampled_from([*STREAMS, None]), st.booleans())),
    )
    def test_is_bounded_and_in_order(self, rows, what):
        latest = Latest(rows)
        last = {}
        for number, (stream, closed) in enumerate(what):
            event = (
                LINK if stream is None else item(number, closed=closed, stream=stream)
            )
            latest.put([event])
            last[stream] = event
        taken = latest.take()
        assert len(taken) <= rows + len(STREAMS) * (rows + 1)
        for stream, event in last.items():
            mine = [
                e
                for e in taken
                if (e.candle.stream if isinstance(e, CandleEvent) else None) == stream
            ]
            assert mine[-1] == event
            if stream is not None:
                assert numbers(mine) == sorted(numbers(mine))
                assert all(e.candle.closed for e in mine[:-1])
