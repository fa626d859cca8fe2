"""Real processes that have no thread, or no file descriptor, left for a while."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from klinetail.collector.backfill import WORKERS
from klinetail.sim.server import Server
from tests.e2e.conftest import DEADLINE, environment, urls
from tests.starved import command

Popen = Callable[..., subprocess.Popen[bytes]]

PROGRAM = """
import asyncio, json, math, time
import klinetail.exchange.http
from klinetail import DataCollector
from klinetail.protocol.venues import sim_venue

def say(*words):
    print(json.dumps(words), flush=True)

def hog(seconds):
    limits = resource.getrlimit(resource.RLIMIT_AS)
    parts, count, until = [None] * 5_000_000, 0, math.inf
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 40_000_000, limits[1]))
    while time.monotonic() < until:
        try:
            while True:
                parts[count] = bytearray(480)
                count += 1
        except MemoryError:
            if until == math.inf:
                os.write(1, b"full\\n")
                until = time.monotonic() + seconds
            time.sleep(0.01)
    del parts
    resource.setrlimit(resource.RLIMIT_AS, limits)

async def main():
    collector = DataCollector(
        ["btcusdt@1m"],
        on_candle_callback=lambda candle: say("candle", candle.source, candle.closed),
        on_event=lambda event: say("event", repr(event)),
        venue=sim_venue(int(sys.argv[1])),
        random=lambda: 0.1,
    )
    if left := int(sys.argv[2]):
        starve(left)
    collector.start()
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(0, told.set)
    while True:
        await told.wait()
        told.clear()
        command = os.read(0, 99).decode().strip()
        if command == "starve":
            starve()
        elif command == "feed":
            feed()
        elif command == "hog":
            hog(1.0)
        else:
            await collector.stop_streaming()
            say("stopped")
            return

asyncio.run(main())
"""

COMMAND = """
from klinetail.cli import main
starve()
main()
"""


class Lines:
    """What a process writes, line by line, to be waited for."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stream = getattr(process, name)
        self.seen: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stream:
            self._lines.put(line.decode())

    def until(self, wanted: Callable[[str], bool]) -> str:
        """The next line that is wanted."""
        while True:
            try:
                line = self._lines.get(timeout=DEADLINE)
            except queue.Empty:
                pytest.fail(f"it did not come; the last lines: {self.seen[-9:]}")
            self.seen.append(line)
            if wanted(line):
                return line

    def join(self) -> None:
        """Wait until the process has closed its end."""
        self._thread.join(DEADLINE)


@contextlib.contextmanager
def program(server: Server, threads: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A collector's program; if so asked, it has so many threads from the start on."""
    process = subprocess.Popen(
        command(PROGRAM, server.port, threads),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


PUSHED = json.dumps(["candle", "stream", True])


def tell(process: subprocess.Popen[bytes], command: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(command + b"\n")
    process.stdin.flush()


def test_a_line_that_broke_when_there_was_no_thread_flows_again_when_there_is(
    fast_exchange: Server,
) -> None:
    with program(fast_exchange) as process:
        out = Lines(process, "stdout")
        out.until(lambda line: line.startswith(PUSHED))
        tell(process, b"starve")
        fast_exchange.disconnect_all()
        for _ in range(2):
            out.until(lambda line: "can't start new thread" in line)
        assert fast_exchange.connections == 0
        tell(process, b"feed")
        out.until(lambda line: "'link-0'" in line and "LIVE" in line)
        out.until(lambda line: line.startswith(PUSHED))
        tell(process, b"starve")
        tell(process, b"stop")
        out.until(lambda line: "stopped" in line)
        assert process.wait(DEADLINE) == 0
        out.join()


def test_a_line_that_broke_when_there_was_no_memory_flows_again_when_there_is(
    fast_exchange: Server,
) -> None:
    """A thread that cannot even begin must not be waited for."""
    with program(fast_exchange) as process:
        out, err = Lines(process, "stdout"), Lines(process, "stderr")
        out.until(lambda line: line.startswith(PUSHED))
        tell(process, b"hog")
        out.until(lambda line: "full" in line)
        fast_exchange.disconnect_all()
        out.until(lambda line: "'link-0'" in line and "LIVE" in line)
        out.until(lambda line: line.startswith(PUSHED))
        tell(process, b"stop")
        out.until(lambda line: "stopped" in line)
        assert process.wait(DEADLINE) == 0
        out.join()
        err.join()


@pytest.mark.skipif(os.getuid() != 0, reason="others' threads count with ours")
def test_a_line_for_which_there_is_no_thread_at_first_is_had_when_there_is(
    fast_exchange: Server,
) -> None:
    threads = 1 + WORKERS + 1  # the main thread, those that fetch, the keeper's
    with program(fast_exchange, threads) as process:
        out = Lines(process, "stdout")
        out.until(lambda line: "link-0" in line and "no thread left" in line)
        tell(process, b"feed")
        out.until(lambda line: line.startswith(PUSHED))
        tell(process, b"stop")
        out.until(lambda line: "stopped" in line)
        out.join()


def test_a_line_that_broke_when_there_was_no_descriptor_flows_again_when_there_is(
    fast_exchange: Server, popen: Popen
) -> None:
    process = popen("watch", "btcusdt", "1m", "-n", "0", "-v", *urls(fast_exchange))
    out, err = Lines(process, "stdout"), Lines(process, "stderr")
    out.until(lambda line: '"stream"' in line)
    limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    fast_exchange.disconnect_all()
    err.until(lambda line: "Too many open files" in line)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
    err.until(lambda line: "connected again" in line)
    out.until(lambda line: '"stream"' in line)
    process.terminate()
    assert process.wait(DEADLINE) == 0
    out.join()
    err.join()
    assert not any("Traceback" in line for line in err.seen)


def test_a_start_for_which_there_is_no_thread_says_so_in_a_line(
    exchange: Server,
) -> None:
    done = subprocess.run(
        command(COMMAND, "watch", "btcusdt", "1m", *urls(exchange)),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        env=environment(),
    )
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "klinetail: this machine has no thread left (can't start new thread);"
        " end other programs, or try again later\n"
    )
