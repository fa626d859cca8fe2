"""The fetches of a recorder, and what a recording lacks."""

import pytest

from klinetail.errors import KlinetailError
from klinetail.events import GapEvent
from klinetail.sinks.fetches import AGAIN, Fetches
from klinetail.sinks.inbox import Ended
from tests.sinks.pipes import candles
from tests.sinks.recording_fakes import Exchange
from tests.strategies import BTCUSDT_1M as STREAM


def time(number):
    return candles(1, number)[0].open_time


@pytest.fixture
def exchange():
    return Exchange(time(9))


@pytest.fixture
def posted():
    return []


@pytest.fixture
def fetches(exchange, posted):
    return Fetches(exchange, posted.append, lambda: 100.0)


def test_records_without_a_hole_are_passed_on(fetches):
    fetches.begin({STREAM: time(2)}, {STREAM: time(5)})
    assert fetches.complete(1, candles(4, 2)) == candles(4, 2)
    gap = GapEvent(STREAM, time(6), time(8), "why")
    records = [gap, *candles(1, 8)]
    assert fetches.complete(1, records) == records


@pytest.mark.parametrize("first", [0, 3])
def test_what_the_exchange_left_out_is_a_gap(fetches, first):
    """From the first candle that the recording lacks on."""
    fetches.begin({STREAM: time(2)}, {STREAM: time(5)})
    fetches.complete(1, candles(first, 2))
    gap, *rest = fetches.complete(1, candles(2, 8))
    assert (gap.start, gap.end, gap.candles) == (time(5), time(8), ())
    assert rest == candles(2, 8)


def test_what_is_lacking_is_missing_until_it_is_there(fetches):
    fetches.lack({STREAM: time(5)})
    fetches.lack({STREAM: time(3)})
    assert fetches.missing({STREAM: time(4)}) == {STREAM: time(4)}
    assert fetches.missing({}) == {}
    assert fetches.missing({STREAM: time(5)}) == {}
    assert fetches.ends == {}


def test_a_fetch_that_ends_well_brought_all_there_is(fetches, exchange):
    fetches.lack({STREAM: time(5)})
    fetches.begin({STREAM: time(2)}, {STREAM: time(2)})
    fetches.end(1, None)
    assert fetches.ends == {}


def test_but_not_what_became_lacking_since(fetches):
    fetches.lack({STREAM: time(5)})
    fetches.begin({STREAM: time(2)}, {STREAM: time(2)})
    fetches.lack({STREAM: time(6)})
    fetches.end(1, None)
    assert fetches.ends == {STREAM: time(6)}


def test_a_failed_fetch_brought_nothing(fetches):
    fetches.lack({STREAM: time(5)})
    fetches.begin({STREAM: time(2)}, {STREAM: time(2)})
    fetches.end(1, KlinetailError("no"))
    assert fetches.ends == {STREAM: time(5)}
    assert fetches.at == 100.0 + AGAIN


def test_the_next_fetch_comes_later_after_each_in_vain(fetches):
    pauses = []
    for number in range(1, 9):
        fetches.begin({STREAM: time(2)}, {})
        fetches.end(number, None)
        pauses.append(fetches.at - 100.0)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    fetches.begin({STREAM: time(2)}, {})
    fetches.complete(9, candles(1, 2))
    fetches.end(9, None)
    fetches.begin({STREAM: time(2)}, {})
    assert fetches.at == 101.0


def test_a_fetch_that_cannot_begin_ends(fetches, exchange, posted):
    exchange.faults = [KlinetailError("no")]
    fetches.begin({STREAM: time(2)}, {})
    assert [type(one) for one in posted] == [Ended]
    assert fetches.busy == {STREAM}
    ended = fetches.end(1, posted[0].error)
    ended.fetch.stop()
    assert ended.fetch.exchange_time() is None
    assert fetches.busy == set()


def test_stopped_fetches_are_gone(fetches, exchange):
    fetches.begin({STREAM: time(2)}, {})
    call = exchange.call()
    assert fetches.stop([1, 7]) == {STREAM}
    assert call.stopped
    assert fetches.stop_all() == set()
