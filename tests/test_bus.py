import logging
import threading

import pytest

from klinetail.bus import EventBus
from klinetail.errors import SlowConsumer
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
from klinetail.mailbox import MOST, Mailbox
from tests.items import STREAMS, item
from tests.strategies import BTCUSDT_1M

CANDLE = item(1)
EVENTS = [
    CANDLE,
    GapEvent(BTCUSDT_1M, 0, 60_000, "why"),
    RevisionEvent(CANDLE.candle, CANDLE.candle),
    RevisionEvent(None, CANDLE.candle),
    EndedEvent(BTCUSDT_1M, "CLOSE"),
    DropEvent(Drop.DUPLICATE, BTCUSDT_1M),
    DropEvent(Drop.BAD),
    LinkEvent("link-0", LinkState.LIVE),
]


class TestEventBus:
    def test_everybody_gets_every_event_in_order(self):
        bus, one, two = EventBus(), [], []
        bus.subscribe(one.append)
        bus.subscribe(two.append)
        for event in EVENTS:
            bus.publish(event)
        assert one == two == EVENTS

    def test_without_subscribers(self):
        EventBus().publish(CANDLE)

    def test_the_bridge_for_candles(self):
        bus, heard = EventBus(), []
        bus.subscribe(heard.append)
        bus.publish_candle(CANDLE.candle)
        assert heard == [CandleEvent(CANDLE.candle)]

    @pytest.mark.parametrize("kind", sorted({type(e) for e in EVENTS}, key=repr))
    def test_only_some_kinds(self, kind):
        bus, heard = EventBus(), []
        bus.subscribe(heard.append, types=[kind])
        for event in EVENTS:
            bus.publish(event)
        assert heard == [event for event in EVENTS if type(event) is kind]

    def test_no_kind_is_none(self):
        bus, heard = EventBus(), []
        bus.subscribe(heard.append, types=[])
        bus.publish(CANDLE)
        assert heard == []

    def test_only_some_streams(self):
        bus, mine, others = EventBus(), [], []
        bus.subscribe(mine.append, streams=iter([BTCUSDT_1M]))
        bus.subscribe(others.append, streams=STREAMS)
        for event in EVENTS:
            bus.publish(event)
        assert mine == EVENTS[:-2]  # what belongs to no stream is not for them
        assert others == []

    def test_both(self):
        bus, heard = EventBus(), []
        bus.subscribe(heard.append, types=[CandleEvent], streams=STREAMS[:1])
        for stream in STREAMS:
            bus.publish(item(1, stream=stream))
            bus.publish(EndedEvent(stream, "CLOSE"))
        assert heard == [item(1, stream=STREAMS[0])]

    def test_a_handler_that_raises_harms_nobody(self, caplog):
        bus, heard = EventBus(), []

        def bad(event):
            raise RuntimeError("a bug of yours")

        bus.subscribe(bad)
        bus.subscribe(heard.append)
        with caplog.at_level(logging.ERROR, "klinetail"):
            for event in EVENTS:
                bus.publish(event)
        assert heard == EVENTS
        assert bus.failures == len(EVENTS)
        assert len(caplog.records) == 1
        assert "a bug of yours" in caplog.text

    @pytest.mark.parametrize("way_out", [SystemExit(3), KeyboardInterrupt()])
    def test_a_handler_that_wants_to_leave_does_so_when_all_have_the_event(
        self, way_out
    ):
        bus, heard = EventBus(), []

        def leave(event):
            raise way_out

        bus.subscribe(leave)
        bus.subscribe(heard.append)
        with pytest.raises(type(way_out)):
            bus.publish(CANDLE)
        assert heard == [CANDLE]
        assert bus.failures == 1

    def test_the_end_of_a_subscription(self):
        bus, heard = EventBus(), []
        end = bus.subscribe(heard.append)
        bus.subscribe(heard.append)
        bus.publish(CANDLE)
        end()
        end()
        bus.publish(CANDLE)
        assert len(heard) == 3

    def test_a_handler_may_end_itself_and_subscribe_others(self):
        bus, first, second = EventBus(), [], []

        def once(event):
            first.append(event)
            end()
            bus.subscribe(second.append)

        end = bus.subscribe(once)
        third = []
        bus.subscribe(third.append)
        for event in EVENTS:
            bus.publish(event)
        assert first == EVENTS[:1]
        assert second == EVENTS[1:]
        assert third == EVENTS

    def test_a_handler_may_publish(self):
        bus, heard = EventBus(), []

        def answer(event):
            bus.publish(EVENTS[3])

        bus.subscribe(answer, types=[CandleEvent])
        bus.subscribe(heard.append)
        bus.publish(CANDLE)
        assert heard == [EVENTS[3], CANDLE]

    def test_a_mailbox_instead_of_a_handler(self):
        bus = EventBus()
        box = bus.subscribe(types=[CandleEvent, LinkEvent])
        assert isinstance(box, Mailbox)
        for event in EVENTS:
            bus.publish(event)
        assert box.take() == [EVENTS[0], EVENTS[-1]]

    def test_a_closed_mailbox_is_forgotten(self):
        bus = EventBus()
        boxes = [bus.subscribe() for _ in range(3)]
        boxes[1].close()
        for event in EVENTS[:2]:
            bus.publish(event)
        assert [box.take() for box in boxes] == [EVENTS[:2], [], EVENTS[:2]]
        assert len(bus._subscriptions) == 2

    def test_a_mailbox_that_is_not_read_costs_its_reader_alone_and_is_told(self):
        bus, heard = EventBus(), []
        slow = bus.subscribe()
        quick = bus.subscribe()
        bus.subscribe(heard.append)
        got = []
        for _ in range(MOST + 5):
            bus.publish(CANDLE)
            if len(heard) % 1_000 == 0:
                got += quick.take()
        assert len(got) + len(list(quick.take())) == len(heard) == MOST + 5
        read = []
        for event in slow:
            read.append(event)
            if len(read) == MOST:
                break
        bus.publish(EVENTS[1])  # it still counts, until it has told
        with pytest.raises(SlowConsumer) as caught:
            next(iter(slow))
        assert (caught.value.lost, caught.value.limit) == (6, MOST)
        assert slow.done
        bus.publish(CANDLE)
        assert len(bus._subscriptions) == 2
        assert quick.take() == [EVENTS[1], CANDLE]

    def test_from_several_threads(self):
        bus, lock = EventBus(), threading.Lock()
        heard = {n: [] for n in range(4)}

        def handler(event):
            with lock:
                number, count = divmod(event.candle.count, 1000)
                heard[number].append(count)
            if count % 2:
                raise RuntimeError

        bus.subscribe(handler)
        box = bus.subscribe()

        def publish(number):
            for n in range(500):
                bus.publish(item(number * 1000 + n))
                bus.subscribe(lambda event: None)()

        threads = [threading.Thread(target=publish, args=(n,)) for n in heard]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert heard == {n: list(range(500)) for n in heard}
        assert bus.failures == 1000
        assert len(list(box.take())) == 2000
