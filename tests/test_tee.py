import pytest

from klinetail.events import CandleEvent, EndedEvent, GapEvent
from klinetail.mailbox import PATIENCE, Latest, Mailbox, as_it_is
from klinetail.tee import Tee
from tests.strategies import BTCUSDT_1M, candle

GAP = GapEvent(BTCUSDT_1M, 0, 60_000, "why")
ENDED = EndedEvent(BTCUSDT_1M, "CLOSE")


def closed(number):
    return candle(count=number)


def forming(number):
    return candle(count=number, closed=False)


def numbers(candles):
    return [candle.count for candle in candles]


class Box(Mailbox):
    """A consumer that queues candles, and the gaps between them."""

    def tell(self, event, patience):
        if wanted := isinstance(event, GapEvent):
            self.put([event], patience)
        return wanted


class Patient:
    """A consumer that takes its time, on a clock of its own."""

    def __init__(self, clock, takes):
        self.clock = clock
        self.takes = takes
        self.granted = []
        self.heard = []

    def put(self, events, patience):
        self.granted.append(patience)
        self.heard.extend(events)
        self.clock[0] += min(self.takes, patience)

    def tell(self, event, patience):
        self.put([event], patience)
        return True


class TestTee:
    def test_everybody_gets_everything(self):
        boxes = [Box(as_it_is, updates=False), Box(as_it_is)]
        latest, heard = Latest(5), []
        tee = Tee(boxes, latest=latest, on_event=heard.append)
        tee.candles([forming(1)])
        tee.candles([closed(2)])
        tee.event(ENDED)
        assert boxes[0].take() == [closed(2)]
        assert boxes[1].take() == [forming(1), closed(2)]
        assert latest.take() == [ENDED, CandleEvent(closed(2))]
        assert heard == [ENDED]
        with tee.lock:
            assert (tee.stats.closed, tee.stats.updates, tee.stats.ended) == (1, 1, 1)

    def test_gaps_pass_on_to_consumers_in_order(self):
        box, heard = Box(as_it_is), []
        tee = Tee([box], on_event=heard.append)
        tee.candles([closed(1)])
        tee.event(GAP)
        tee.event(ENDED)
        tee.candles([closed(2)])
        assert box.take() == [closed(1), GAP, closed(2)]
        assert heard == [GAP, ENDED]

    def test_the_gap_that_ends_a_strict_run_is_the_last_thing_passed_on(self):
        box, seen = Box(as_it_is), []
        tee = Tee([box], strict=True, on_done=lambda: seen.extend(box.take()))
        tee.candles([closed(1)])
        tee.event(GAP)
        tee.candles([closed(2)])
        tee.event(GAP)
        assert seen == [closed(1), GAP]
        assert box.take() == []

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_the_count_is_exact(self, count):
        box, done, heard = Box(as_it_is), [], []
        tee = Tee(
            [box], count=count, on_event=heard.append, on_done=lambda: done.append(1)
        )
        for number in range(20):
            assert bool(done) == (number >= count)
            tee.candles([forming(100 + number)])
            tee.candles([closed(number)])
        tee.event(ENDED)
        got = numbers(box.take())
        assert [n for n in got if n < 100] == list(range(count))
        assert len(got) == 2 * count
        assert done == [1]
        assert heard == []
        assert tee.stats.closed == count

    @pytest.mark.parametrize("size", [1, 2, 3, 1000])
    def test_the_count_is_exact_within_a_batch(self, size):
        box = Box(as_it_is)
        tee = Tee([box], count=5)
        some = [one for n in range(10) for one in (forming(100 + n), closed(n))]
        for at in range(0, len(some), size):
            tee.candles(some[at : at + size])
        assert box.take() == some[:10]
        assert (tee.stats.closed, tee.stats.updates) == (5, 5)

    def test_forming_candles_and_events_do_not_count(self):
        done = []
        tee = Tee([], count=1, on_done=lambda: done.append(1))
        for _ in range(5):
            tee.candles([forming(1)])
            tee.event(ENDED)
        assert done == []
        tee.candles([closed(1)])
        assert done == [1]

    def test_the_last_one_is_there_when_it_is_done(self):
        box = Box(as_it_is)
        there = []
        tee = Tee([box], count=1, on_done=lambda: there.extend(box.take()))
        tee.candles([closed(1)])
        assert numbers(there) == [1]

    def test_without_a_count_there_is_no_end(self):
        box = Box(as_it_is)
        tee = Tee([box], on_done=lambda: pytest.fail("done"))
        for number in range(100):
            tee.candles([closed(number)])
        assert numbers(box.take()) == list(range(100))

    def test_waiting_for_room_is_shared(self):
        clock = [50.0]
        boxes = [Patient(clock, takes) for takes in (0.25, 9.0, 9.0)]
        tee = Tee(boxes, monotonic=lambda: clock[0])
        for number, item in enumerate((closed(0), GAP)):  # afresh for each
            (tee.event if item is GAP else lambda one: tee.candles([one]))(item)
            assert clock[0] == 50.0 + (number + 1) * PATIENCE
        assert boxes[0].granted == [1.0] * 2
        assert boxes[1].granted == [0.75] * 2
        assert boxes[2].granted == [0.0] * 2
        assert all(len(box.heard) == 2 for box in boxes)

    def test_one_that_is_behind_costs_the_others_nothing(self):
        slow, quick = Box(as_it_is, capacity=1), Box(as_it_is)
        clock = [0.0]
        tee = Tee([slow, quick], monotonic=lambda: clock[0])
        tee.candles([closed(0)])
        tee.candles([closed(1)])  # waits once, a second at most
        for number in range(2, 100):
            tee.candles([closed(number)])
        assert numbers(quick.take()) == list(range(100))
        assert numbers(slow.take()) == list(range(100))

    def test_what_is_counted_is_told_and_after_the_end_neither(self):
        heard = []

        def hear(event):
            heard.append((event, tee.lock.locked()))

        tee = Tee([], on_event=hear)
        tee.event(ENDED)
        assert heard == [(ENDED, True)], "nobody reads the figures between the two"
        tee.end()
        tee.event(ENDED)
        assert len(heard) == tee.stats.ended == 1
