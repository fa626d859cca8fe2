"""The fan-out: everybody gets everything in order, waiting is shared, and whatever one
consumer does costs the others nothing."""

import logging
import threading
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.events import CandleEvent, EndedEvent, GapEvent
from klinetail.pipeline.fanout import (
    NOTICEABLE,
    CandleQueue,
    Failures,
    FanOut,
    LatestEvents,
)
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.mailbox import PATIENCE, Mailbox, as_it_is
from tests.strategies import BTCUSDT_1M, candle

GAP = GapEvent(BTCUSDT_1M, 0, 60_000, "why")
ENDED = EndedEvent(BTCUSDT_1M, "CLOSE")


def closed(number):
    return candle(count=number)


class Patient:
    """A consumer that takes its time, on a clock of its own; what is in `faults` is
    raised."""

    def __init__(self, clock=None, takes=0.0, faults=()):
        self.clock = [0.0] if clock is None else clock
        self.takes = takes
        self.faults = list(faults)
        self.granted = []
        self.heard = []
        self.ended = []

    def put(self, items, patience):
        self.granted.append(patience)
        self.heard.extend(items)
        self.clock[0] += min(self.takes, patience)
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault

    def tell(self, event, patience):
        self.put([event], patience)
        return isinstance(event, GapEvent)

    def close(self, error=None):
        self.ended.append(error)


def test_everybody_gets_everything_in_order_and_somebody_s_concern_is_told():
    one, two = Patient(), Patient()
    fanout = FanOut([one])
    assert not FanOut().event(GAP)
    fanout.add(two)
    fanout.candles([closed(1), closed(2)])
    assert fanout.event(GAP)
    assert not fanout.event(ENDED)
    fanout.candles([closed(3)])
    assert one.heard == two.heard == [closed(1), closed(2), GAP, ENDED, closed(3)]


def test_waiting_for_room_is_shared_and_counted():
    clock = [50.0]
    some = [Patient(clock, takes) for takes in (0.25, 9.0, 9.0)]
    fanout = FanOut(some, monotonic=lambda: clock[0])
    for number, call in enumerate((lambda: fanout.candles([closed(1)]), None), 1):
        (call or (lambda: fanout.event(GAP)))()  # afresh for each
        assert clock[0] == 50.0 + number * PATIENCE
        assert fanout.waited == number * PATIENCE
    assert [one.granted for one in some] == [[1.0] * 2, [0.75] * 2, [0.0] * 2]
    assert all(len(one.heard) == 2 for one in some)


def test_work_is_no_waiting():
    clock = [0.0]
    fanout = FanOut([Patient(clock, 0.9 * NOTICEABLE)], monotonic=lambda: clock[0])
    for _ in range(100):
        fanout.candles([closed(1)])
    assert fanout.waited == 0.0


def test_one_that_is_behind_costs_the_others_nothing():
    boxes = [Mailbox(as_it_is, capacity=1), Mailbox(as_it_is)]
    fanout = FanOut(map(CandleQueue, boxes), monotonic=lambda: 0.0)
    some = [closed(number) for number in range(100)]
    for one in some:
        fanout.candles([one])  # the second waits once, a second at most
    assert [box.take() for box in boxes] == [some, some]


FAULTS = st.lists(
    st.sampled_from([None, ValueError("one"), SystemExit(3), KeyboardInterrupt()]),
    max_size=6,
)


@given(st.lists(FAULTS, min_size=1, max_size=4), st.lists(st.booleans(), max_size=6))
def test_whatever_consumers_raise_all_get_all(faults, kinds):
    """Each failure is counted once; what is no `Exception` is raised, after all."""
    logging.getLogger("klinetail.pipeline").disabled = True
    try:
        some = [Patient(faults=each) for each in faults]
        fanout = FanOut(some)
        raised = 0
        for number, is_gap in enumerate(kinds):
            now = [each[number] if number < len(each) else None for each in faults]
            leaving = [f for f in now if f and not isinstance(f, Exception)]
            raised += sum(f is not None for f in now)
            with pytest.raises(BaseException) if leaving else nullcontext() as caught:
                fanout.event(GAP) if is_gap else fanout.candles([closed(number)])
            assert not leaving or caught.value is leaving[-1]
        sent = [GAP if is_gap else closed(n) for n, is_gap in enumerate(kinds)]
        assert all(one.heard == sent for one in some)
        assert fanout.failures.count == raised
    finally:
        logging.getLogger("klinetail.pipeline").disabled = False


def test_the_first_failure_is_logged(caplog):
    failures = Failures("a plug-in")
    fanout = FanOut([Patient(faults=[ValueError("mine")] * 3)], failures=failures)
    for _ in range(3):
        fanout.candles([closed(1)])
    assert caplog.messages == ["a plug-in raised"]
    assert "mine" in caplog.text
    assert failures.count == 3


def test_each_item_costs_no_other():
    failures, heard = Failures("a plug-in"), []
    faults = [ValueError(), SystemExit(1), None, SystemExit(2), ValueError()]

    def call(number):
        heard.append(number)
        if faults[number] is not None:
            raise faults[number]

    with pytest.raises(SystemExit) as caught:
        failures.call_each(call, range(5))
    assert caught.value is faults[3]
    assert heard == [0, 1, 2, 3, 4]
    assert failures.count == 3, "the one that is raised is counted by the fan-out"


def test_consumers_come_and_go_while_they_are_called():
    late, heard = Patient(), []

    class Once(Patient):
        def put(self, items, patience):
            super().put(items, patience)
            remove()
            remove()
            fanout.add(late)

    once, other = Once(), Patient()
    fanout = FanOut()
    remove = fanout.add(once)
    fanout.add(other)
    for number in range(3):
        fanout.candles([closed(number)])
        heard.append(closed(number))
    assert (once.heard, late.heard, other.heard) == (heard[:1], heard[1:], heard)


def test_all_are_closed_once_and_those_who_come_later_at_once():
    some, late = [Patient(), Patient()], Patient()
    fanout = FanOut(some)
    error = ValueError("the end")
    fanout.close(error)
    fanout.close()
    fanout.add(late)
    assert [one.ended for one in some] == [[error], [error]]
    assert late.ended == [None]
    assert len(fanout.consumers) == 2


def test_from_several_threads():
    fanout, box = FanOut(), Mailbox(as_it_is)
    fanout.add(CandleQueue(box))

    def publish(number):
        for n in range(300):
            fanout.candles([closed(number * 1000 + n)])
            fanout.add(Patient())()

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    got = [one.count for one in box.take()]
    assert len(got) == 1200
    for number in range(4):
        mine = [count % 1000 for count in got if count // 1000 == number]
        assert mine == list(range(300))
    assert len(fanout.consumers) == 1


def test_a_queue_of_candles_leaves_events():
    box = Mailbox(as_it_is)
    fanout = FanOut([CandleQueue(box)])
    assert not fanout.event(GAP)
    fanout.candles([closed(1)])
    fanout.close(ValueError())
    assert box.take() == [closed(1)]
    with pytest.raises(ValueError):
        box.take()


def test_a_view_gets_candles_as_events():
    latest = Latest(5)
    fanout = FanOut([LatestEvents(latest)])
    fanout.candles([closed(1), closed(2)])
    assert fanout.event(ENDED)
    fanout.close()
    assert latest.take() == [ENDED, *map(CandleEvent, [closed(1), closed(2)])]
