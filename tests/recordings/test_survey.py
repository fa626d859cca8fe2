"""Files are checked as a person expects: damage is named, and nothing else."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klinetail.candle import Interval, Stream
from klinetail.formats import csv, jsonl
from klinetail.recordings import survey as survey_module
from klinetail.recordings.containers.registry import container_of
from klinetail.recordings.findings import Kind
from klinetail.recordings.lines import Asked
from klinetail.recordings.survey import chains, pieces_of, survey
from tests.strategies import candle

MINUTE = 60_000
START = 1_672_531_200_000
STREAMS = [Stream("BTCUSDT", Interval.M1), Stream("1000EUSDT", Interval.M1)]

shared_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40
)


def lines_of(minutes: int, form=csv, streams=STREAMS) -> list[str]:
    """Lines of right candles, the streams in turn, without line breaks."""
    return [
        form.line(candle(START + n * MINUTE, stream=stream)).rstrip("\n")
        for n in range(minutes)
        for stream in streams
    ]


def content(lines, form=csv) -> bytes:
    return form.HEADER + "".join(f"{line}\n" for line in lines).encode()


def checked(path, *more, jobs=1, size=1 << 30, **asked):
    return survey([str(path), *map(str, more)], Asked(**asked), jobs, size)


def found(report):
    """What is said: kind, line, candles."""
    return [(each.kind, each.at[1], each.candles) for each in report.findings]


@pytest.fixture
def write(tmp_path):
    def write(data: bytes, name: str = "m.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("form", [csv, jsonl], ids=["csv", "jsonl"])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_right_recording_in_every_container(write, form, suffix):
    name = f"m.{form.__name__.rpartition('.')[2]}{suffix}"
    container = container_of(name)[0]
    data = content(lines_of(50, form), form)
    report = checked(write(container.pack(data), name))
    assert (found(report), report.rows, report.whole) == ([], 100, True)
    assert [str(each.verdict.stream) for each in report.streams] == [
        "1000eusdt@1m",
        "btcusdt@1m",
    ]


DAMAGES = {
    "remove": (Kind.HOLE, 1),
    "double": (Kind.DOUBLE, 1),
    "swap": (Kind.DISORDER, 1),
    "price": (Kind.PRICES, 1),
    "shift": (Kind.TIME, 1),
    "close": (Kind.TIME, 1),
    "float": (Kind.FLOAT, 1),
    "exponent": (Kind.FLOAT, 1),
}


def damaged(lines, at, how):
    """The lines with one damage at a line of them, and the number of the line in the
    file that shows it."""
    lines = [*lines]
    cells = lines[at].split(",")
    step = len(STREAMS)
    number = at + 2  # after the header
    match how:
        case "remove":
            del lines[at]
            number += step - 1
        case "double":
            lines.insert(at + 1, lines[at])
            number += 1
        case "swap":
            lines[at], lines[at + step] = lines[at + step], lines[at]
            number += step
        case "price":
            cells[4] = "0.01"
        case "shift":
            cells[2] = str(int(cells[2]) + 1000)
        case "close":
            cells[8] = str(int(cells[8]) + 1)
        case "float":
            cells[7] = "12.300000000000001"
        case "exponent":
            cells[7] = "9.8e-07"
    if how in ("price", "shift", "close", "float", "exponent"):
        lines[at] = ",".join(cells)
    return lines, number


@shared_folder
@given(
    st.sampled_from([*DAMAGES]),
    st.integers(10, 60),
    st.data(),
    st.sampled_from([(1, 1 << 30), (2, 700), (2, 3_000)]),
)
def test_exactly_the_damage_is_named(write, how, minutes, data, way):
    lines = lines_of(minutes)
    at = data.draw(st.integers(len(STREAMS), len(lines) - len(STREAMS) - 1))
    lines, number = damaged(lines, at, how)
    report = checked(write(content(lines)), jobs=way[0], size=way[1])
    kind, candles = DAMAGES[how]
    assert found(report) == [(kind, number, candles)]
    assert report.counts == Counter({kind: 1})
    assert report.whole == (kind is Kind.FLOAT)


@shared_folder
@given(
    st.lists(st.tuples(st.sampled_from([*DAMAGES]), st.integers(2, 70)), max_size=6),
    st.lists(st.tuples(st.integers(0, 70), st.binary(max_size=5)), max_size=3),
    st.integers(200, 4_000),
    st.sampled_from([b"", b"\0\0\0", b"BTCUSDT,1m,16"]),
)
def test_ranges_and_processes_say_the_same_as_one(write, damages, junk, size, tail):
    lines = lines_of(40)
    for how, at in damages:
        if at + len(STREAMS) < len(lines):
            lines, _ = damaged(lines, at, how)
    raw = [line.encode() for line in lines]
    for at, bytes_ in junk:
        raw.insert(min(at, len(raw)), bytes_)
    path = write(csv.HEADER + b"\n".join(raw) + b"\n" + tail)
    one = checked(path)
    many = checked(path, jobs=2, size=size)
    assert many.findings == one.findings
    assert many.counts == one.counts
    assert many.streams == one.streams


def test_a_double_tells_whether_its_values_differ(write):
    lines = lines_of(5, streams=STREAMS[:1])
    other = lines[1].split(",")
    other[7] = "77"
    same = lines[0].split(",")
    same[7] += "000" if "." in same[7] else ".000"
    path = write(content([*lines, ",".join(same), ",".join(other), lines[2]]))
    (report,) = [checked(path)]
    (double,) = report.findings
    assert (double.kind, double.candles, double.differing) == (Kind.DOUBLE, 3, 1)


def test_many_doubles_are_not_compared(write, monkeypatch):
    monkeypatch.setattr(survey_module, "COMPARED", 3)
    lines = lines_of(5, streams=STREAMS[:1])
    (double,) = checked(write(content([*lines, *lines]))).findings
    assert (double.candles, double.differing) == (5, None)


@pytest.mark.parametrize(
    ("tail", "kind", "text"),
    [
        (b"BTCUSDT,1m,1672", Kind.TORN, "a torn last line of 15 bytes"),
        (b"\0" * 7, Kind.TORN, "7 NUL bytes at the end"),
        (b"BTC\0\0", Kind.TORN, "a torn last line, then 2 NUL bytes at the end"),
        (b"\0" * 300_000, Kind.TORN, "300,000 NUL bytes at the end"),
        (b"symbol,inter", Kind.TORN, "a torn last line of 12 bytes"),
    ],
)
def test_a_torn_end(write, tail, kind, text):
    report = checked(write(content(lines_of(3)) + tail))
    (finding,) = report.findings
    assert (finding.kind, finding.at[1], finding.text) == (kind, 8, text)
    assert not report.whole


def test_a_last_line_without_a_break_is_a_note(write):
    report = checked(write(content(lines_of(3))[:-1]))
    assert found(report) == [(Kind.NO_BREAK, 7, 1)]
    assert (report.whole, report.rows) == (True, 6)


@pytest.mark.parametrize("data", [b"", b"\n \n", csv.HEADER, b"\xef\xbb\xbf"])
def test_an_empty_file_is_whole(write, data):
    report = checked(write(data))
    assert (report.findings, report.rows, report.unreadable) == ([], 0, [])


def test_a_file_that_was_killed_in_its_header_is_torn(write):
    report = checked(write(csv.HEADER[:20]))
    assert found(report) == [(Kind.TORN, 1, 1)]
    assert found(checked(write(b"\0" * 9))) == [(Kind.TORN, 1, 1)]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_torn_frame(write, suffix):
    container = container_of(f"m.csv{suffix}")[0]
    first, second = (content(lines_of(5)), content(lines_of(9)[10:]))
    data = container.pack(first) + container.pack(second)[:-5]
    report = checked(write(data, f"m.csv{suffix}"))
    (finding,) = report.findings
    assert (finding.kind, report.rows) == (Kind.TORN, 10)
    assert "is torn" in finding.text


def test_lines_that_are_no_records(write):
    lines = lines_of(6)
    lines.insert(3, "hello")
    lines.insert(5, "")
    lines.insert(7, "x" * 70_000)
    report = checked(write(content(lines)))
    assert found(report) == [(Kind.NO_RECORD, 5, 1), (Kind.NO_RECORD, 9, 1)]
    assert report.rows == 12


def test_forming_candles_are_counted(write):
    forming = candle(START, stream=STREAMS[0], closed=False)
    lines = [csv.line(forming).rstrip("\n"), *lines_of(4)]
    report = checked(write(content(lines)))
    assert (found(report), report.whole) == ([], True)
    assert report.counts == Counter({Kind.FORMING: 1})


def dump_of(path: Path, day: int, minutes=range(1440)) -> Path:
    rows = [
        csv.line(candle(START + (day * 1440 + n) * MINUTE)).split(",") for n in minutes
    ]
    text = "".join(",".join([*row[2:13], "0"]) + "\n" for row in rows)
    name = f"BTCUSDT-1m-2023-01-{day + 1:02}"
    with zipfile.ZipFile(path / f"{name}.zip", "w") as archive:
        archive.writestr(f"{name}.csv", text)
    return path / f"{name}.zip"


def test_the_days_of_a_stream_are_checked_as_one(tmp_path):
    paths = [dump_of(tmp_path, day) for day in (2, 0, 1)]
    report = checked(*paths)
    (stream,) = report.streams
    assert (report.findings, report.rows) == ([], 3 * 1440)
    assert stream.chain.name.endswith("01.zip to BTCUSDT-1m-2023-01-03.zip (3 files)")
    report = checked(paths[0], paths[1])
    (hole,) = report.findings
    assert (hole.kind, hole.candles) == (Kind.HOLE, 1440)
    assert hole.at == (0, 1)


def test_a_day_that_lacks_its_end_is_a_hole_at_the_seam(tmp_path):
    paths = [dump_of(tmp_path, 0, range(1400)), dump_of(tmp_path, 1)]
    (hole,) = checked(*paths, jobs=2).findings
    assert (hole.kind, hole.candles, hole.at) == (Kind.HOLE, 40, (1, 1))


def test_other_files_are_checked_each_on_its_own(write):
    lines = content(lines_of(5))
    report = checked(write(lines, "a.csv"), write(lines, "b.csv"))
    assert (report.findings, len(report.streams)) == ([], 4)


def test_names_alike_up_to_a_date():
    paths = ["x/all-2026-11-25.csv", "b.csv", "all-2026-11-24.csv.zst", "b.csv"]
    assert [chain.files for chain in chains(paths)] == [(2, 0), (1,), (3,)]


def test_only_large_plain_files_are_cut(write):
    data = content(lines_of(50))
    path = write(data)
    pieces = pieces_of(str(path), 0, 2, 1_000)
    assert [piece.start for piece in pieces] == [*range(0, len(data), 1_000)]
    assert len(pieces_of(str(path), 0, 1, 1_000)) == 1
    assert len(pieces_of(str(write(gzip.compress(data * 90))), 0, 2, 100)) == 1
    assert len(pieces_of("/nowhere", 0, 2, 100)) == 1


def test_a_file_that_cannot_be_read_stops_no_other(write, tmp_path):
    good = write(content(lines_of(5)))
    report = checked(tmp_path / "absent", good, write(b"hello\n", "x.csv"))
    assert report.rows == 10
    assert [text.partition(": ")[2][:12] for text in report.unreadable] == [
        "No such file",
        "no candles i",
    ]


def test_stdin(monkeypatch, write):
    data = content([*lines_of(5), *lines_of(1)])
    stdin = io.TextIOWrapper(io.BytesIO(data))
    monkeypatch.setattr(sys, "stdin", stdin)
    report = checked("-")
    assert [each.differing for each in report.findings] == [None, None]
    assert report.rows == 12


def test_only_the_asked_range_is_checked(write):
    lines = lines_of(20, streams=STREAMS[:1])
    del lines[15]
    del lines[3]
    path = write(content(lines))
    since, until = START + 5 * MINUTE, START + 12 * MINUTE
    report = checked(path, since=since, until=until)
    assert (report.findings, report.rows) == ([], 7)
    assert report.streams[0].verdict.first == since
    assert len(checked(path, since=since).findings) == 1


FOREIGN = {"open_time": "ts", "open": "o", "high": "h", "low": "l", "close": "c"}


@pytest.mark.parametrize("unit", ["ms", "s", "us", "iso"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_csv_of_another_program(write, unit, separator):
    def time(n):
        ms = START + n * MINUTE
        clock = f"2023-01-01 {n // 60:02}:{n % 60:02}:00"
        return {"ms": ms, "s": ms // 1000, "us": ms * 1000, "iso": clock}[unit]

    rows = [[time(n), 10, 12.5, 9, 11, "x"] for n in range(100) if n not in (4, 5)]
    rows[50][2] = 1
    rows[60][0], rows[61][0] = rows[61][0], rows[60][0]
    text = "\n".join(
        separator.join(map(str, row)) for row in [["ts", *"ohlc", "note"], *rows]
    )
    path = write(f"{text}\n".encode(), "x.csv")
    report = checked(path, columns=FOREIGN, symbol="BTCUSDT", interval=Interval.M1)
    assert report.unreadable == []
    assert found(report) == [
        (Kind.HOLE, 6, 2),
        (Kind.PRICES, 52, 1),
        (Kind.DISORDER, 63, 1),
    ]
    without = checked(path, columns=FOREIGN)
    assert "nothing tells the symbol" in without.unreadable[0]


def test_a_dump_whose_name_tells_nothing(tmp_path, write):
    rows = [csv.line(candle(START + n * MINUTE)).split(",") for n in range(3)]
    text = "".join(",".join([*row[2:13], "0"]) + "\n" for row in rows)
    path = write(text.encode(), "x.csv")
    assert "or give --symbol and --interval" in checked(path).unreadable[0]
    report = checked(path, symbol="ETHUSDT", interval=Interval.M1)
    assert (report.rows, report.findings) == (3, [])


def test_damaged_copies_of_the_exchange_s_days(shared_data, tmp_path):
    for source in sorted((shared_data / "rest_klines").iterdir()):
        lines = source.read_bytes().splitlines(keepends=True)
        name = source.name
        (tmp_path / name).write_bytes(b"".join(lines))
        report = checked(tmp_path / name)
        assert found(report) == [], name
        assert report.rows == len(lines) - 1
        del lines[500:503]
        lines.insert(700, lines[699])
        lines[900], lines[901] = lines[901], lines[900]
        cells = lines[1000].split(b",")
        cells[2], cells[3] = b"1", b"99999999"
        lines[1000] = b",".join(cells)
        (tmp_path / name).write_bytes(b"".join(lines)[:-30])
        report = checked(tmp_path / name)
        assert found(report) == [
            (Kind.HOLE, 501, 3),
            (Kind.DOUBLE, 701, 1),
            (Kind.DISORDER, 902, 1),
            (Kind.PRICES, 1001, 1),
            (Kind.TORN, len(lines), 1),
        ], name
        assert [each.differing for each in report.findings] == [
            *(None, 0, None, None, None)
        ]
