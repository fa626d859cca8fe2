import logging

import pytest

from klinetail.candle import Interval, Stream
from klinetail.events import (
    REST,
    Drop,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    RevisionEvent,
)
from klinetail.unheard import Unheard
from tests.test_mailbox import item

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


def test_an_outage_is_one_line_and_its_end_another(said):
    messages = see(said, DOWN, DOWN, LinkEvent(REST, LinkState.IDLE))
    assert len(messages) == 2
    assert messages[0].startswith("refused; trying again")
    assert messages[1] == "REST answers again"


def test_what_the_network_could_multiply_or_candles_say_is_not(said):
    candle = item(1).candle
    revised = RevisionEvent(candle, candle)
    assert see(said, item(1), revised, DropEvent(Drop.BAD, None, "junk")) == []


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
