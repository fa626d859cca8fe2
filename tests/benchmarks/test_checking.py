"""The contestants of the check run, and find nothing in the recording that is made."""

import subprocess

import pytest

from benchmarks import rows
from benchmarks.checking import commands, cost
from klinetail.recordings.lines import Asked
from klinetail.recordings.read import read
from klinetail.recordings.survey import survey


def test_the_recording_is_whole_and_the_same_at_every_call(tmp_path):
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path in paths:
        rows.write(path, 1_000, streams=7)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sum(1 for _ in read(paths[0])) == 1_000
    report = survey([str(paths[0])], Asked())
    assert (report.findings, report.rows, len(report.streams)) == ([], 1_000, 7)


@pytest.mark.parametrize("name", ["klinetail", "pandas", "polars"])
def test_each_contestant_finds_nothing(tmp_path, name):
    path = tmp_path / "rows.csv"
    rows.write(path, 2_000)
    command = commands(path)[name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if name != "klinetail":
        assert "2000" in done.stdout
        assert done.stdout.count(": 0") == 6


def test_the_cost_of_a_command_is_its_own(tmp_path):
    path = tmp_path / "rows.csv"
    rows.write(path, 2_000)
    found = cost(commands(path)["klinetail"])
    assert found.cpu > 0
    assert found.wall > 0
    assert found.peak > 5
    with pytest.raises(RuntimeError, match="ended with 2"):
        cost(commands(tmp_path / "absent.csv")["klinetail"])
