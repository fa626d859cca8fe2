"""A short run of everything that klinetail is measured by, as a user would start it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import FIGURES
from benchmarks.exchange import flood_feed
from benchmarks.report import TITLES
from benchmarks.speed import Truth, check
from klinetail.formats import jsonl

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 150


def measured(*arguments):
    """The lines of JSON of a run."""
    command = [sys.executable, "-m", "benchmarks", "--quick", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("figure", ["speed", "speed-tls"])
def test_a_flood_comes_out_whole(figure):
    versions, line = measured(figure, "--only", "klinetail")
    assert versions["python"]
    assert line["contestant"] == "klinetail"
    assert line["all_lines"]
    assert line["in_order"]
    assert line["equal"]
    assert line["cpu_us"] > 0


def test_every_paced_frame_is_traced():
    _, line = measured("lag", "--only", "klinetail", "--seconds", "3")
    assert line["missing"] == 0
    assert 0 < line["p50_ms"] <= line["p99_ms"] <= line["p999_ms"]


def test_the_first_line_is_waited_for():
    _, line = measured("start")
    assert line["n10_ms"] > 0
    assert line["bare_ms"] > 0


def test_every_figure_has_a_title():
    assert set(FIGURES) == set(TITLES)


def test_a_line_that_lacks_is_noticed(tmp_path):
    feed = flood_feed(15)
    lines = [jsonl.encode([candle]) for candle in feed.candles(50)]
    truth = Truth(feed, {50})
    path = tmp_path / "lines"
    path.write_bytes(b"".join(lines))
    assert check(path, 50) == (50, True)
    assert truth.equals(path, 50)
    path.write_bytes(b"".join(lines).replace(b'"closed":false', b'"closed":true', 1))
    assert not truth.equals(path, 50)
    del lines[7]
    path.write_bytes(b"".join(lines))
    assert check(path, 50) == (49, False)
