"""A new format is one file and one line: then `-o`, `--out`, `serve` and `read` know it
and say so; each in a process of its own."""

import subprocess
import sys

import pytest

from klinetail.formats import csv
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import DEADLINE, START, environment, urls
from tests.formats.tsv import Tsv

TSV = Tsv()


def run(*arguments, module="tests.formats.tsv", **options):
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=environment(COLUMNS="200"),
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
        check=False,
        **{"stdout": subprocess.PIPE, **options},
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A file that was recorded to beside stdout in the same format; and the same
    candles as CSV."""
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    with Server(Synthetic(seed=3, start=START)) as server:
        beside = ["--out", path, "--out", path.with_suffix(".csv")]
        words = ["watch", "btcusdt", "-n", "5", "-c", "5", *beside, *urls(server)]
        done = run(*words, "-o", "tsv")
        assert done.returncode == 0, done.stderr
        assert done.stdout == path.read_bytes()
        with path.open("ab") as stdout:
            words = ["watch", "ethusdt", "-n", "1", "-c", "1", *urls(server)]
            refused = run(*words, "-o", "csv", stdout=stdout)
            done = run(*words, "-o", "tsv", stdout=stdout)
    assert done.returncode == 0, done.stderr
    assert refused.returncode == 2
    assert b"candles in another format than csv" in refused.stderr
    return path


def test_output_and_out_write_it(recorded):
    header, *lines = recorded.read_bytes().splitlines(keepends=True)
    assert header == TSV.HEADER
    assert len(lines) == 6, "what is appended to has its header"
    decode = TSV.decoder(None)
    found = [decode(line) for line in lines]
    assert csv.HEADER + csv.encode(found[:5]) == (
        recorded.with_suffix(".csv").read_bytes()
    )
    assert found[5].symbol == "ETHUSDT"


def test_read_and_serve_read_it(recorded):
    program = (
        "import sys; from klinetail.formats.registry import FORMATS;"
        "from tests.formats.tsv import Tsv; FORMATS.add('tsv', Tsv());"
        "from klinetail.formats import csv; from klinetail.recordings.read import read;"
        "sys.stdout.buffer.write(csv.encode([*read(sys.argv[1])][:5]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, recorded],
        capture_output=True,
        timeout=DEADLINE,
        check=True,
    )
    assert csv.HEADER + done.stdout == recorded.with_suffix(".csv").read_bytes()

    done = run("serve", recorded, "--port", "0", "--speed", "600")
    assert done.returncode == 0, done.stderr
    assert b"recordings of BTCUSDT" in done.stderr
    assert b"the recordings have ended" in done.stderr


def test_help_and_refusals_name_it(recorded, tmp_path):
    said = " ".join(run("watch", "-h").stdout.decode().split())
    assert "table|jsonl|csv|tsv|plain" in said
    assert "(.jsonl, .csv or .tsv)" in said
    said = " ".join(run("serve", "-h").stdout.decode().split())
    assert "(.jsonl, .csv, .tsv)" in said

    (tmp_path / "log").write_bytes(b"hello\n")
    for words, refusal in (
        (
            ["watch", "btcusdt", "-o", "xml"],
            "the values are table, jsonl, csv, tsv, plain",
        ),
        (
            ["watch", "btcusdt", "-o", "table"],
            "use -o plain, -o jsonl, -o csv or -o tsv",
        ),
        (
            ["watch", "btcusdt", "--out", "a.x"],
            "a.x: name it .jsonl, .csv or .tsv, the",
        ),
        (["watch", "btcusdt", "--format", "tsv"], "is table, jsonl, csv, tsv or plain"),
        (["watch", "btcusdt", "--save", "a"], "its suffix, .jsonl, .csv or .tsv, is"),
        (["watch", "btcusdt", "--stats", recorded], "the file holds candles"),
        (["serve", tmp_path / "log"], "a known format (jsonl, csv, tsv, dump)"),
    ):
        done = run(*words)
        assert refusal in done.stderr.decode()
        assert done.returncode == 2


def test_without_that_line_nothing_knows_it(recorded):
    done = run("serve", recorded, module="klinetail")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"a known format (jsonl, csv, dump)" in done.stderr
    done = run("watch", "btcusdt", "-o", "tsv", module="klinetail")
    assert b"did you mean csv" in done.stderr
