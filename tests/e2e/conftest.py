"""`klinetail` as a process: how the end-to-end tests run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from klinetail.sim.admission import Admission
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic

KLINETAIL = [sys.executable, "-m", "klinetail"]
DEADLINE = 60
ELSEWHERE = "exchange.example"
"""A name of this machine that only the tests' proxies know."""
START = 1_760_000_000_000 - 1_760_000_000_000 % 60_000 + 32_000
"""In a minute: the last closed candle is old enough to be believed, and a test has 28 s
of the exchange's time before the next one closes."""


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what would steer klinetail."""
    drop = ("KLINETAIL_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    return {**kept, "TERM": "xterm-256color", "PYTHONWARNINGS": "default", **changes}


def urls(server: Server) -> list[str]:
    """The options that point at a server."""
    port = server.port
    return [
        *("--ws-url", f"ws://127.0.0.1:{port}/market"),
        *("--rest-url", f"http://127.0.0.1:{port}"),
    ]


@pytest.fixture
def exchange() -> Iterator[Server]:
    """A synthetic market at the pace of real time."""
    admission = Admission.of([ELSEWHERE], [])
    with Server(Synthetic(seed=3, start=START), admission=admission) as server:
        yield server


@pytest.fixture
def fast_exchange() -> Iterator[Server]:
    """A synthetic market, 300 times faster than real time."""
    with Server(Synthetic(seed=3, start=START), speed=300) as server:
        yield server


@pytest.fixture
def popen() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `klinetail`; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *arguments: str, env: dict[str, str] | None = None, **options: object
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*KLINETAIL, *arguments],
            env=environment(**(env or {})),
            **{
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "stdin": subprocess.DEVNULL,
                **options,
            },
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
