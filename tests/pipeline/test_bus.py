import logging
import threading

import pytest

from klinetail.errors import Refused, SlowConsumer
from klinetail.events import (
    CandleEvent,
    Drop,
    DropEvent,
    EndedEvent,
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.pipeline.bus import EventBus
from klinetail.pipeline.mailbox import MOST, Mailbox
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

    def test_the_bridge_for_candles_that_come_together(self):
        """Each subscriber gets those it wants, in order, whatever others do."""
        bus, heard, mine = EventBus(), [], []
        events = [item(n, stream=STREAMS[n % 2]) for n in range(6)]
        candles = [event.candle for event in events]

        def bad(event):
            heard.append(event)
            raise RuntimeError

        bus.subscribe(bad)
        bus.subscribe(mine.append, streams=STREAMS[:1], types=[CandleEvent, GapEvent])
        bus.subscribe(mine.append, types=[GapEvent])
        box, other = bus.subscribe(streams=STREAMS[1:2]), bus.subscribe()
        other.close()
        bus.publish_candles(candles)
        assert heard == events
        assert bus.failures == 6
        assert mine == events[::2]
        assert box.take() == events[1::2]
        assert len(bus._fanout.consumers) == 4, "a closed mailbox is forgotten"
        bus.close()
        bus.publish_candles(candles)
        assert heard == events

    def test_a_handler_that_wants_to_leave_has_all_that_came_together(self):
        bus, heard, others = EventBus(), [], []

        def leave(event):
            heard.append(event)
            raise SystemExit

        bus.subscribe(leave)
        bus.subscribe(others.append)
        with pytest.raises(SystemExit):
            bus.publish_candles([CANDLE.candle] * 3)
        assert heard == others == [CANDLE] * 3
        assert bus.failures == 3

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
        assert len(bus._fanout.consumers) == 2

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
        assert len(bus._fanout.consumers) == 2
        assert quick.take() == [EVENTS[1], CANDLE]

    def test_a_mailbox_ends_with_the_bus(self):
        bus, heard = EventBus(), []
        bus.subscribe(heard.append)
        box, mine = bus.subscribe(), bus.subscribe()
        mine.close()
        bus.publish(CANDLE)
        reader = threading.Thread(target=lambda: heard.append(list(box)))
        reader.start()
        bus.close()
        reader.join(60)
        bus.publish(EVENTS[1])
        assert heard == [CANDLE, [CANDLE]]
        assert list(bus.subscribe()) == []
        bus.subscribe(heard.append)()
        bus.close()

    def test_what_ended_it_is_raised_once_all_that_was_queued_is_taken(self):
        bus = EventBus()
        boxes = [bus.subscribe() for _ in range(2)]
        for event in EVENTS:
            bus.publish(event)
        bus.close(Refused("not from here"))
        bus.close()
        for box in boxes:
            assert box.take() == EVENTS
            with pytest.raises(Refused, match="not from here"):
                list(box)
            assert box.done
            assert box.take() == []

    def test_names_serve_as_streams(self):
        bus, heard = EventBus(), []
        bus.subscribe(heard.append, streams=["btcusdt@1m"])
        bus.subscribe(heard.append, streams=["ethusdt@1m", "nopeusdt@1m"])
        for event in EVENTS:
            bus.publish(event)
        assert heard == EVENTS[:-2]

    @pytest.mark.parametrize(
        "streams",
        ["btcusdt@1m", BTCUSDT_1M, [("btcusdt", "1m")], {"btcusdt": "1m"}, 3, [None]],
    )
    def test_what_is_no_list_of_streams(self, streams):
        with pytest.raises(TypeError, match="stream"):
            EventBus().subscribe(print, streams=streams)

    @pytest.mark.parametrize(
        "types",
        [CandleEvent, "CandleEvent", ["CandleEvent"], [str], [CANDLE], [Event], [None]],
    )
    def test_what_is_no_list_of_types(self, types):
        with pytest.raises(TypeError, match=r"types has to be a list.*CandleEvent"):
            EventBus().subscribe(print, types=types)

    def test_a_type_in_place_of_the_handler(self):
        with pytest.raises(TypeError, match=r"types=\[GapEvent\]"):
            EventBus().subscribe(GapEvent)

    def test_what_nobody_hears_and_must_be_heard_is_logged(self, caplog):
        bus = EventBus()
        bus.subscribe(print, types=[CandleEvent])
        box = bus.subscribe(types=[GapEvent], streams=["ethusdt@1m"])
        with caplog.at_level(logging.WARNING, "klinetail"):
            for event in EVENTS:
                bus.publish(event)
            bus.publish(EVENTS[1])
            assert [message.split(":")[0] for message in caplog.messages] == [
                "gap",
                "ended",
                "gap",
            ]
            bus.subscribe(types=[GapEvent])
            bus.publish(EVENTS[1])
        assert len(caplog.messages) == 3
        assert box.take() == []

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
