import pytest

from klinetail.events import CandleEvent, EndedEvent, GapEvent
from klinetail.pipeline.fanout import FanOut, LatestEvents
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.mailbox import Mailbox, as_it_is
from klinetail.pipeline.meter import Meter
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


def meter(consumers, **options):
    return Meter(FanOut(consumers), **options)


class TestMeter:
    def test_everybody_gets_everything(self):
        boxes = [Box(as_it_is, updates=False), Box(as_it_is)]
        latest, heard = Latest(5), []
        metered = meter([LatestEvents(latest), *boxes], on_event=heard.append)
        metered.candles([forming(1)])
        metered.candles([closed(2)])
        metered.event(ENDED)
        assert boxes[0].take() == [closed(2)]
        assert boxes[1].take() == [forming(1), closed(2)]
        assert latest.take() == [ENDED, CandleEvent(closed(2))]
        assert heard == [ENDED]
        with metered.lock:
            assert (
                metered.stats.closed,
                metered.stats.updates,
                metered.stats.ended,
            ) == (1, 1, 1)

    def test_gaps_pass_on_to_consumers_in_order(self):
        box, heard = Box(as_it_is), []
        metered = meter([box], on_event=heard.append)
        metered.candles([closed(1)])
        metered.event(GAP)
        metered.event(ENDED)
        metered.candles([closed(2)])
        assert box.take() == [closed(1), GAP, closed(2)]
        assert heard == [GAP, ENDED]

    def test_the_gap_that_ends_a_strict_run_is_the_last_thing_passed_on(self):
        box, seen = Box(as_it_is), []
        metered = meter([box], strict=True, on_done=lambda: seen.extend(box.take()))
        metered.candles([closed(1)])
        metered.event(GAP)
        metered.candles([closed(2)])
        metered.event(GAP)
        assert seen == [closed(1), GAP]
        assert box.take() == []

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_the_count_is_exact(self, count):
        box, done, heard = Box(as_it_is), [], []
        metered = meter(
            [box], count=count, on_event=heard.append, on_done=lambda: done.append(1)
        )
        for number in range(20):
            assert bool(done) == (number >= count)
            metered.candles([forming(100 + number)])
            metered.candles([closed(number)])
        metered.event(ENDED)
        got = numbers(box.take())
        assert [n for n in got if n < 100] == list(range(count))
        assert len(got) == 2 * count
        assert done == [1]
        assert heard == []
        assert metered.stats.closed == count

    @pytest.mark.parametrize("size", [1, 2, 3, 1000])
    def test_the_count_is_exact_within_a_batch(self, size):
        box = Box(as_it_is)
        metered = meter([box], count=5)
        some = [one for n in range(10) for one in (forming(100 + n), closed(n))]
        for at in range(0, len(some), size):
            metered.candles(some[at : at + size])
        assert box.take() == some[:10]
        assert (metered.stats.closed, metered.stats.updates) == (5, 5)

    def test_forming_candles_and_events_do_not_count(self):
        done = []
        metered = meter([], count=1, on_done=lambda: done.append(1))
        for _ in range(5):
            metered.candles([forming(1)])
            metered.event(ENDED)
        assert done == []
        metered.candles([closed(1)])
        assert done == [1]

    def test_the_last_one_is_there_when_it_is_done(self):
        box = Box(as_it_is)
        there = []
        metered = meter([box], count=1, on_done=lambda: there.extend(box.take()))
        metered.candles([closed(1)])
        assert numbers(there) == [1]

    def test_without_a_count_there_is_no_end(self):
        box = Box(as_it_is)
        metered = meter([box], on_done=lambda: pytest.fail("done"))
        for number in range(100):
            metered.candles([closed(number)])
        assert numbers(box.take()) == list(range(100))

    def test_what_is_counted_is_told_and_after_the_end_neither(self):
        heard = []

        def hear(event):
            heard.append((event, metered.lock.locked()))

        metered = meter([], on_event=hear)
        metered.event(ENDED)
        assert heard == [(ENDED, True)], "nobody reads the figures between the two"
        metered.end()
        metered.event(ENDED)
        assert len(heard) == metered.stats.ended == 1
