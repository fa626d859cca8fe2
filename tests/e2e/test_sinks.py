"""Sinks of other people's packages, in whole runs over the embedded exchange."""

import contextlib
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from klinetail.formats import jsonl
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import DEADLINE, KLINETAIL, START, environment, urls
from tests.sinks import toy
from tests.sinks.packages import install

README_S = Path(__file__).parents[1] / "typing" / "sink.py"
"""The sink in README."""
MINUTE = 60_000
ABSENT = START - START % MINUTE - 7 * MINUTE


class Lacking(Synthetic):
    """A market one of whose rows is never there."""

    def klines(self, stream, start=None, end=None, limit=500, *, now):
        more = limit + (start is not None)
        rows = super().klines(stream, start, end, more, now=now)
        return [row for row in rows if row.open_time != ABSENT][:limit]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment in which a package with the toy sink is installed."""
    source = Path(toy.__file__).read_text()
    broken = source.replace("self.written += ", "self.nothing += ")
    folder = install(
        tmp_path_factory.mktemp("package"),
        "klinetail-toy",
        {
            "klinetail_toy.py": source,
            "klinetail_toy_broken.py": broken,
            "my_package.py": README_S.read_text(),
        },
        {
            "toy": "klinetail_toy:Toy",
            ".toy": "klinetail_toy:Toy",
            "toy-broken": "klinetail_toy_broken:Toy",
            "sqlite": "my_package:Sqlite",
        },
    )
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(folder), *([before] if before else [])])
    return environment(PYTHONPATH=path)


def watch(*arguments, env):
    return subprocess.run(
        [*KLINETAIL, "watch", *map(str, arguments)],
        env=env,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )


def test_a_sink_of_a_package_gets_candles_and_gaps(installed, tmp_path):
    by_scheme, by_suffix = tmp_path / "a", tmp_path / "b.toy"
    words = ["btcusdt", "-n", "9", "--no-follow", "--hold", "0"]
    with Server(Lacking(seed=3, start=START)) as server:
        outs = ["--out", f"toy:{by_scheme}", "--out", by_suffix]
        done = watch(*words, *outs, *urls(server), env=installed)
    assert done.returncode == 0, done.stderr
    opens = [jsonl.decode(line).open_time for line in done.stdout.splitlines()]
    assert len(opens) == 8
    lines = [f"candle {time}" for time in opens]
    at = next(n for n, time in enumerate(opens) if time > ABSENT)
    lines.insert(at, f"gap {ABSENT} {ABSENT + MINUTE}")
    assert by_scheme.read_text().splitlines() == ["opened", *lines, "closed"]
    assert by_suffix.read_text() == by_scheme.read_text()
    assert done.stderr.count(b", wrote toy (8)") == 2


def test_the_sink_in_readme_works(installed, tmp_path):
    path = tmp_path / "a.db"
    words = ["btcusdt", "-n", "9", "--no-follow", "--hold", "0"]
    with Server(Lacking(seed=3, start=START)) as server:
        outs = ["--out", f"sqlite:{path}"]
        done = watch(*words, *outs, *urls(server), env=installed)
    assert done.returncode == 0, done.stderr
    candles = [jsonl.decode(line) for line in done.stdout.splitlines()]
    rows = [(one.close_time, one.close_text) for one in candles]
    why = "gap: the exchange has no row for the candle"
    with contextlib.closing(sqlite3.connect(path)) as base:
        wanted = sorted([*rows, (ABSENT, why)])
        found = base.execute("SELECT time, what FROM record ORDER BY time")
        assert found.fetchall() == wanted
    assert f"wrote sqlite:{path} (9)".encode() in done.stderr


def test_one_that_breaks_ends_alone(installed, tmp_path):
    """The other outputs get everything; the exit code tells."""
    beside = tmp_path / "beside.csv"
    outs = ["--out", f"toy-broken:{tmp_path / 'a'}", "--out", beside]
    with Server(Synthetic(seed=3, start=START)) as server:
        words = ["btcusdt", "-n", "5", "--no-follow", *outs, *urls(server)]
        done = watch(*words, env=installed)
    assert done.returncode == 5
    assert b"klinetail: toy: a bug: AttributeError" in done.stderr, done.stderr
    assert len(done.stdout.splitlines()) == 5
    assert len(beside.read_bytes().splitlines()) == 6


def test_what_nothing_takes_is_refused_before_anything_is_opened(installed, tmp_path):
    path = tmp_path / "a.csv"
    for target, words in (
        (
            "redis://u:secret@h",
            b"no sink is installed for it (there is sqlite, toy or toy-broken)",
        ),
        ("a.parquet", b"name it .jsonl, .csv or .toy, the suffix tells the format"),
    ):
        done = watch("btcusdt", "--out", path, "--out", target, env=installed)
        assert done.returncode == 2
        assert words in done.stderr
        assert b"secret" not in done.stderr
        assert not path.exists()


def test_stopping_writes_all_to_it(installed, popen, exchange, tmp_path):
    path = tmp_path / "a"
    process = popen(
        *["watch", "btcusdt", "-n", "3", "--out", f"toy:{path}", *urls(exchange)],
        env={"PYTHONPATH": installed["PYTHONPATH"]},
    )
    for _ in range(3):
        assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    lines = path.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["opened", *["candle"] * 3, "closed"]
