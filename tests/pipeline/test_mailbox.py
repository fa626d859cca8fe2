import itertools
import queue
import threading
import time
from collections import defaultdict

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from klinetail.errors import SlowConsumer
from klinetail.events import (
    CandleEvent,
    EndedEvent,
    LinkEvent,
    LinkState,
    PreviewEvent,
)
from klinetail.pipeline.mailbox import BATCH, Mailbox, Pace, as_it_is
from tests.items import STREAMS, item
from tests.strategies import BTCUSDT_1M, candle

PATIENCE = 15.0
LINK = LinkEvent("link-0", LinkState.LIVE)


def numbers(events):
    return [event.candle.count for event in events]


def is_needed(event):
    """Whether it may not be skipped: a closed candle, or another event."""
    return not isinstance(event, CandleEvent) or event.candle.closed


def is_of(event, stream):
    return isinstance(event, CandleEvent) and event.candle.stream == stream


class Model(RuleBasedStateMachine):
    """Against all that was put: what came out, in which order, and what is lost."""

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
        self.put = []
        """All that was put before the mailbox was closed."""
        self.got = []
        self.expected = Pace.FOLLOWING
        self.told = None
        """What the reader was told is lost."""

    def wake(self):
        self.woken += 1

    def room(self):
        return len(self.box._items) < self.CAPACITY

    def make(self, stream, closed):
        self.number += 1
        if stream is None:
            return EndedEvent(BTCUSDT_1M, str(self.number))
        return item(self.number, closed=closed, stream=stream)

    @rule(
        what=st.lists(
            st.tuples(st.sampled_from([*STREAMS, None]), st.booleans()), max_size=4
        )
    )
    def put_some(self, what):
        events = [self.make(stream, closed) for stream, closed in what]
        closed = self.box.closed
        if not closed:
            self.put += events
            if events and self.expected is Pace.FOLLOWING and not self.room():
                self.expected = Pace.BEHIND
        woken, before = self.woken, self.expected
        self.box.put(events, patience=0.0)
        if self.box.lost:
            self.expected = Pace.LOST
        if events and not closed and before is not Pace.LOST:
            assert self.woken > woken

    def read(self):
        """Take once; whether anything was there."""
        woken = self.woken
        if self.expected is Pace.LOST and self.box.empty:
            with pytest.raises(SlowConsumer) as caught:
                self.box.take()
            assert self.told in (None, caught.value.lost), "it is told alike for ever"
            assert caught.value.limit == self.MOST
            self.told = caught.value.lost
            return False
        events = self.box.take()
        self.got += events
        if self.expected is Pace.BEHIND and len(self.box._items) <= self.CAPACITY // 2:
            self.expected = Pace.FOLLOWING
        if events and (not self.box.empty or self.expected is Pace.LOST):
            assert self.woken > woken, "there is more, if only to be told"
        return bool(events)

    @rule()
    def take(self):
        self.read()

    @precondition(lambda self: self.number > 12)
    @rule()
    def close(self):
        self.box.close()

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
        got = defaultdict(list)
        for event in self.got:
            if isinstance(event, CandleEvent):
                got[event.candle.stream].append(event.candle.count)
        for stream, order in got.items():
            assert order == sorted(set(order)), stream

    @invariant()
    def what_is_needed_comes_in_order_or_is_counted(self):
        put = [event for event in self.put if is_needed(event)]
        got = [event for event in self.got if is_needed(event)]
        queued = [event for event in self.box._items if is_needed(event)]
        assert got + queued == put[: len(put) - self.box.lost]
        assert (self.box.lost > 0) is (self.expected is Pace.LOST)

    @rule()
    def drain(self):
        while self.read():
            pass
        put = [event for event in self.put if is_needed(event)]
        got = [event for event in self.got if is_needed(event)]
        if self.expected is Pace.LOST:
            assert self.told == len(put) - len(got) > 0
            assert self.box.done
            return
        assert self.told is None
        assert got == put
        assert self.box.done is self.box.closed
        skipped = [event for event in self.put if event not in self.got]
        assert self.box.skipped == len(skipped)
        for stream in STREAMS:
            newest = [event for event in self.put if is_of(event, stream)][-1:]
            assert all(event in self.got for event in newest), "it is never skipped"

    def teardown(self):
        self.box.close()
        self.drain()
        assert self.box.done


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
        assert box.lost == 6
        for _ in range(2):
            with pytest.raises(SlowConsumer) as caught:
                box.take()
            assert (caught.value.lost, caught.value.limit) == (6, 4)
            box.put([item(10)], 0.0)
        assert box.pace is Pace.LOST
        assert len(paces) == 1

    def test_what_is_lost_counts_closed_candles_and_events_alone(self):
        box = Mailbox(as_it_is, capacity=1, most=2)
        box.put([item(0)])
        box.put([item(1, closed=False), item(2), item(3, closed=False)], 0.0)
        box.put([item(4, closed=False), LINK, item(5, closed=False), item(6)], 0.0)
        box.put([item(7, closed=False)], 0.0)
        assert numbers(box.take()) == [0, 2, 4]
        with pytest.raises(SlowConsumer, match=r"^2 closed candles or events are lost"):
            box.take()

    @pytest.mark.parametrize("reading", [Mailbox.batches, iter])
    def test_iterating_hands_over_what_was_queued_and_then_raises(self, reading):
        box = Mailbox(as_it_is, capacity=1, most=BATCH + 2)
        box.put([item(0)])
        box.put([item(n) for n in range(1, BATCH + 5)], 0.0)
        got = []

        def read():
            for some in reading(box):
                got.extend(some if isinstance(some, list) else [some])

        with pytest.raises(SlowConsumer, match=r"^3 closed candles or events are lost"):
            read()
        assert numbers(got) == list(range(BATCH + 2))
        assert box.done

    @pytest.mark.parametrize("timeout", [None, 600.0])
    def test_take_does_not_wait_for_what_never_comes(self, timeout):
        box = Mailbox(as_it_is, capacity=1, most=1)
        box.put([item(0)])
        box.put([item(1)], 0.0)
        got = queue.Queue()

        def read():
            got.put(box.take(timeout))
            try:
                box.take(timeout)
            except SlowConsumer as error:
                got.put(error)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        assert numbers(got.get(timeout=PATIENCE)) == [0]
        assert got.get(timeout=PATIENCE).lost == 1
        reader.join(PATIENCE)

    def test_lost_and_closed_is_done_only_when_it_was_told(self):
        """The collector may end, or the reader give up, before the queue was read."""
        box = Mailbox(as_it_is, capacity=1, most=1)
        box.put([item(0)])
        box.put([item(1)], 0.0)
        box.close()
        box.put([item(2)], 0.0)
        assert numbers(box.take()) == [0]
        assert box.empty
        assert not box.done
        with pytest.raises(SlowConsumer) as caught:
            box.take()
        assert caught.value.lost == 1
        assert box.done

    def test_the_reader_is_woken_to_be_told(self):
        woken = []
        box = Mailbox(as_it_is, notify=lambda: woken.append(1), capacity=1, most=1)
        box.put([item(0)])
        box.put([item(1)], 0.0)
        woken.clear()
        box.put([item(2)], 0.0)
        assert not woken  # the reader has been woken for what is queued
        box.take()
        assert woken

    def test_one_writer_is_not_waiting_where_another_gave_up(self):
        paces = []
        box = Mailbox(
            as_it_is, capacity=1, most=2, on_pace=lambda pace, _: paces.append(pace)
        )
        box.put([item(0)])
        other = threading.Thread(target=box.put, args=([item(9)], 600.0), daemon=True)
        other.start()
        time.sleep(0.05)
        box.put([item(1), item(2), item(3)], 0.0)
        other.join(PATIENCE)
        assert not other.is_alive()
        assert paces[-1] is Pace.LOST is box.pace
        kept = box.take()
        with pytest.raises(SlowConsumer) as caught:
            box.take()
        assert len(kept) + caught.value.lost == 5
        assert len(kept) == 2

    def test_all_is_handed_over_or_counted_while_others_write(self):
        """The reader begins too late, and then takes what there is all the time."""
        box = Mailbox(as_it_is, capacity=8, most=64)
        writers = [
            threading.Thread(
                target=lambda stream=stream: [
                    box.put([item(n, stream=stream) for n in range(at, at + 10)], 0.0)
                    for at in range(0, 2_000, 10)
                ]
            )
            for stream in STREAMS
        ]
        for writer in writers:
            writer.start()
        while box.pace is not Pace.LOST:
            time.sleep(0.001)
        got = []
        while any(writer.is_alive() for writer in writers):
            if not box.empty:
                got += box.take()
            time.sleep(0.002)
        while not box.empty:
            got += box.take()
        with pytest.raises(SlowConsumer) as caught:
            box.take()
        assert len(got) + caught.value.lost == 6_000
        for stream in STREAMS:
            mine = [e for e in got if e.candle.stream == stream]
            assert numbers(mine) == list(range(len(mine)))

    def test_previews_are_forming_candles_and_cost_no_closed_one(self):
        """While a candle is awaited all pushes of its stream are previews."""
        box = Mailbox(as_it_is, capacity=1, most=3)
        box.put([item(0)])
        previews = [PreviewEvent(candle(count=n, closed=False)) for n in range(1, 9)]
        box.put(previews, 0.0)
        assert box.pace is Pace.BEHIND
        assert box.skipped == 7
        box.put([item(9), item(10, closed=False), previews[-1]], 0.0)
        assert box.take() == [item(0), item(9), previews[-1]]
        none = Mailbox(as_it_is, updates=False)
        none.put(previews)
        assert none.empty

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

    def test_stopping_an_iteration_costs_nothing(self):
        box = Mailbox(as_it_is)
        box.put([item(n) for n in range(5)])
        assert numbers([next(iter(box))]) == [0]
        for event in box:
            if event.candle.count == 2:
                break
        box.put([item(5)])
        assert not box.empty
        box.close()
        assert not box.done
        assert numbers(box) == [3, 4, 5]
        assert box.done

    def test_several_readers_share_what_comes(self):
        box = Mailbox(as_it_is)
        box.put([item(n) for n in range(8_000)])
        box.close()
        got = []
        readers = [
            threading.Thread(target=lambda: got.extend(numbers(box))) for _ in range(4)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(PATIENCE)
        assert sorted(got) == list(range(8_000))

    def test_stopping_an_iteration_keeps_the_number_lost(self):
        box = Mailbox(as_it_is, capacity=1, most=2)
        box.put([item(0)])
        box.put([item(n) for n in range(1, 5)], 0.0)
        assert numbers([next(iter(box))]) == [0]
        box.put([item(5)], 0.0)
        assert numbers(box.take()) == [1]
        with pytest.raises(SlowConsumer, match=r"^4 closed candles or events are lost"):
            box.take()

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
