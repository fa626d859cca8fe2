"""What a check of a large recording costs: `klinetail check` beside pandas and polars.

Each contestant is a process of its own that looks for holes, doubles, disorder, wrong
times and impossible prices in the same file. `klinetail check` also looks at every
number's digits, at torn ends and at lines that are no records.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import rows
from benchmarks.running import environment, peak_of

_SCRIPTS = Path(__file__).parent / "contestants"
CHECK = (sys.executable, "-m", "klinetail", "check")


class Cost(NamedTuple):
    """What a command cost."""

    cpu: float
    """Seconds, user and system, of all its processes."""
    wall: float
    """Seconds from its start to its end."""
    peak: float
    """Memory of all its processes together at most, MB."""


def commands(path: Path) -> dict[str, tuple[str, ...]]:
    """The contestants' command lines over a file."""
    file = str(path)
    return {
        "klinetail": (*CHECK, file),
        "klinetail --jobs 2": (*CHECK, file, "--jobs", "2"),
        "pandas": (sys.executable, str(_SCRIPTS / "check_pandas.py"), file),
        "polars": (sys.executable, str(_SCRIPTS / "check_polars.py"), file),
    }


def measure(count: int, repeats: int) -> Iterator[dict[str, object]]:
    """CPU, time and peak memory of each contestant over the same file, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        rows.write(path, count)
        each = commands(path)
        taken: dict[str, list[Cost]] = {name: [] for name in each}
        for _ in range(repeats):
            for name, command in each.items():
                taken[name].append(cost(command))
    costs = {
        name: Cost(*(median(values) for values in zip(*found, strict=True)))
        for name, found in taken.items()
    }
    ours = costs["klinetail"]
    for name, found in costs.items():
        yield {
            "contestant": name,
            "rows": count,
            "cpu_s": round(found.cpu, 2),
            "cpu_s_times": round(ours.cpu / found.cpu, 2),
            "wall_s": round(found.wall, 2),
            "peak_mb": round(found.peak, 1),
            "peak_mb_times": round(found.peak / ours.peak, 1),
        }


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: the command failed.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment({}),
    )
    peak = 0.0
    while True:
        peak = max(peak, sum(map(_peak, _family(process.pid))))
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.01)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command!r} ended with {process.returncode}")
    # Processes that the command has waited for are in its usage.
    return Cost(usage.ru_utime + usage.ru_stime, wall, peak)


def _family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        words = []
    return [pid, *map(int, words)]


def _peak(pid: int) -> float:
    try:
        return peak_of(pid)
    except OSError:
        return 0.0  # it has ended
