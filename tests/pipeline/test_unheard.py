import logging
import queue
import threading
import time

import pytest

from klinetail.candle import Interval, Stream
from klinetail.escape import LINE
from klinetail.events import (
    REST,
    Drop,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    MuteEvent,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
)
from klinetail.pipeline.unheard import Unheard
from tests.items import item

BTC = Stream("BTCUSDT", Interval.M1)
GAP = GapEvent(BTC, 0, 60_000, "why")
DOWN = LinkEvent(REST, LinkState.WAITING, "refused", 1, 0.4)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "klinetail")
    return caplog


def see(said, *events, heard=False, unheard=None):
    unheard = unheard or Unheard()
    for event in events:
        unheard.see(event, heard=heard)
    assert {(r.name, r.levelname) for r in said.records} <= {("klinetail", "WARNING")}
    return said.messages


def test_a_gap_and_an_end_are_warnings(said):
    assert see(said, GAP, EndedEvent(BTC, "CLOSE")) == [
        "gap: btcusdt@1m 1970-01-01 00:00Z to before 1970-01-01 00:01Z is missing: why",
        "ended: btcusdt@1m is not traded any more (CLOSE)",
    ]


def test_why_a_stream_brings_nothing_yet_is_a_warning(said):
    assert see(said, PendingEvent(BTC, 60_000), TradedEvent(BTC)) == [
        "pending: btcusdt@1m is not traded yet, from 1970-01-01 00:01Z",
        "traded: btcusdt@1m is traded now",
    ]


def test_a_connection_that_brings_nothing_is_a_warning(said):
    silent = LinkEvent("c1", LinkState.LIVE, "no candle for 20 s", 1)
    messages = see(said, silent, silent, LinkEvent("c1", LinkState.LIVE))
    assert messages == ["no candle for 20 s", "candles come again"]


def test_an_outage_is_one_line_and_its_end_another(said):
    messages = see(said, DOWN, DOWN, LinkEvent(REST, LinkState.IDLE))
    assert len(messages) == 2
    assert messages[0].startswith("refused; trying again")
    assert messages[1] == "REST answers again"


def test_what_the_network_could_multiply_or_candles_say_is_not(said):
    candle = item(1).candle
    revised = RevisionEvent(candle, candle)
    drops = [DropEvent(why, None, "junk") for why in Drop]
    assert see(said, item(1), revised, MuteEvent(BTC), *drops) == []


def test_what_was_heard_is_not(said):
    assert see(said, GAP, DOWN, heard=True) == []


def test_an_outage_whose_end_others_heard_does_not_hide_the_next(said):
    unheard = Unheard()
    see(said, DOWN, unheard=unheard)
    see(said, LinkEvent(REST, LinkState.IDLE), heard=True, unheard=unheard)
    assert len(see(said, DOWN, unheard=unheard)) == 2


def test_text_from_the_network_is_escaped(said):
    [message] = see(said, LinkEvent(REST, LinkState.WAITING, "\x1b[2J\u202e", 1, 0.4))
    assert message.isprintable()
    assert "\x1b" not in message


def test_a_line_is_as_short_as_a_person_gets_it(said):
    [message] = see(said, GapEvent(BTC, 0, 60_000, "\x1b" * 100_000))
    assert len(message) <= LINE


class Yielding(str):
    """A link's name that lets other threads run whenever it is looked up."""

    __slots__ = ()

    def __hash__(self):
        time.sleep(0)
        return super().__hash__()

    __eq__ = str.__eq__


def test_several_collectors_can_share_one(said):
    unheard, failures = Unheard(), queue.SimpleQueue()
    name = Yielding(REST)
    events = [
        LinkEvent(name, LinkState.WAITING, "refused", 1, 0.4),
        LinkEvent(name, LinkState.IDLE),
    ]

    def work():
        try:
            for event in events * 100:
                unheard.see(event, heard=True)
        except KeyError as error:
            failures.put(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures.empty()
