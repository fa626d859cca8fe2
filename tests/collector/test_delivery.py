"""Delivery: callbacks before mailboxes, nothing after the end, and no callback costs a
candle."""

import pytest

from klinetail.collector.delivery import Delivery
from klinetail.events import EndedEvent, GapEvent
from klinetail.pipeline.mailbox import Mailbox, as_it_is
from tests.strategies import BTCUSDT_1M, candle

GAP = GapEvent(BTCUSDT_1M, 0, 60_000, "why")
ENDED = EndedEvent(BTCUSDT_1M, "CLOSE")
SOME = [candle(count=number) for number in range(4)]


def delivery(on_candle=None, on_candles=None, on_event=None, monotonic=lambda: 0.0):
    return Delivery(on_candle, on_candles, on_event, monotonic)


def test_callbacks_come_before_mailboxes_and_candles_that_come_together_are_one_call():
    heard, box = [], Mailbox(as_it_is)
    one = delivery(
        lambda c: heard.append(("candle", c, box.empty)),
        lambda cs: heard.append(("candles", cs)),
        lambda event: heard.append(("event", event)),
    )
    leave = one.fill(box)
    one.deliver([SOME[0], SOME[1], GAP, SOME[2]])
    assert heard == [
        ("candles", SOME[:2]),
        ("candle", SOME[0], True),
        ("candle", SOME[1], True),
        ("event", GAP),
        ("candles", SOME[2:3]),
        ("candle", SOME[2], False),
    ]
    leave()
    one.deliver(SOME[3:])
    assert box.take() == SOME[:3]


def test_after_the_end_nothing_is_delivered_not_even_the_rest_of_a_batch():
    heard, box = [], Mailbox(as_it_is)

    def end(item):
        heard.append(item)
        one.end()

    one = delivery(end, on_event=heard.append)
    one.fill(box)
    one.deliver([*SOME, GAP])
    one.deliver([ENDED])
    assert heard == SOME[:1]


@pytest.mark.parametrize("error", [ValueError(), SystemExit(1), KeyboardInterrupt()])
def test_whatever_a_callback_raises_costs_no_candle(error):
    box = Mailbox(as_it_is)

    def fail(item):
        raise error

    one = delivery(fail, fail, fail)
    one.fill(box)
    one.deliver([*SOME, GAP, ENDED])
    assert one.failures.count == 1 + len(SOME) + 2
    assert box.take() == SOME


def test_what_no_callback_hears_is_logged(caplog):
    heard = []
    delivery().deliver([GAP])
    delivery(on_event=heard.append).deliver([GAP])
    assert [text.split(":")[0] for text in caplog.messages] == ["gap"]
    assert heard == [GAP]


def test_seconds_in_callbacks_are_counted_as_waiting():
    clock = [0.0]

    def slow(item):
        clock[0] += 2.0

    one = delivery(slow, on_event=slow, monotonic=lambda: clock[0])
    one.deliver(SOME[:2])
    assert one.waited == 4.0
    one.deliver([GAP])
    assert one.waited == 6.0


def test_readers_are_told_of_the_end_and_those_who_come_later_too():
    one = delivery()
    boxes = [Mailbox(as_it_is), Mailbox(as_it_is)]
    one.fill(boxes[0])
    one.close()
    one.fill(boxes[1])
    assert all(box.done for box in boxes)
