"""The table at stdout takes over a terminal, shows the newest candles and figures, and
gives the terminal back. Whole runs of it are in tests/e2e/test_table.py."""

import contextlib
import io
import os
import pty
import termios
import time

import pytest

from klinetail.cli.table import open_table
from klinetail.pipeline.fanout import FanOut, LatestEvents
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.meter import Meter
from tests.cli.plans import plan
from tests.strategies import candle

DEADLINE = 60.0


@pytest.fixture
def terminal():
    """Both ends of a pseudo-terminal of 24 rows, the end of a program as a file."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    os.set_blocking(master, False)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, master)
        yield master, stack.enter_context(os.fdopen(slave, "w"))


def shown(master):
    with contextlib.suppress(BlockingIOError):
        return os.read(master, 1 << 16)
    return b""


def test_it_shows_candles_and_figures_and_gives_the_terminal_back(
    terminal, monkeypatch
):
    monkeypatch.setenv("TERM", "xterm-256color")
    master, stdout = terminal
    latest = Latest(500)
    meter = Meter(FanOut([LatestEvents(latest)]))
    asked = plan(output="table")
    one = candle(prices=("1.10", "1.90", "1.00", "1.55"))
    seen = b""
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.ExitStack() as opened,
    ):
        table, screen = open_table(
            asked, latest, meter, lambda: one.close_time + 1, opened
        )
        assert table.interest() is None
        meter.candles([one])
        until = time.monotonic() + DEADLINE
        while b"1.55" not in seen and time.monotonic() < until:
            table.step(0, time.monotonic())
            seen += shown(master)
        assert b"1.55" in seen
        assert b"the test" in seen
        assert table.done
        assert screen is not None
    seen += shown(master)
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1
