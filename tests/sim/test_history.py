"""Every interval is made of the base candles, at every moment; rows page as the
exchange's do."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import DAY, HOUR, MINUTE, Interval, Stream
from klinetail.sim.bars import Steps
from klinetail.sim.history import Afterlife, Instrument, composes
from klinetail.sim.synthetic import Synthetic

SYMBOLS = ("BTCUSDT", "ALGOUSDT", "币安人生USDT", "OMGUSDT")

symbols = st.sampled_from(SYMBOLS)
ages = st.integers(0, 60 * DAY)
limits = st.integers(1, 40)


def minutes(market, symbol, start, end, now):
    """All 1m rows that open in [start, end], page by page."""
    rows = []
    while start <= end:
        stream = Stream(symbol, Interval.M1)
        page = market.klines(stream, start, end, 1500, now=now)
        if not page:
            break
        rows += page
        start = page[-1].close_time + 1
    return rows


def aggregate(rows):
    """What a reader would make of them."""
    return (
        rows[0].open,
        max(row.high for row in rows),
        min(row.low for row in rows),
        rows[-1].close,
        sum(row.volume for row in rows),
        sum(row.quote_volume for row in rows),
        sum(row.count for row in rows),
        sum(row.taker_buy_volume for row in rows),
        sum(row.taker_buy_quote_volume for row in rows),
    )


def values(row):
    return aggregate([row])


@settings(max_examples=60)
@given(
    symbol=symbols,
    interval=st.sampled_from([i for i in Interval if i is not Interval.MO1]),
    age=ages,
)
def test_every_candle_is_the_sum_of_its_minutes(market, start, symbol, interval, age):
    now = start - age
    for row in market.klines(Stream(symbol, interval), limit=2, now=now):
        parts = minutes(market, symbol, row.open_time, row.close_time, now)
        assert values(row) == aggregate(parts)
        assert row.closed is (row.close_time < now)
        assert row.fault() is None


def test_a_month_is_the_sum_of_its_days(market, start):
    month = market.klines(Stream("BTCUSDT", Interval.MO1), now=start)[2]
    stream = Stream("BTCUSDT", Interval.D1)
    days = market.klines(stream, month.open_time, month.close_time, now=start)
    assert len(days) == 31
    assert values(month) == aggregate(days)


@pytest.fixture(scope="module")
def hours(market, start):
    """All 1h rows of each symbol."""
    return {
        symbol: market.klines(Stream(symbol, Interval.H1), 0, None, 10_000, now=start)
        for symbol in SYMBOLS
    }


@settings(max_examples=200)
@given(
    low=st.none() | st.integers(-80 * HOUR, 20 * HOUR),
    high=st.none() | st.integers(-80 * HOUR, 20 * HOUR),
    limit=limits,
    symbol=symbols,
)
def test_rows_page_like_the_exchange(market, start, hours, low, high, limit, symbol):
    stream = Stream(symbol, Interval.H1)
    low = None if low is None else start + low
    high = None if high is None else start + high
    meant = [
        row
        for row in hours[symbol]
        if (low is None or row.open_time >= low)
        and (high is None or row.open_time <= high)
    ]
    expected = meant[:limit] if low is not None else meant[-limit:]
    assert market.klines(stream, low, high, limit, now=start) == expected


@given(symbol=symbols, age=ages)
def test_rows_are_consecutive_and_only_the_last_is_open(market, start, symbol, age):
    rows = market.klines(Stream(symbol, Interval.M1), limit=50, now=start - age)
    for earlier, later in itertools.pairwise(rows):
        assert later.open_time == earlier.close_time + 1
        assert later.open == earlier.close
    assert all(row.closed for row in rows[:-1])


@given(symbol=symbols, age=ages)
def test_empty_minutes_are_flat_rows_of_zeros(market, start, symbol, age):
    rows = market.klines(Stream(symbol, Interval.M1), limit=50, now=start - age)
    for row in rows:
        if row.count:
            assert row.volume > 0
        else:
            assert row.open_text == row.high_text == row.low_text == row.close_text
            assert set(row.texts[4:]) == {"0"}


@given(
    symbol=symbols,
    minute=st.integers(1, 50_000),
    seconds=st.lists(st.integers(0, 59_999), min_size=2, max_size=5),
)
def test_a_forming_row_only_grows(market, start, symbol, minute, seconds):
    stream = Stream(symbol, Interval.M5)
    base = start - start % (5 * MINUTE) - 5 * MINUTE * minute
    seen = [
        row
        for second in sorted(seconds)
        for row in market.klines(stream, base, base, now=base + 5 * second)
    ]
    seen += market.klines(stream, base, base, now=start)
    for earlier, later in itertools.pairwise(seen):
        assert earlier.count <= later.count
        assert earlier.volume <= later.volume
        assert later.low <= earlier.low <= earlier.high <= later.high
        assert earlier.fault() is None


@pytest.mark.parametrize("interval", Interval)
def test_rows_begin_where_the_symbol_was_listed(market, start, interval):
    for instrument in market.instruments:
        first = market.klines(
            Stream(instrument.symbol, interval), 0, None, 1, now=start
        )
        assert first[0].open_time == interval.floor(instrument.first)
        before = instrument.first - 1
        assert market.klines(Stream(instrument.symbol, interval), now=before) == []


def settled(market):
    return next(i for i in market.instruments if i.symbol == "OMGUSDT")


def test_a_settled_symbol_has_flat_rows_after_its_end(market, start):
    end = settled(market).end
    for interval in Interval:
        stream = Stream("OMGUSDT", interval)
        rows = market.klines(stream, end - 3 * DAY, None, 1500, now=end + HOUR)
        rows += market.klines(stream, limit=9, now=start)
        traded = [row.count > 0 for row in rows if row.open_time < end]
        assert traded == [True] * len(traded)
        for row in (row for row in rows if row.open_time >= end):
            assert row.count == 0
            assert set(row.texts[4:]) == {"0"}
            assert len(set(row.texts[:4])) == 1
    last, flat = market.klines(
        Stream("OMGUSDT", Interval.M1), end - MINUTE, None, 2, now=start
    )
    assert flat.open_text == last.close_text


def test_a_symbol_without_an_afterlife_has_no_rows_after_its_end(start):
    market = Synthetic(7, start, {"OMGUSDT": {"afterlife": Afterlife.NOTHING}})
    for interval in Interval:
        last = market.klines(Stream("OMGUSDT", interval), limit=1, now=start)[0]
        assert last.open_time < settled(market).end


def test_a_symbol_has_a_status_at_every_time(market, start):
    omg = settled(market)
    assert omg.status(omg.first - 1) == "PENDING_TRADING"
    assert (omg.status(omg.end - 1), omg.status(start)) == ("TRADING", "SETTLING")
    statuses = ((omg.end - HOUR, "PRE_SETTLE"), (start, "CLOSE"))
    other = settled(Synthetic(7, start, {"OMGUSDT": {"statuses": statuses}}))
    assert other.status(omg.end - HOUR - 1) == "TRADING"
    assert other.status(omg.end - HOUR) == other.status(start - 1) == "PRE_SETTLE"
    assert other.status(start) == "CLOSE"


def test_a_symbol_that_is_not_traded_yet_has_no_rows(start):
    first = Interval.H1.floor(start) + HOUR
    market = Synthetic(7, start, {"ETHUSDT": {"first": first}})
    stream = Stream("ETHUSDT", Interval.M1)
    assert market.klines(stream, now=first - 1) == []
    (row, *_) = market.klines(stream, now=first + HOUR)
    assert row.open_time == first
    assert market.pushes([stream], start, first) == []
    frames = market.pushes([stream], first, first + MINUTE - 1)
    assert {frame.open_time for frame in frames} == {first}


def test_longer_candles_consist_of_whole_shorter_ones():
    assert all(composes(Interval.M1, interval) for interval in Interval)
    assert {i for i in Interval if composes(Interval.M3, i)}.isdisjoint({"1m", "5m"})
    assert not composes(Interval.H8, Interval.H12)
    assert composes(Interval.H12, Interval.W1)
    for base in (Interval.D3, Interval.W1, Interval.MO1):
        assert [i for i in Interval if composes(base, i)] == [base]


def test_an_instrument_without_an_end_trades_on():
    steps = Steps(Decimal(1), Decimal(1), Decimal(1))
    assert Instrument("A", steps, Interval.M1, 0).status(10**15) == "TRADING"
