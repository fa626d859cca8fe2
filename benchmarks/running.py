"""The exchange and the contestants as processes, and what they cost."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.exchange import Plan, Report, serve
from benchmarks.market import NUMBER

_FORK = multiprocessing.get_context("fork")  # frames are built once and shared
_TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0
"""Seconds after which a run counts as hanging."""


class Venue:
    """An exchange in a process of its own; a context manager."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        ours, theirs = _FORK.Pipe()
        self._pipe = ours
        self._process = _FORK.Process(target=_serve, args=(plan, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.port: int = ours.recv()

    @property
    def ws_url(self) -> str:
        """What the connector gets as `stream_url`."""
        return f"ws{self._s}://127.0.0.1:{self.port}/market"

    @property
    def rest_url(self) -> str:
        """Where `/fapi/v1` is."""
        return f"http{self._s}://127.0.0.1:{self.port}"

    @property
    def _s(self) -> str:
        return "" if self.plan.tls is None else "s"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid or 0

    def report(self) -> Report:
        """Stop it; what it pushed."""
        self._pipe.send("stop")
        report: Report = self._pipe.recv()
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()


def _serve(plan: Plan, pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # a pause would be taken for the reader's

    async def run() -> None:
        stopped = asyncio.Event()

        def stop() -> None:
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            stopped.set()

        asyncio.get_running_loop().add_reader(pipe.fileno(), stop)
        pipe.send(await serve(plan, 0, stopped, pipe.send))

    asyncio.run(run())


class Usage(NamedTuple):
    """What a pipeline cost from its start to its end."""

    cpu: float
    """Seconds, user and system, of all its processes."""
    peak: float
    """Memory of the largest of its processes, MB."""
    ended: int
    """When its last line was there, monotonic ns."""


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has taken so far, threads included."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICK


def peak_of(pid: int) -> float:
    """The most memory that a process has had so far, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


class Pipeline:
    """Commands joined by pipes; the last one writes to `out`.

    Args:
        commands: in order.
        out: a file descriptor.
        env: changes of the environment.
        err: a file descriptor for stderr.
        asks: lines for the stdin of commands that are not joined but side by side, all
            writing to `out`. Theirs, or the first one's, stays open.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        out: int,
        *,
        env: Mapping[str, str] | None = None,
        err: int | None = None,
        asks: Sequence[str] = (),
    ) -> None:
        self.started = time.monotonic_ns()
        self.processes: list[subprocess.Popen[bytes]] = []
        for n, command in enumerate(commands):
            joined = n > 0 and not asks[n:]
            before = self.processes[-1].stdout if joined else None
            last = n == len(commands) - 1 or len(asks) > 1
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if before is None else before,
                stdout=out if last else subprocess.PIPE,
                stderr=subprocess.DEVNULL if err is None else err,
                env=environment(env or {}),
            )
            if before is not None:
                before.close()
            self.processes.append(process)
        for process, ask in zip(self.processes, asks, strict=False):
            if process.stdin is not None:
                process.stdin.write(f"{ask}\n".encode())
                process.stdin.flush()

    def interrupt(self) -> None:
        """Send SIGINT to the first."""
        self.processes[0].send_signal(signal.SIGINT)

    def cpu(self) -> float:
        """Seconds of CPU so far, of all its processes."""
        return sum(cpu_of(process.pid) for process in self.processes)

    def wait(self) -> Usage:
        """Wait for the end of all its processes.

        Raises:
            RuntimeError: it does not end.
        """
        until = time.monotonic() + PATIENCE
        cpu, peaks = 0.0, [0.0]
        left = list(self.processes)
        while left:
            # Not ru_maxrss, which remembers the process that forked it.
            peaks += [peak_of(process.pid) for process in left]
            for process in [*left]:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(status)
                    cpu += usage.ru_utime + usage.ru_stime
                    left.remove(process)
            if left and time.monotonic() > until:
                raise RuntimeError(f"{left[0].args!r} does not end")
            time.sleep(0.01 if left else 0)
        return Usage(cpu, max(peaks), time.monotonic_ns())

    def kill(self) -> None:
        """Kill what is left of it."""
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's, without what would steer klinetail or change its output."""
    drop = ("KLINETAIL_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHON")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**kept, "TERM": "xterm-256color", "PATH": path, **changes}


def wait_for_last(path: Path, number: int, alive: Pipeline) -> int:
    """Wait until the line of a frame's number is at the end of a file; when it was
    there, monotonic ns."""
    until = time.monotonic() + PATIENCE
    with path.open("rb") as file:
        while time.monotonic() < until:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 4096))
            found = NUMBER.findall(file.read())
            if found and int(found[-1]) >= number:
                return time.monotonic_ns()
            if alive.processes[0].poll() is not None:
                raise RuntimeError(f"{alive.processes[0].args!r} ended early")
            time.sleep(0.01)
    raise RuntimeError(f"{path}: the last line never came")
