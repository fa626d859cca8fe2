"""What a run of `klinetail` wrote, and how it ended."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from klinetail.candle import Candle
from klinetail.formats import jsonl
from klinetail.sim.server import Server
from tests.e2e.conftest import DEADLINE, KLINETAIL, environment

Popen = Callable[..., subprocess.Popen[bytes]]


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*KLINETAIL, *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=False,
        env=environment(**env),
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Its exit code and stderr, after it ended."""
    _, err = process.communicate(timeout=DEADLINE)
    return process.returncode, err.decode()


def candles(data: bytes) -> list[Candle]:
    return [jsonl.decode(line) for line in data.splitlines(keepends=True)]


def check_whole(server: Server, got: list[Candle]) -> None:
    """Every stream's candles are the exchange's own, in order, each once."""
    for stream in {c.stream for c in got}:
        mine = [c for c in got if c.stream == stream]
        truth = server.market.klines(
            stream, mine[0].open_time, None, len(mine), now=server.now()
        )
        assert [c.open_time for c in mine] == [c.open_time for c in truth]
        assert [(c.texts, c.count) for c in mine] == [(c.texts, c.count) for c in truth]


def read_lines(process: subprocess.Popen[bytes], count: int) -> list[bytes]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


def wait_for_line(process: subprocess.Popen[bytes], words: str) -> str:
    """The first line of stderr with these words."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line.decode():
            return line.decode()
    pytest.fail(f"never said {words!r}")
