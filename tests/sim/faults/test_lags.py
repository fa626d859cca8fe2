"""A lagging REST side is wrong for a while, and only then."""

from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import HOUR, MINUTE, Interval, Stream
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.lags import LONGEST, Lagging

BTC = Stream("BTCUSDT", Interval.M1)
STREAMS = [
    Stream(symbol, interval)
    for symbol in ("BTCUSDT", "ALGOUSDT", "OMGUSDT")
    for interval in (Interval.M1, Interval.M5, Interval.D1)
]


@settings(max_examples=100)
@given(
    seed=st.integers(0, 100),
    stream=st.sampled_from(STREAMS),
    now=st.integers(0, 3 * HOUR),
    limit=st.integers(1, 20),
    back=st.integers(0, 10) | st.none(),
)
def test_what_is_old_enough_is_true(market, start, seed, stream, now, limit, back):
    now += start
    lagging = Lagging(market, Chaos.parse("rest", seed=seed))
    low = None if back is None else stream.interval.shift(start, -back)
    truth = market.klines(stream, low, None, limit, now=now)
    shown = lagging.klines(stream, low, None, limit, now=now)
    assert len(shown) <= len(truth)
    for row, true in zip(shown, truth, strict=False):
        assert row.open_time == true.open_time
        assert row.fault() is None
        if not row.same_values(true):
            assert true.closed
            assert true.close_time > now - LONGEST
    for lacking in truth[len(shown) :]:
        assert lacking.close_time > now - LONGEST
    assert shown == lagging.klines(stream, low, None, limit, now=now)


def ways(market, spec, start):
    """How the candle that just closed is shown, 1 s after each of many closes."""
    chaos = Chaos.parse(spec, seed=2)
    lagging = Lagging(market, chaos)
    found = set()
    first = start - start % MINUTE
    for close in range(first, first + 3 * HOUR, MINUTE):
        rows = lagging.klines(BTC, close - 2 * MINUTE, now=close + 1_000)
        truth = market.klines(BTC, close - 2 * MINUTE, now=close + 1_000)
        later = len(rows) == len(truth)
        if len(rows) == 1:
            found.add("absent")
        elif rows[1].same_values(truth[1]):
            found.add("final" if later else "final alone")
        else:
            assert rows[1].count < truth[1].count
            found.add("unfinished" if later else "unfinished alone")
    return found, chaos


def test_the_ways_to_lag(market, start):
    found, chaos = ways(market, "lag=0.5", start)
    assert {"final", "unfinished", "unfinished alone"} <= found
    assert "absent" not in found
    assert chaos.counts["lag"] > 30
    found, chaos = ways(market, "absent=0.5", start)
    assert found == {"final", "absent"}
    assert chaos.counts["absent"] > 30
    assert ways(market, "late", start)[0] == {"final"}


def test_the_values_stand_still_until_they_are_final(market, start):
    lagging = Lagging(market, Chaos.parse("lag=1", seed=1))
    close = start - start % MINUTE + 5 * MINUTE
    shown = [
        lagging.klines(BTC, close - MINUTE, now=close + age)[0].count
        for age in range(0, LONGEST + 1_000, 250)
    ]
    assert len(set(shown)) == 2
    assert shown == sorted(shown)
    assert shown[-1] == market.klines(BTC, close - MINUTE, now=close + HOUR)[0].count


def test_the_rest_of_it_is_the_market(market, start):
    lagging = Lagging(market, Chaos.parse("rest"))
    assert [*lagging.instruments] == market.instruments
    assert lagging.intervals("BTCUSDT") == market.intervals("BTCUSDT")
    assert lagging.pushes([BTC], start, start + MINUTE) == market.pushes(
        [BTC], start, start + MINUTE
    )
    assert (lagging.label, lagging.start, lagging.end) == (
        market.label,
        market.start,
        market.end,
    )
