"""The start of a recording that goes on: what it lacks, and when it is refused."""

import pytest

from klinetail.candle import Interval, Stream
from klinetail.errors import UsageError
from klinetail.recordings.cursor import Tail
from klinetail.recordings.policy import Resume
from klinetail.sinks.start import Plan, Start
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M, candle

OTHER = Stream("ETHUSDT", Interval.M1)


def time(number):
    return candles(1, number)[0].open_time


def start(count=5, *, lines=0, resume=Resume.FILL, streams=(BTCUSDT_1M,)):
    """The start of a recording of so many candles."""
    tail = Tail()
    if count:
        tail.latest[BTCUSDT_1M] = candles(count)[-3:]
    return Start("m.csv", tail, Plan(streams, resume, lines, updates=False))


def test_without_records_nothing_is_compared():
    for one in (start(0), start(streams=(OTHER,))):
        assert not one.pending
        assert (one.points, one.starts) == ({}, {})


def test_the_last_candles_are_compared():
    one = start()
    assert one.pending
    assert one.points == {BTCUSDT_1M: time(5)}
    assert one.starts == {BTCUSDT_1M: time(2)}
    assert not one.see(candles(2, 2))
    assert one.see(candles(1, 4))
    assert one.decide(time(9)) == []
    assert not one.pending


def test_another_market_stays_pending():
    one = start()
    one.see([candle(time(n), prices=("1", "3", "1", "2")) for n in (2, 3, 4)])
    with pytest.raises(UsageError, match="another market"):
        one.decide(time(9))
    assert one.pending


def test_a_recording_of_the_future_is_refused():
    with pytest.raises(UsageError, match="in the future"):
        start().decide(time(4) - 1)
    start().decide(time(4))
    start().decide(None)


def test_no_candle_to_compare_is_said():
    assert start().decide(time(9)) == [
        "m.csv: not compared with the exchange, which has none of the last candles"
    ]


@pytest.mark.parametrize(
    ("lines", "now", "end"),
    [(0, 5, None), (0, 6, 6), (3, 8, None), (3, 9, 9), (0, 4, None)],
)
def test_what_live_candles_do_not_bring_is_lacking(lines, now, end):
    lacks = {} if end is None else {BTCUSDT_1M: time(end)}
    assert start(lines=lines).lacks(time(now) + 500) == lacks


def test_at_an_unknown_time_everything_may_be_missing():
    one = start(lines=9)
    assert one.lacks(None) == {BTCUSDT_1M: time(5) + 1}
    (line,) = one.notes(None, sum)
    assert line.endswith("the number of missing candles is not known")


def test_the_notes_tell_what_is_missing():
    (line,) = start().notes(time(9), sum)
    assert line.endswith("4 candles are missing, about 4 s")
    (line,) = start(resume=Resume.GAP).notes(time(9), sum)
    assert line.endswith("4 candles are missing, and not fetched (--resume gap)")
