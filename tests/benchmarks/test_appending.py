"""Recordings are measured as they are written and read."""

from __future__ import annotations

from benchmarks import appending
from klinetail.formats import csv


def test_each_row_is_measured() -> None:
    rows = [*appending.measure_append(3), *appending.measure_resume(1, 50)]
    named = " | ".join(str(row["what"]) for row in rows)
    for what in ("klinetail, .csv", ".csv.zst", "SQLite", "absent", "50 files"):
        assert what in named
    times = [row["p50_ms"] for row in rows]
    assert all(isinstance(time, float) and time > 0 for time in times)


def test_the_candles_are_sound() -> None:
    for number in (0, 7_000):
        for one in appending.minute(number):
            assert csv.decode(csv.line(one).encode()).texts == one.texts
