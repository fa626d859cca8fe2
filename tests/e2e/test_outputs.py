"""Where a run's outputs lead to: never to the same file, nor over somebody else's."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from klinetail.formats import csv, jsonl
from klinetail.sim.server import Server
from tests.e2e.conftest import DEADLINE, KLINETAIL, environment, urls
from tests.e2e.processes import candles, ended, wait_for_line
from tests.sinks.pipes import candles as some

Popen = Callable[..., subprocess.Popen[bytes]]
NOWHERE = ["--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"]


def shell(words: str, folder: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    """What a person would type, in a folder."""
    command = " ".join([*KLINETAIL, words.format(urls=shlex.join(more))])
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        env=environment(PYTHONPATH=str(Path(__file__).parents[2])),
    )


def watch(words: str, folder: Path, server: Server) -> subprocess.CompletedProcess:
    wanted = f"watch btcusdt -n 2 --no-follow {{urls}} {words}"
    return shell(wanted, folder, *urls(server))


def test_a_file_that_was_replaced_is_not_removed(popen: Popen, tmp_path: Path) -> None:
    """Moved away before the first candle, as a log rotation does, and replaced."""
    out, stats = tmp_path / "a.csv", tmp_path / "stats.json"
    outputs = ["--out", str(out), "--stats", str(stats)]
    process = popen("watch", "btcusdt", *outputs, *NOWHERE)
    wait_for_line(process, "trying again")
    for path in (out, stats):
        path.rename(f"{path}.1")
        path.write_bytes(b"somebody's\n")
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 0, said
    assert out.read_bytes() == stats.read_bytes() == b"somebody's\n"
    assert Path(f"{out}.1").read_bytes() == csv.HEADER
    assert json.loads(Path(f"{stats}.1").read_bytes())["closed"] == 0


def test_a_file_made_for_nothing_is_removed(popen: Popen, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    process = popen("watch", "*usdt", "--out", str(out), *NOWHERE)
    wait_for_line(process, "trying again")
    assert out.read_bytes() == csv.HEADER, "it is opened before the exchange is asked"
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 0, said
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        "--out a.csv >a.csv",
        "--out a.csv -o csv >>hard",
        "--out a.csv --out soft.csv",
        "--out a.csv --out a.csv",
        "--out a.csv --stats hard",
        "--out a.csv 2>>hard",
        "--stats /dev/stdout >>hard",
        "--stats hard 2>>a.csv",
        "@names --stats ./names",
        "--out new.csv --stats ./new.csv",
    ],
)
def test_outputs_that_lead_to_the_same_file_are_refused(
    words: str, exchange: Server, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").touch()
    os.link(tmp_path / "a.csv", tmp_path / "hard")
    (tmp_path / "soft.csv").symlink_to("a.csv")
    (tmp_path / "names").write_text("ethusdt\n")
    done = watch(words, tmp_path, exchange)
    assert done.returncode == 2, done.stderr
    said = done.stderr or (tmp_path / "hard").read_bytes()
    assert said.startswith(b"klinetail: --"), said
    assert b" is the same file as " in said
    assert said.count(b"\n") == 1
    assert (tmp_path / "names").read_text() == "ethusdt\n"
    assert not (tmp_path / "new.csv").exists()


def test_what_is_no_file_of_data_may_be_shared(
    exchange: Server, tmp_path: Path
) -> None:
    done = watch("--stats /dev/null >/dev/null", tmp_path, exchange)
    assert done.returncode == 0, done.stderr
    done = watch(">log 2>&1 && cat log", tmp_path, exchange)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines(keepends=True)
    start, receipt = (line for line in lines if line.startswith(b"klinetail: "))
    assert start.startswith(b"klinetail: fetching the last 2 closed candles")
    assert receipt.startswith(b"klinetail: 2 candles")
    assert receipt == lines[-1]
    assert len(candles(b"".join(line for line in lines if line[:1] == b"{"))) == 2
    again = watch(">>log 2>&1", tmp_path, exchange)
    assert again.returncode == 0
    assert (tmp_path / "log").read_bytes().count(b"\n") == 8


def test_lines_are_appended_only_to_what_they_continue(
    exchange: Server, tmp_path: Path
) -> None:
    for words in ("-o csv >a", "-o csv >>a"):
        done = watch(words, tmp_path, exchange)
        assert done.returncode == 0, done.stderr
    whole = (tmp_path / "a").read_bytes()
    header, *lines = whole.splitlines(keepends=True)
    assert header == csv.HEADER
    assert len([csv.decode(line) for line in lines]) == 4, "there is one header"
    (tmp_path / "b.jsonl").write_bytes(whole)
    for words in ("-o jsonl >>a", "--out b.jsonl >/dev/null"):
        done = watch(words, tmp_path, exchange)
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
    assert (tmp_path / "a").read_bytes() == whole
    assert (tmp_path / "b.jsonl").read_bytes() == whole


def test_notices_of_a_closed_stderr_get_into_no_file(
    exchange: Server, tmp_path: Path
) -> None:
    """A descriptor that is closed is the number that the next file gets."""
    words = "--out a.jsonl --stats stats.json -v <&- 2>&-"
    done = watch(words, tmp_path, exchange)
    assert done.returncode == 0
    assert (tmp_path / "a.jsonl").read_bytes() == done.stdout
    assert len(candles(done.stdout)) == 2
    assert json.loads((tmp_path / "stats.json").read_bytes())["closed"] == 2


def test_a_ledger_replaces_nothing_but_a_ledger(
    exchange: Server, tmp_path: Path
) -> None:
    recording = tmp_path / "a.jsonl"
    recording.write_bytes(jsonl.encode(some(10)))
    os.link(recording, tmp_path / "hard")
    done = shell("serve a.jsonl --port 0 --ledger hard", tmp_path)
    assert done.returncode == 2
    assert b"--ledger hard is the same file as a.jsonl" in done.stderr
    done = shell(f"serve --port {exchange.port} --ledger hard", tmp_path)
    assert done.returncode == 2
    assert b"cannot listen" in done.stderr
    assert recording.read_bytes() == jsonl.encode(some(10))
