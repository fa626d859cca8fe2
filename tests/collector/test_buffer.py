"""The buffer: what a program sees of each stream's latest candles."""

import threading

import pytest

from klinetail.candle import Interval, Stream
from klinetail.collector.buffer import Buffer
from klinetail.contract.series import Series
from tests.contract import minutes
from tests.contract.minutes import STREAM, T0, begun, moment
from tests.strategies import candle

BTC = Stream("BTCUSDT", Interval.M1)
ETH = Stream("ETHUSDT", Interval.M5)
MINUTE = 60_000


@pytest.fixture
def buffer():
    series = {stream: Series(stream) for stream in (BTC, ETH)}
    series[BTC].closed.extend(candle(n * MINUTE, stream=BTC) for n in range(2))
    series[BTC]._order.forming = candle(2 * MINUTE, stream=BTC)
    return Buffer(series, threading.RLock())


@pytest.mark.parametrize("name", [BTC, "btcusdt@1m", "BTCUSDT@1m", "btcusdt"])
def test_a_stream_is_found_by_itself_and_by_its_name(buffer, name):
    assert name in buffer
    assert [c.open_time for c in buffer[name]] == [0, MINUTE, 2 * MINUTE]
    assert buffer.get(name) == buffer[BTC]


@pytest.mark.parametrize(
    "name",
    ["btcusdt@5m", "dogeusdt@1m", "no stream!", "btcusdt@7m", "", None, 3, ("a", "1m")],
)
def test_what_is_not_followed_is_not_there(buffer, name):
    assert name not in buffer
    assert buffer.get(name) is None
    assert buffer.get(name, ()) == ()
    with pytest.raises(KeyError, match="is not followed"):
        buffer[name]


def test_its_streams(buffer):
    assert list(buffer) == [BTC, ETH]
    assert len(buffer) == 2
    assert dict(buffer)[ETH] == ()


def buffered():
    """A buffer of one stream, and its series."""
    series = begun()
    return Buffer({STREAM: series}, threading.RLock()), series


def test_closed_candles_come_first_and_then_at_most_one_forming():
    buffer, series = buffered()
    closed = minutes.candle(T0, 5)
    forming = minutes.candle(T0 + 60_000, 2, closed=False)
    assert buffer[STREAM] == ()
    series.accept(closed, moment(T0 + 60_500))
    assert buffer[STREAM] == (closed,)
    series.accept(forming, moment(T0 + 61_000))
    assert buffer[STREAM] == (closed, forming)
