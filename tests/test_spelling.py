"""Other people's spellings of symbols and intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, symbol_fault
from klinetail.spelling import Spelling, intervals_like, plainer, spelled
from tests.strategies import intervals, symbols


@pytest.mark.parametrize(
    ("word", "symbol", "assumed"),
    [
        ("BTC/USDT:USDT", "BTCUSDT", False),
        ("btc/usdt:USDT", "btcusdt", False),
        ("币安人生/USDT:USDT", "币安人生USDT", False),
        ("BTC/USDT:USDT-261225", "BTCUSDT_261225", False),
        ("BTCUSDT.P", "BTCUSDT", False),
        ("BINANCE:BTCUSDT.P", "BTCUSDT", False),
        ("binanceusdm:BTC/USDT", "BTCUSDT", False),
        ("binance:btcusdt_261225", "btcusdt_261225", False),
        ("BTC/USDT", "BTCUSDT", True),
        ("btc-usdt", "btcusdt", True),
        ("Binance:BTCUSDT", "BTCUSDT", True),
        ("binance:btc/usdt", "btcusdt", True),
    ],
)
def test_what_is_understood(word, symbol, assumed):
    assert spelled(word) == Spelling(symbol, assumed)


@pytest.mark.parametrize(
    ("word", "alike"),
    [
        ("BTC/USD:BTC", "btcusdt"),  # COIN-M
        ("BTC-USDT-SWAP", "btcusdt"),
        ("BTC-PERP", "btcusdt"),
        ("BTCUSDT-PERP", "btcusdt"),
        ("BTC-USDT-PERP", "btcusdt"),
        ("OKX:BTCUSDT.P", "btcusdt"),
        ("BTC USDT", "btcusdt"),
        ("$BTCUSDT", "btcusdt"),
        ("BTC/USDT:USDT-261225-80000-C", "usdt26122580000c"),
        ("/", ""),
        ("", ""),
    ],
)
def test_what_is_not_understood_and_what_is_like_it(word, alike):
    assert spelled(word) == Spelling(word, assumed=False)
    assert plainer(word) == alike


@given(symbols)
def test_the_exchange_s_own_names_are_what_they_are(symbol):
    for word in (symbol, symbol.lower()):
        assert spelled(word) == Spelling(word, assumed=False)


@given(st.text(max_size=30))
def test_any_text_has_a_spelling(word):
    symbol, assumed = spelled(word)
    assert symbol == word or symbol_fault(symbol.upper()) is None or len(symbol) > 10
    assert not assumed or symbol != word
    plainer(word)


@given(intervals)
def test_an_interval_is_like_itself(interval):
    assert intervals_like(interval, Interval) == (interval,)
    assert intervals_like(f" {interval}\n", Interval) == (interval,)
    assert intervals_like(f"kline_{interval}", Interval) == (interval,)


@pytest.mark.parametrize(
    ("words", "alike"),
    [
        ("1min 1minute m1 1 60s", "1m"),
        ("5M 5min 5mins m5 300s", "5m"),
        ("60 60m 60M 1H h1 1hr 1hour hour hourly 3600 60min", "1h"),
        ("240 4H h4 240m", "4h"),
        ("daily day 1D d1 1440 24h 1440m 86400", "1d"),
        ("weekly 1W 7d", "1w"),
        ("monthly month 1mo 1mon 1month mn1 MN 1y 12mo", "1M"),
        ("M1", "1m 1M"),
        ("7m 10m", "5m 15m"),
        ("45m", "30m 1h"),
        ("3h", "2h 4h"),
        ("2d", "1d 3d"),
        ("2w", "1w 1M"),
        ("0m 1s", "1m"),
        ("7x 4U", ""),
    ],
)
def test_what_looks_like_an_interval(words, alike):
    for word in words.split():
        assert intervals_like(word, Interval) == tuple(alike.split()), word


@pytest.mark.parametrize(
    "word", ["", "btcusdt", "1inch", "1000pepeusdt", "h", "m", "t", "*m", "s1", "min5x"]
)
def test_what_does_not(word):
    assert intervals_like(word, Interval) is None


@given(st.text(max_size=12))
def test_what_is_alike_are_intervals(word):
    assert set(intervals_like(word, Interval) or ()) <= set(Interval)


@given(st.integers(0, 10**6))
def test_a_minute_is_never_a_month_without_a_word(number):
    """Of a number with m or M, only what is written as 1M is the month, or what is
    longer than any other."""
    for unit in "mM":
        alike = intervals_like(f"{number}{unit}", Interval)
        if "1M" in alike and alike[0] == "1M":
            assert (number, unit) == (1, "M") or number > 43_000
