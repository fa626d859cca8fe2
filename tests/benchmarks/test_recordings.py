"""The files that are measured hold the candles, and each reader reads all rows."""

from benchmarks.recordings import candles, measure_read, written
from klinetail.recordings.read import read

ROWS = 1_200


def test_every_file_holds_the_same_candles(tmp_path):
    made = list(candles(ROWS))
    assert len(made) == ROWS
    assert all(candle.fault() is None for candle in made)
    paths = written(tmp_path, ROWS)
    assert [*paths] == [".jsonl", ".csv", ".csv.gz", ".csv.zst"]
    for path in paths.values():
        assert [*read(path)] == made


def test_each_reader_is_beside_ours_over_the_same_file():
    found = [*measure_read(ROWS, 1)]
    assert [line["reader"] for line in found].count("recordings.read") == 4
    for line in found:
        assert line["rows"] == ROWS
        assert line["row_us"] > 0
        assert (line["row_us_times"] == 1) >= (line["reader"] == "recordings.read")
