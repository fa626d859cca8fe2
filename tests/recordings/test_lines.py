"""The lines of a file, whole or in ranges: each line once."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klinetail.errors import BadRecording
from klinetail.formats import csv
from klinetail.recordings.lines import Asked, Lines, Piece, decoders_of
from tests.strategies import candle

START = 1_672_531_200_000
LINES = [csv.line(candle(START + n * 60_000)).encode() for n in range(20)]

shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def lines_in(piece: Piece) -> Iterator[tuple[int, bytes]]:
    lines = Lines(piece, Asked())
    for block in lines.blocks():
        yield from enumerate(block.split(b"\n"), lines.number)
    if lines.tail:
        yield lines.number, lines.tail


@shared_folder
@given(st.lists(st.integers(0, 3_000), max_size=5), st.booleans(), st.integers(0, 9))
def test_ranges_have_each_line_once(tmp_path, cuts, ends, blank):
    text = b"\n" * blank + csv.HEADER + b"".join(LINES)
    path = tmp_path / "m.csv"
    path.write_bytes(text if ends else text[:-1])
    size = path.stat().st_size
    bounds = [0, *sorted(min(cut, size) for cut in cuts), size]
    found = []
    for start, end in pairwise(bounds):
        found += [line for _, line in lines_in(Piece(str(path), 0, start, end))]
    assert b"\n".join(found) == text[:-1]
    whole = [*lines_in(Piece(str(path), 0))]
    assert [number for number, _ in whole] == [*range(1, len(whole) + 1)]


def test_an_unknown_format_names_the_way_out():
    with pytest.raises(BadRecording, match="--columns open_time=NAME,open=NAME"):
        decoders_of(b"ts,o,h,l,c", "x.csv", Asked())
