"""A process that is asked to stop does, however early, and whoever reads nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klinetail.sim.server import Server
from tests.e2e.conftest import DEADLINE, KLINETAIL, environment, urls
from tests.e2e.processes import ended
from tests.venue import Answer, Venue

Popen = Callable[..., subprocess.Popen[bytes]]
NOWHERE = ["--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"]
SOON = 15
"""Seconds; 2 s is the promise, and this only tells that from never."""

INTERRUPT = """
import os, sys

class Interrupt:
    left = int(os.environ["INTERRUPT_AT"])

    def find_spec(self, name, path=None, target=None):
        if "klinetail" in sys.modules:
            Interrupt.left -= 1
            if not Interrupt.left:
                os.kill(os.getpid(), int(os.environ["INTERRUPT_BY"]))

sys.meta_path.insert(0, Interrupt())
"""
"""Sends a signal at the n-th import after klinetail's first line was reached."""


@pytest.mark.parametrize(
    ("started", "number", "at", "code"),
    [
        ("script", signal.SIGINT, 1, 0),
        ("module", signal.SIGINT, 1, 0),
        ("script", signal.SIGINT, 150, 0),
        ("module", signal.SIGTERM, 2, 0),
        ("module", signal.SIGHUP, 40, 129),
        ("module", signal.SIGQUIT, 5, 130),
    ],
)
def test_a_signal_at_klinetail_s_first_import_ends_it_in_silence(
    started: str, number: signal.Signals, at: int, code: int, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT)
    script = tmp_path / "klinetail"
    script.write_text("from klinetail.cli import main\nmain()\n")
    root = Path(__file__).parents[2]
    command = [sys.executable, str(script)] if started == "script" else KLINETAIL
    done = subprocess.run(
        [*command, "watch", "btcusdt", *NOWHERE],
        env=environment(
            PYTHONPATH=f"{tmp_path}{os.pathsep}{root}",
            INTERRUPT_AT=str(at),
            INTERRUPT_BY=str(int(number)),
        ),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_what_is_ignored_stays_so(tmp_path: Path) -> None:
    """nohup ignores SIGHUP: such a run goes on after the terminal is gone."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT)
    done = subprocess.run(
        ["bash", "-c", f"trap '' HUP; exec {' '.join(KLINETAIL)} --version"],
        env=environment(
            PYTHONPATH=f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}",
            INTERRUPT_AT="20",
            INTERRUPT_BY=str(int(signal.SIGHUP)),
        ),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"klinetail ")


def test_the_signals_of_a_program_that_uses_the_library_are_its_own() -> None:
    program = """
import signal
numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
before = [signal.getsignal(number) for number in numbers]
import klinetail
klinetail.DataCollector, klinetail.EventBus
import klinetail.cli.app
assert [signal.getsignal(number) for number in numbers] == before
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe that holds all it can."""
    reading, writing = os.pipe()
    os.write(writing, bytes(fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)))
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    """Its exit code, and that it came soon."""
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait(DEADLINE)
    assert time.monotonic() - began < SOON
    return code


def test_a_full_stderr_keeps_no_look_up_from_ending(popen: Popen) -> None:
    """A glob to look up, and the exchange is down, of which nobody wants to hear."""
    with Venue([Answer(503, b"")]) as venue, full_pipe() as (_, full):
        route = ["--ws-url", venue.ws_url, "--rest-url", venue.rest_url]
        process = popen("watch", "*usdt", *route, stderr=full)
        venue.peer().requests.get(timeout=DEADLINE)
        time.sleep(0.5)  # the failure is about to be said, to nobody
        assert stop(process) == 0


@pytest.mark.parametrize(("words", "code"), [(["watch", "-x"], 2), (["--help"], 0)])
def test_a_full_stderr_keeps_no_command_from_ending_by_itself(
    words: list[str], code: int, popen: Popen
) -> None:
    with full_pipe() as (_, full):
        process = popen(*words, stderr=full)
        assert process.wait(DEADLINE) == code


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 129)]
)
def test_a_full_stderr_keeps_no_server_from_ending(
    number: signal.Signals, code: int, popen: Popen, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    ledger.write_bytes(b"old")
    with full_pipe() as (_, full):
        process = popen(*("serve", "--port", "0", "--ledger", str(ledger)), stderr=full)
        until = time.monotonic() + DEADLINE
        while ledger.read_bytes() and time.monotonic() < until:
            time.sleep(0.02)  # it is emptied once the server runs
        assert stop(process, number) == code
    assert ledger.read_bytes() == b""


@pytest.mark.parametrize("reads", [True, False])
def test_a_full_stdout_keeps_no_list_from_ending(
    reads: bool, exchange: Server, popen: Popen
) -> None:
    with full_pipe() as (reading, full):
        process = popen("symbols", *urls(exchange), stdout=full)
        if reads:
            threading.Thread(target=drained, args=(reading,), daemon=True).start()
            assert process.wait(DEADLINE) == 0
        else:
            time.sleep(0.3)
            # 0 is of one that is so slow that it has nothing to write yet.
            assert stop(process, signal.SIGINT) in (0, 5)


def drained(fd: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(fd, 65_536):
            pass


def test_a_terminal_that_nobody_reads_keeps_no_lines_from_ending(
    exchange: Server, popen: Popen
) -> None:
    """A connection to another machine that hangs, or Ctrl-S."""
    master, terminal = pty.openpty()
    try:
        words = ["btcusdt", "-o", "jsonl", "-n", "400", *urls(exchange)]
        process = popen("watch", *words, stdout=terminal)
        assert select.select([master], [], [], DEADLINE)[0]
        time.sleep(0.5)  # then it holds as much as it can
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code, said = ended(process)
        assert time.monotonic() - began < SOON
    finally:
        os.close(terminal)
        os.close(master)
    assert code == 5
    assert "stdout: not everything could be written in time" in said


def test_a_signal_that_comes_late_changes_no_exit_code() -> None:
    program = """
import os, signal
from klinetail.cli.signals import Signals
with Signals() as signals:
    os.kill(os.getpid(), signal.SIGHUP)
    signals.wait()
    print(int(signals.exit_code), flush=True)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    os.kill(os.getpid(), number)
os._exit(7)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, b"129\n"), done.stderr
