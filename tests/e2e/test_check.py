"""`klinetail check`: exit codes, pipes, terminals, several processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pexpect
import pytest

from klinetail.formats import csv
from tests.e2e.conftest import DEADLINE, KLINETAIL, environment
from tests.e2e.processes import run
from tests.strategies import candle

START = 1_672_531_200_000
LINES = [csv.line(candle(START + n * 60_000)) for n in range(200)]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_bytes(csv.HEADER + "".join(LINES).encode())
    return path


@pytest.fixture
def holed(tmp_path: Path) -> Path:
    path = tmp_path / "h.csv"
    lines = [*LINES[:50], *LINES[60:]]
    path.write_bytes(csv.HEADER + "".join(lines).encode())
    return path


def test_a_whole_recording_ends_with_0(whole: Path) -> None:
    done = run("check", str(whole))
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == (
        f"{whole}: btcusdt@1m 200 candles, 2023-01-01T00:00Z to 2023-01-01T03:19Z:"
        " whole\n"
    )
    said = "klinetail: checked 1 file, 200 candles, 1 stream: no fault\n"
    assert done.stderr.decode() == said


def test_a_fault_ends_with_4_in_json_too(whole: Path, holed: Path) -> None:
    done = run("check", str(whole), str(holed), "--json", "--jobs", "2")
    assert done.returncode == 4, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [line["type"] for line in lines]
    assert kinds == ["stream", "stream", "fault", "summary"]
    assert (lines[2]["kind"], lines[2]["line"], lines[2]["candles"]) == ("hole", 52, 10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/nowhere.csv"], "klinetail: /nowhere.csv: No such file"),
        (["x.csv", "--columns", "time=t"], "klinetail: --columns: there is no key"),
        (["x.csv", "--interval", "7m"], "klinetail: there is no interval '7m'"),
        (["x.csv", "--since", "soon"], "klinetail: --since cannot be 'soon'"),
        (
            ["x.csv", "--since", "1d", "--until", "2d"],
            "klinetail: --since is not before",
        ),
        (
            ["x.csv", "--tf", "1m"],
            "klinetail: klinetail check has no option --tf; --int",
        ),
    ],
)
def test_unreadable_input_and_usage_end_with_2(words: list[str], said: str) -> None:
    done = run("check", *words)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(said)


def test_stdin_in_a_pipe(holed: Path) -> None:
    done = subprocess.run(
        [*KLINETAIL, "check", "-"],
        input=holed.read_bytes(),
        capture_output=True,
        env=environment(),
        timeout=DEADLINE,
    )
    assert done.returncode == 4
    assert b"stdin:52: btcusdt@1m: 10 candles missing" in done.stdout


def test_a_table_on_a_terminal(holed: Path) -> None:
    command, *arguments = [*KLINETAIL, "check", str(holed)]
    terminal = pexpect.spawn(
        command,
        arguments,
        env=environment(),
        encoding="utf-8",
        timeout=DEADLINE,
        dimensions=(40, 150),
    )
    terminal.expect("h.csv")
    terminal.expect("STREAM")
    terminal.expect("btcusdt@1m .* 190 +1 hole")
    terminal.expect("h.csv:52: btcusdt@1m: 10 candles missing")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 4
