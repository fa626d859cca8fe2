"""Joining and cutting bars is exact."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Interval, Source, Stream
from klinetail.sim.bars import Bar, BarBlock, Steps, TickBlock, candle, join, partial

STEPS = Steps(Decimal("0.10"), Decimal("0.001"), Decimal("0.00010"))

ticks = st.integers(1, 10**6)


@st.composite
def rows(draw):
    """A candle in ticks and steps, with at least a step a trade."""
    low, a, b, high = sorted(draw(st.lists(ticks, min_size=4, max_size=4)))
    a, b = draw(st.permutations([a, b]))
    trades = draw(st.integers(1, 5000))
    volume = trades + draw(st.integers(0, 10**6))
    quote = volume * draw(st.integers(low, high))
    taker = draw(st.integers(0, volume))
    return (a, high, low, b, volume, quote, trades, taker, quote * taker // volume)


def bar_of(row):
    return TickBlock([[value] for value in row], STEPS).bar(0, 1)


@given(rows(), st.integers(0, 5000), st.integers(0, 5000))
def test_a_bar_grows_towards_itself(row, one, other):
    bar = bar_of(row)
    earlier, later = (partial(bar, done, STEPS) for done in sorted((one, other)))
    assert earlier.open == later.open == bar.open
    assert bar.low <= later.low <= earlier.low <= earlier.high <= later.high <= bar.high
    for field in ("volume", "quote_volume", "trades", "taker_buy_volume"):
        assert 0 <= getattr(earlier, field) <= getattr(later, field)
        assert getattr(later, field) <= getattr(bar, field)
    assert earlier.taker_buy_volume <= earlier.volume
    if earlier.trades:
        assert earlier.volume > 0
    assert partial(bar, bar.trades, STEPS) == bar


@given(rows(), st.integers(0, 5000))
def test_a_forming_bar_has_the_instruments_digits(row, done):
    seen = partial(bar_of(row), done, STEPS)
    for price in seen[:4]:
        assert price % STEPS.price == 0
        assert price.as_tuple().exponent == -2
    if seen.trades:
        assert seen.volume.as_tuple().exponent == -3
        assert seen.quote_volume.as_tuple().exponent == -5


@given(st.lists(rows(), min_size=1, max_size=20), st.data())
def test_both_kinds_of_block_say_the_same(minutes, data):
    start = data.draw(st.integers(0, len(minutes) - 1))
    stop = data.draw(st.integers(start + 1, len(minutes)))
    by_ticks = TickBlock([*zip(*minutes, strict=True)], STEPS).bar(start, stop)
    assert by_ticks == BarBlock([bar_of(row) for row in minutes]).bar(start, stop)


def test_sums_keep_the_most_precise_digits_and_lose_none():
    def bar(volume):
        d = Decimal
        return Bar(d(1), d(2), d(1), d("1.50"), d(volume), d(volume), 1, d(0), d(0))

    total = join([bar("999999999999999999.5"), bar("0.000000000000000001"), bar("0")])
    assert str(total.volume) == "999999999999999999.500000000000000001"
    assert format(join([bar("0"), bar("0.000")]).volume, "f") == "0.000"


def test_a_bar_without_an_event_time_is_a_rest_row():
    bar = bar_of((10, 12, 9, 11, 5, 50, 3, 2, 20))
    stream = Stream("BTCUSDT", Interval.M1)
    row = candle(stream, 60_000, bar, event_time=0, closed=True)
    frame = candle(stream, 60_000, bar, event_time=120_500, closed=True)
    assert (row.source, frame.source) == (Source.REST, Source.STREAM)
    assert row.texts[:4] == ("1.00", "1.20", "0.90", "1.10")
    assert row.texts[4:] == ("0.005", "0.00500", "0.002", "0.00200")
    assert row.fault() is None
