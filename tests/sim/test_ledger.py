"""The ledger is what a client has to end up with."""

from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import HOUR, MINUTE, Interval, Stream
from klinetail.sim.ledger import Ledger

STREAMS = [
    Stream(symbol, interval)
    for symbol in ("BTCUSDT", "ALGOUSDT")
    for interval in (Interval.M1, Interval.M5, Interval.H1)
]


@given(steps=st.lists(st.integers(0, 20 * MINUTE), min_size=1, max_size=10))
def test_every_close_once_and_in_order(market, start, steps):
    ledger = Ledger(market, start)
    now, found = start, []
    for step in steps:
        now += step
        found += ledger.entries(STREAMS, now)
    for stream in STREAMS:
        mine = [candle for candle in found if candle.stream == stream]
        low = stream.interval.floor(start)
        rows = market.klines(stream, low, None, 1500, now=now)
        assert mine == [row for row in rows if row.closed]
    once = sorted(found, key=lambda candle: (candle.close_time, candle.stream))
    assert ledger.entries(STREAMS, now) == []
    if len(steps) == 1:
        assert found == once


def test_a_stream_that_comes_later_has_its_past(market, start):
    ledger = Ledger(market, start)
    assert len(ledger.entries(STREAMS[:1], start + HOUR)) == 60
    late = ledger.entries(STREAMS[:2], start + HOUR)
    assert {candle.stream for candle in late} == {STREAMS[1]}
    assert len(late) == 12


def test_what_is_not_traded_has_no_closes(market, start):
    streams = [Stream("OMGUSDT", Interval.M1), Stream("NOPEUSDT", Interval.M1)]
    ledger = Ledger(market, start)
    assert ledger.entries(streams, start + HOUR) == []
    assert ledger.entries(streams, start + 2 * HOUR) == []
