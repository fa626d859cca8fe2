"""What a check has found, as lines and as JSON."""

import json

from klinetail.formats import csv
from klinetail.recordings import reported
from klinetail.recordings.lines import Asked
from klinetail.recordings.survey import survey
from tests.strategies import candle

START = 1_672_531_200_000
LINES = [csv.line(candle(START + n * 60_000)) for n in range(10)]


def report_of(tmp_path, lines):
    path = tmp_path / "m.csv"
    path.write_bytes(csv.HEADER + "".join(lines).encode())
    return survey([str(path)], Asked())


def test_a_whole_recording(tmp_path):
    report = report_of(tmp_path, LINES)
    (line,) = map(reported.stream_line, report.streams)
    assert line == (
        f"{tmp_path}/m.csv: btcusdt@1m 10 candles, 2023-01-01T00:00Z to"
        " 2023-01-01T00:09Z: whole"
    )
    assert reported.summary(report) == "checked 1 file, 10 candles, 1 stream: no fault"
    assert [*reported.finding_lines(report)] == []


def test_damage_in_words(tmp_path):
    broken = LINES[7].replace(",true,", ",perhaps,")
    float_ = LINES[8].split(",")
    float_[7] = "1e-07"
    lines = [*LINES[:3], *LINES[5:7], LINES[6], broken, ",".join(float_), LINES[9]]
    report = report_of(tmp_path, lines)
    said = [line.partition("m.csv:")[2] for line in reported.finding_lines(report)]
    assert said == [
        "5: btcusdt@1m: 2 candles missing, 2023-01-01T00:03Z to 2023-01-01T00:04Z",
        "7: btcusdt@1m: 1 candle once more, 2023-01-01T00:06Z, with the same values",
        "8: no record: closed is 'perhaps', source is 'stream'",
        "9: note: the digits that a float leaves behind",
        "9: btcusdt@1m: 1 candle missing, 2023-01-01T00:07Z",
    ]
    assert reported.state(report.streams[0]) == "2 holes (3 candles), 1 double"
    assert reported.summary(report) == (
        "checked 1 file, 8 candles, 1 stream: 2 holes (3 candles), 1 double, 1 line"
        " that is no record; noted: 1 line with the digits of floats"
    )
    assert len([*reported.finding_lines(report, most=2)]) == 3
    assert reported.row(report.streams[0])[4:] == (8, "2 holes (3 candles), 1 double")


def test_the_json_has_the_documented_keys(tmp_path):
    report = report_of(tmp_path, [*LINES[:3], *LINES[5:]])
    stream, fault, summary = map(json.loads, reported.as_json(report))
    path = str(tmp_path / "m.csv")
    assert [*stream.items()] == [
        ("type", "stream"),
        ("files", [path]),
        ("symbol", "BTCUSDT"),
        ("interval", "1m"),
        ("first", START),
        ("last", START + 9 * 60_000),
        ("candles", 8),
        ("forming", 0),
        ("holes", 1),
        ("missing", 2),
        ("doubles", 0),
        ("disorder", 0),
        ("wrong_lines", 0),
    ]
    assert [*fault.items()] == [
        ("type", "fault"),
        ("kind", "hole"),
        ("file", path),
        ("line", 5),
        ("symbol", "BTCUSDT"),
        ("interval", "1m"),
        ("first", START + 3 * 60_000),
        ("last", START + 4 * 60_000),
        ("candles", 2),
        ("differing", None),
        (
            "text",
            "btcusdt@1m: 2 candles missing, 2023-01-01T00:03Z to 2023-01-01T00:04Z",
        ),
    ]
    assert list(summary) == [
        *("type", "files", "unreadable", "streams", "candles", "missing"),
        *("faults", "notes"),
    ]
    assert summary["faults"]["hole"] == 1
