"""The frames are an exchange's, and klinetail delivers every one of them."""

import itertools
from collections import defaultdict

import pytest

from benchmarks.exchange import flood_feed, paced_feed
from benchmarks.market import (
    BEGIN,
    FIRST_NUMBER,
    HOUR,
    NUMBER,
    Feed,
    RestMarket,
    combined,
    frames,
    streams,
    symbols,
    text_frame,
)
from klinetail.candle import Candle, Interval, Stream, symbol_fault
from klinetail.clock import AHEAD, Moment
from klinetail.contract.series import Series
from klinetail.protocol.frames import decode
from tests.clocks import known

COUNT = 40_000


@pytest.fixture(scope="module", params=["flood", "paced"])
def feed(request):
    return flood_feed(45) if request.param == "flood" else paced_feed(45, 4_000)


@pytest.fixture(scope="module")
def built(feed):
    return frames(feed.candles(COUNT))


def payload(frame):
    assert frame[:2] == b"\x81\x7e"
    assert int.from_bytes(frame[2:4]) == len(frame) - 4
    return frame[4:]


def test_frames_are_the_candles_and_all_different(feed, built):
    assert [decode(payload(frame)) for frame in built] == list(feed.candles(COUNT))
    assert len(set(built)) == COUNT
    assert {300 < len(frame) < 360 for frame in built} == {True}


def test_a_combined_frame_names_its_stream(feed, built):
    stream = feed.streams[0]
    frame = payload(combined(built[0], stream))
    assert frame.startswith(b'{"stream":"btcusdt@kline_1m","data":{"e":"kline"')
    assert decode(frame) == decode(payload(built[0]))


def test_frames_carry_their_number(built):
    numbers = [int(NUMBER.search(frame)[1]) for frame in built]
    assert numbers == list(range(FIRST_NUMBER, FIRST_NUMBER + COUNT))


def test_the_contract_delivers_every_frame(feed):
    """Nothing is stale, held, parked or early: what comes in goes out at once."""
    clock = known(BEGIN)
    series = {stream: Series(stream) for stream in feed.streams}
    for one in series.values():
        one.begin(Moment(BEGIN, 0.0))
    closed = defaultdict(list)
    for candle in feed.candles(COUNT):
        assert clock.see(candle.event_time, 0.0)
        out = series[candle.stream].accept(candle, Moment(candle.event_time, 0.0))
        assert out[0] == candle
        assert all(isinstance(item, Candle) for item in out)
        if candle.closed:
            closed[candle.stream].append(candle)
    assert set(closed) == {s for s in feed.streams if s.interval.length and hourly(s)}
    for candles in closed.values():
        for one, next_ in itertools.pairwise(candles):
            assert next_.open_time == one.close_time + 1


def hourly(stream):
    return 3_600_000 % stream.interval.length == 0


def test_a_flood_never_waits_for_the_time():
    feed = flood_feed(195)
    last = feed.event_time(1_200_000 - 1)
    assert last - BEGIN < AHEAD
    assert feed.first < HOUR < last


def test_event_times_of_a_stream_increase():
    feed = flood_feed(1)
    times = [candle.event_time for candle in feed.candles(1000)]
    assert all(a < b for a, b in itertools.pairwise(times))
    with pytest.raises(ValueError, match="increase"):
        Feed(streams(1), BEGIN, 1001)


def test_symbols_can_be_symbols_and_are_all_different():
    names = symbols(790)
    assert len(set(names)) == 790
    assert {symbol_fault(name) for name in names} == {None}
    assert len(set(streams(11_800))) == 11_800
    assert streams(11_800)[-1].symbol in names


@pytest.mark.parametrize("interval", Interval)
def test_rows_are_consecutive_and_forming_at_the_end(interval):
    market = RestMarket(symbols(1), flood_feed(1))
    rows = market.klines(Stream("BTCUSDT", interval), None, None, 20, now=BEGIN)
    assert len(rows) == 20
    assert [row.closed for row in rows] == [True] * 19 + [False]
    assert {row.fault() for row in rows} == {None}
    for one, next_ in itertools.pairwise(rows):
        assert next_.open_time == one.close_time + 1
    again = market.klines(rows[0].stream, rows[3].open_time, None, 5, now=BEGIN)
    assert again == rows[3:8]


def test_rows_of_closed_candles_are_what_was_pushed(feed):
    market = RestMarket(symbols(3), feed)
    pushed = [candle for candle in feed.candles(COUNT) if candle.closed]
    assert pushed
    for candle in pushed:
        asked = (candle.stream, candle.open_time, candle.open_time)
        assert market.klines(*asked, now=candle.event_time)[0].same_values(candle)
        (forming,) = market.klines(*asked, now=candle.close_time)
        assert not forming.closed


def test_text_frames_say_their_length():
    assert payload(text_frame(b"x" * 300)) == b"x" * 300
