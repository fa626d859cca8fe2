"""A recorded market tells what was recorded, to the digit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.candle import DAY, HOUR, MINUTE, Interval, Source, Stream
from klinetail.errors import BadRecording
from klinetail.recordings.read import read
from klinetail.sim.pushes import LATEST
from klinetail.sim.recorded import Recorded
from tests.strategies import SYMBOLS, candle, runs

FIRST = 1_699_920_000_000  # 2023-11-14, midnight
BTC = Stream("BTCUSDT", Interval.M1)


def minute(number, **changes):
    return candle(FIRST + number * MINUTE, source=Source.REST, **changes)


def rows(market, stream, now=None):
    return market.klines(stream, 0, None, 10_000, now=now or market.end)


def streams():
    """Not 3d, whose anchor two drawn runs would not agree about."""
    return st.builds(
        Stream,
        st.sampled_from(SYMBOLS),
        st.sampled_from([i for i in Interval if i is not Interval.D3]),
    )


@settings(max_examples=40)
@given(
    st.lists(streams().flatmap(lambda s: runs(s, min_size=1)), max_size=3, min_size=1)
)
def test_base_rows_are_verbatim(recorded):
    market = Recorded(c for run in recorded for c in run)
    last = {}
    for c in (c for run in recorded for c in run):
        last[c.stream, c.open_time] = c
    order = [*Interval]
    for (stream, open_time), c in last.items():
        symbols = {s.interval for s, _ in last if s.symbol == stream.symbol}
        if stream.interval is min(symbols, key=order.index):
            [row] = market.klines(stream, open_time, open_time, 1, now=market.end)
            assert (row.texts, row.count) == (c.texts, c.count)


def test_three_days_open_when_the_recording_says():
    threes = Stream("BTCUSDT", Interval.D3)
    recorded = [
        candle(FIRST + DAY + n * 3 * DAY, stream=threes, source=Source.REST)
        for n in range(5)
    ]
    market = Recorded(recorded)
    assert rows(market, threes) == recorded
    frames = market.pushes([threes], FIRST, market.end)
    assert [f.open_time for f in frames if f.closed] == [c.open_time for c in recorded]


def test_a_recorded_day_is_served_to_the_digit(shared_data):
    path = shared_data / "rest_klines/BTCUSDT-1m-2023-11-14_2023-11-14.csv"
    recorded = [*read(path)]
    cells = [line.split(",") for line in path.read_text().splitlines()[1:]]
    market = Recorded(recorded)
    assert rows(market, BTC) == recorded
    assert market.missing == 0
    [day] = rows(market, Stream("BTCUSDT", Interval.D1))
    assert day.volume == sum(c.volume for c in recorded)
    assert len(day.volume_text.partition(".")[2]) == 3
    assert day.count == sum(c.count for c in recorded)
    assert (day.open_text, day.close_text) == (cells[0][1], cells[-1][4])
    empty = [c for c in recorded if c.count == 0]
    frames = market.pushes([BTC], recorded[0].open_time, market.end)
    assert len(empty) == 3
    assert len([f for f in frames if f.closed]) == 1440 - 3


def test_a_run_begins_half_way_or_two_days_in():
    short = Recorded(minute(n) for n in range(10))
    assert short.start == FIRST + 5 * MINUTE
    assert short.end == FIRST + 10 * MINUTE + LATEST + 1
    hours = Stream("BTCUSDT", Interval.H1)
    long = Recorded(candle(FIRST + n * HOUR, stream=hours) for n in range(24 * 9))
    assert long.start == FIRST + 2 * DAY


def test_forming_candles_are_left_out_and_the_later_of_two_counts():
    market = Recorded(
        [
            minute(1, count=9),
            minute(0),
            minute(1, count=5),
            minute(1, count=1, closed=False),
            minute(2, closed=False),
        ]
    )
    assert [row.count for row in rows(market, BTC)] == [42, 5]


def test_candles_recorded_with_different_values_are_counted():
    same = minute(1, prices=("100.1", "100.900", "100", "100.5"))
    other, third = (minute(2, count=n) for n in (1, 2))
    market = Recorded([minute(0), minute(1), minute(2), same, other, third])
    assert market.differing == 1
    assert "1 candles recorded with different values, the last served" in market.label
    assert rows(market, BTC)[-1].count == 2
    assert Recorded([minute(0), minute(0)]).differing == 0
    assert "different" not in Recorded([minute(0), minute(0)]).label


def test_missing_candles_are_served_as_empty_ones():
    market = Recorded([minute(0), minute(3000)])
    served = rows(market, BTC)
    assert market.missing == 2999
    assert "2999 missing" in market.label
    assert len(served) == 3001
    assert set(served[1500].texts) == {"100.50", "0"}
    assert served[1500].fault() is None
    assert len(market.pushes([BTC], FIRST, market.end)) <= 2 + 1


def test_the_shortest_interval_counts():
    fives = Stream("BTCUSDT", Interval.M5)
    market = Recorded([candle(FIRST, stream=fives, count=1), minute(0), minute(1)])
    assert [row.count for row in rows(market, fives)] == [84]
    only = Recorded([candle(FIRST, stream=fives)])
    assert only.intervals("BTCUSDT") == frozenset(Interval) - {"1m", "3m"}
    assert only.klines(BTC, now=only.end) == []


def test_sums_have_the_digits_of_the_most_precise_row():
    volumes = (("0.1", "1", "0", "0"), ("2.345", "10.25", "1", "0"))
    market = Recorded(minute(n, volumes=v) for n, v in enumerate(volumes))
    [row] = rows(market, Stream("BTCUSDT", Interval.M5))
    assert row.texts[4:] == ("2.445", "11.25", "1", "0")


def test_steps_are_read_from_the_digits():
    market = Recorded([minute(0, prices=("36486.20", "36500", "36400.10", "36450"))])
    [instrument] = market.instruments
    assert [format(step, "f") for step in instrument.steps[:2]] == ["0.10", "0.100"]


def test_a_symbol_that_ended_earlier_is_settled():
    other = Stream("ETHUSDT", Interval.M1)
    market = Recorded(
        [minute(n) for n in range(5)]
        + [candle(FIRST + n * MINUTE, stream=other) for n in range(3, 60)]
    )
    status = {i.symbol: i.status(FIRST + 10 * MINUTE) for i in market.instruments}
    assert status == {"BTCUSDT": "SETTLING", "ETHUSDT": "TRADING"}
    assert rows(market, BTC)[-1].open_time == FIRST + 4 * MINUTE
    hours = Stream("BTCUSDT", Interval.H1)
    closes = [f for f in market.pushes([BTC, hours], FIRST, market.end) if f.closed]
    assert [f.count for f in closes if f.stream == hours] == [5 * 42]


def test_nothing_recorded():
    with pytest.raises(BadRecording, match="no closed candle"):
        Recorded([minute(0, closed=False)])
