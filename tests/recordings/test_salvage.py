"""The last candles of damaged recordings."""

from __future__ import annotations

import pytest

from klinetail.errors import UsageError
from klinetail.formats import csv, jsonl
from klinetail.recordings.containers.registry import container_of
from klinetail.recordings.salvage import last_candles
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M

SOME = candles(6)
LINES = [csv.encode([one]) for one in SOME]
POINT = SOME[-1].close_time + 1

DAMAGED = {
    "a line that is no record": [*LINES[:5], b"rubbish\n", LINES[5]],
    "a last line that is no record": [*LINES, b"\0\0\0,,,\n"],
    "a double": [*LINES, LINES[-1]],
    "disorder": [*LINES[:4], LINES[5], LINES[4]],
    "a torn line": [*LINES, LINES[0][:40]],
    "NUL bytes": [*LINES[:5], b"\0" * 99, LINES[5]],
    "CRLF": [line.replace(b"\n", b"\r\n") for line in LINES],
}


@pytest.mark.parametrize("what", DAMAGED)
@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz", "m.csv.zst"])
def test_a_damaged_recording_tells_its_last_candles(tmp_path, name, what):
    path = tmp_path / name
    container, _ = container_of(name)
    path.write_bytes(container.pack(csv.HEADER + b"".join(DAMAGED[what])))
    before = path.read_bytes()
    tail, bad = last_candles(str(path), [BTCUSDT_1M])
    assert tail.points() == {BTCUSDT_1M: POINT}
    assert tail.latest[BTCUSDT_1M] == [*map(csv.decode, LINES[3:])]
    assert bad == ("no record" in what or (what == "a torn line" and name != "m.csv"))
    assert path.read_bytes() == before


def test_a_whole_recording_is_read_from_the_end(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(jsonl.encode(SOME))
    tail, bad = last_candles(str(path), [BTCUSDT_1M])
    assert (tail.points(), bad) == ({BTCUSDT_1M: POINT}, 0)


def test_other_headers_and_names_are_no_obstacle(tmp_path):
    path = tmp_path / "m.csv"
    more = csv.HEADER.replace(b"\n", b",more\n")
    longer = [line.replace(b"\n", b",1\n") for line in LINES]
    path.write_bytes(b"\xef\xbb\xbf" + more + b"".join(longer))
    assert last_candles(str(path), [BTCUSDT_1M])[0].points() == {BTCUSDT_1M: POINT}


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x1f\x8b\x08rubbish"])
def test_a_file_without_a_candle_is_refused(tmp_path, content):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    if not content:
        assert last_candles(str(path), [BTCUSDT_1M])[0].points() == {}
        return
    with pytest.raises(UsageError, match=r"m\.csv"):
        last_candles(str(path), [BTCUSDT_1M])
    with pytest.raises(UsageError, match="No such file"):
        last_candles(str(tmp_path / "none.csv"), [BTCUSDT_1M])
