"""Whatever the lines of a file hold, a scan says it and goes on."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klinetail.formats import csv
from klinetail.recordings.lines import Asked, Piece
from klinetail.recordings.scan import scan, values_of
from tests.strategies import candle

START = 1_672_531_200_000
LINES = [csv.line(candle(START + n * 60_000)).encode() for n in range(20)]

shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@shared_folder
@given(st.binary(max_size=300), st.booleans())
def test_junk_raises_nothing(tmp_path, junk, begun):
    path = tmp_path / "m.csv"
    path.write_bytes((csv.HEADER + b"".join(LINES[:2]) if begun else b"") + junk)
    part = scan(Piece(str(path), 0), Asked())
    assert (part.unreadable is None) or not begun
    assert sum(part.counts.values()) <= junk.count(b"\n") + 2


def test_a_line_of_megabytes_is_one_line(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(csv.HEADER + LINES[0] + b"x" * 3_000_000 + b"\n" + LINES[1])
    part = scan(Piece(str(path), 0), Asked())
    assert [(each.at[1], each.text) for each in part.findings] == [
        (3, "no record: longer than 65536 bytes")
    ]
    assert part.lines == 4


def test_the_values_of_wanted_candles_are_found(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(csv.HEADER + b"".join([*LINES, LINES[3]]))
    stream = candle().stream
    wanted = {stream: {START + 3 * 60_000, START + 99 * 60_000}}
    found = values_of(Piece(str(path), 0), Asked(), wanted)
    assert [each[:2] for each in found] == [(stream, START + 3 * 60_000)] * 2
    assert len({each[2] for each in found}) == 1
