"""What is in a file, and what is surely on the disk."""

from klinetail.candle import Stream
from klinetail.sinks.progress import Progress
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M, candle

OTHER = Stream.of("ethusdt", "1m")
SOME = candles(4)
POINTS = [one.close_time + 1 for one in SOME]


def test_closed_candles_are_progress_and_forming_ones_are_counted():
    progress = Progress("m.csv")
    assert progress.points([BTCUSDT_1M]) == {}
    progress.add(SOME[:2])
    progress.add([candle(closed=False, open_time=POINTS[1])])
    assert progress.written == 3
    assert progress.points([BTCUSDT_1M, OTHER]) == {BTCUSDT_1M: POINTS[1]}
    assert progress.streams() == [BTCUSDT_1M]


def test_a_failed_sync_takes_back_what_came_after_the_last_good_one():
    progress = Progress("m.csv")
    progress.add(SOME[:1])
    assert progress.unsynced
    progress.confirm(100)
    assert not progress.unsynced
    progress.add(SOME[1:2])
    progress.add(SOME[2:])
    progress.take_back()
    assert (progress.written, progress.size) == (1, 100)
    assert progress.points([BTCUSDT_1M]) == {BTCUSDT_1M: POINTS[0]}
    assert not progress.unsynced


def test_of_a_stream_that_is_new_its_first_candle_is_missing_again():
    progress = Progress("m.csv")
    progress.add(SOME[2:])
    progress.take_back()
    assert progress.points([BTCUSDT_1M]) == {BTCUSDT_1M: SOME[2].open_time}


def test_files_that_were_moved_are_counted_apart():
    progress = Progress("m.csv")
    progress.add(SOME[:3])
    progress.confirm(300)
    progress.move("m.csv.1")
    progress.begin_anew()
    assert progress.size == 0
    progress.add(SOME[3:])
    assert progress.wrote() == [("m.csv.1", 3), ("m.csv", 1)]
    assert progress.written == 4
    progress.replace({BTCUSDT_1M: POINTS[1]})
    assert progress.points([BTCUSDT_1M]) == {BTCUSDT_1M: POINTS[1]}
