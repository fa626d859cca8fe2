"""The buffer: what a program sees of each stream's latest candles."""

import threading

import pytest

from klinetail.collector.buffer import Buffer
from tests.contract.minutes import STREAM, T0, begun, candle, moment


def buffered():
    """A buffer of one stream, and its series."""
    series = begun()
    return Buffer({STREAM: series}, threading.RLock()), series


def test_closed_candles_come_first_and_then_at_most_one_forming():
    buffer, series = buffered()
    closed = candle(T0, 5)
    forming = candle(T0 + 60_000, 2, closed=False)
    assert buffer[STREAM] == ()
    series.accept(closed, moment(T0 + 60_500))
    assert buffer[STREAM] == (closed,)
    series.accept(forming, moment(T0 + 61_000))
    assert buffer[STREAM] == (closed, forming)


def test_is_a_mapping_of_the_streams_that_are_followed():
    buffer, _ = buffered()
    assert list(buffer) == [STREAM]
    assert len(buffer) == 1
    with pytest.raises(KeyError):
        buffer["btcusdt@1m"]
