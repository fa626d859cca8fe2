import threading

import pytest

from klinetail.candle import Interval, Stream
from klinetail.collector.buffer import Buffer
from klinetail.contract.series import Series
from tests.strategies import candle

BTC = Stream("BTCUSDT", Interval.M1)
ETH = Stream("ETHUSDT", Interval.M5)
MINUTE = 60_000


@pytest.fixture
def buffer():
    series = {stream: Series(stream) for stream in (BTC, ETH)}
    series[BTC].closed.extend(candle(n * MINUTE, stream=BTC) for n in range(2))
    series[BTC].forming = candle(2 * MINUTE, stream=BTC)
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
