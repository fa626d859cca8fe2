"""What a person is told of a recording."""

import pytest

from klinetail.candle import Interval, Stream
from klinetail.recordings.compare import Difference
from klinetail.sinks import news
from tests.strategies import BTCUSDT_1M, candle

TIME = 1_700_000_040_000
OTHERS = [Stream(f"A{n}USDT", Interval.M1) for n in range(3)]
DIFFERENCE = Difference(
    candle(TIME), candle(TIME, prices=("61.0", "61.5", "60.9", "61.2"))
)


@pytest.mark.parametrize(
    ("missing", "seconds", "words"),
    [
        (0, 0.0, "no candle is missing"),
        (1, 0.3, "1 candle is missing"),
        (1203, 6.2, "1,203 candles are missing, about 6 s"),
        (1203, None, "1,203 candles are missing, and not fetched (--resume gap)"),
        (None, 0.0, "the number of missing candles is not known"),
    ],
)
def test_where_it_goes_on(missing, seconds, words):
    assert news.goes_on("m.csv", {BTCUSDT_1M: TIME}, missing, seconds=seconds) == (
        f"m.csv: goes on after 2023-11-14 22:14Z (btcusdt@1m); {words}"
    )


def test_where_several_streams_go_on():
    points = dict.fromkeys(OTHERS, TIME)
    line = news.goes_on("m.csv", points, 2, seconds=0.0)
    assert line == "m.csv: goes on with 3 streams; 2 candles are missing"


def test_other_streams_are_counted():
    line = "m.csv: also holds a0usdt@1m until 2023-11-14 22:14Z"
    for count, more in (
        (1, ""),
        (2, " and 1 other stream"),
        (3, " and 2 other streams"),
    ):
        others = dict.fromkeys(OTHERS[:count], TIME)
        assert news.also_holds("m.csv", others) == f"{line}{more}, not continued"


def test_forming_candles_that_begin_or_end_are_told():
    assert news.updates("m.csv", updates=True) == (
        "m.csv: its end holds closed candles alone; from here on forming candles, too"
    )
    assert news.updates("m.csv", updates=False) == (
        "m.csv: its end holds forming candles, too; from here on closed candles alone"
    )


def test_new_streams_are_named():
    names = [*OTHERS]
    assert news.begins("m.csv", names[:1]) == (
        "m.csv: begins a0usdt@1m, which it does not hold yet"
    )
    assert " and 2 other streams," in news.begins("m.csv", names[:3])


def test_differences_name_both_values():
    for line in (news.foreign("m.csv", DIFFERENCE), news.revised("m.csv", DIFFERENCE)):
        assert line.startswith("m.csv: ")
        assert "100.50" in line
        assert "61.2" in line
        assert "2023-11-14 22:14Z" in line


def test_a_recording_of_the_future_names_both_times():
    line = news.future("m.csv", candle(TIME), TIME - 3_600_000)
    assert "btcusdt@1m 2023-11-14 22:14Z" in line
    assert "the exchange's time is 2023-11-14 21:14Z" in line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")],
)
def test_durations(seconds, words):
    assert news.duration(seconds) == words
