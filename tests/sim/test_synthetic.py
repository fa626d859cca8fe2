"""The synthetic market is a function of its seed, the symbol and the time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import DAY, HOUR, Interval, Stream
from klinetail.sim.synthetic import Synthetic


@settings(max_examples=20)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_random_access_is_sequential_access(market, start, days):
    fresh = Synthetic(7, start)
    stream = Stream("SOLUSDT", Interval.M1)
    for day in days:
        now = start - day * DAY
        rows = fresh.klines(stream, limit=20, now=now)
        assert rows == market.klines(stream, limit=20, now=now)


def test_the_start_moves_no_price(market, start):
    later = Synthetic(7, start + 10 * DAY)
    stream = Stream("BTCUSDT", Interval.M15)
    assert later.klines(stream, now=start) == market.klines(stream, now=start)


def test_seeds_differ(market, start):
    stream = Stream("BTCUSDT", Interval.M1)
    assert (
        Synthetic(8, start).klines(stream, now=start)[0]
        != (market.klines(stream, now=start)[0])
    )


def test_digits_are_the_exchanges(market, start):
    def texts(symbol):
        row = market.klines(Stream(symbol, Interval.H1), limit=2, now=start)[0]
        return [len(text.partition(".")[2]) for text in row.texts]

    assert texts("BTCUSDT") == [2, 2, 2, 2, 3, 5, 3, 5]
    assert texts("DOGEUSDT") == [6, 6, 6, 6, 0, 6, 0, 6]
    assert texts("币安人生USDT") == [7, 7, 7, 7, 0, 7, 0, 7]


def test_prices_are_whole_ticks(market, start):
    for instrument in market.instruments:
        stream = Stream(instrument.symbol, Interval.M1)
        for row in market.klines(stream, limit=100, now=start):
            assert row.high % instrument.steps.price == 0
            assert row.volume % instrument.steps.volume == 0
            assert row.low * row.volume <= row.quote_volume <= row.high * row.volume


def test_the_thin_symbol_is_thin(market, start):
    stream = Stream("ALGOUSDT", Interval.M1)
    rows = market.klines(stream, limit=1500, now=start)
    assert 400 < sum(row.count == 0 for row in rows) < 600


def test_it_begins_where_it_was_asked_to(market, start):
    assert (market.start, market.end) == (start, None)
    assert "seed 7" in market.label
    young = Stream("币安人生USDT", Interval.D1)
    assert len(market.klines(young, now=start)) == 4
    assert market.klines(young, now=start - 4 * DAY) == []
    assert (
        len(market.klines(Stream("BTCUSDT", Interval.H1), limit=1500, now=start + HOUR))
        == 1500
    )
