"""Start to first line, `--help`, and CPU at rest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.contestants import HERE, Target, klinetail
from benchmarks.exchange import Plan, built
from benchmarks.market import BEGIN, Feed, streams
from benchmarks.running import Pipeline, Venue, environment

RATE = 50
"""Frames a second of the one stream, so that nobody waits long for the first."""

KLINETAIL = str(Path(sys.executable).parent / "klinetail")
NEVER = 1e6


def measure_help(repeats: int) -> dict[str, object]:
    """`klinetail --help` beside an import of typer, alternated; ms."""
    commands = {
        "help": [KLINETAIL, "--help"],
        "import_typer": [sys.executable, "-c", "import typer"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(
                command, env=environment({}), stdout=subprocess.DEVNULL, check=True
            )
            found[name].append((time.perf_counter() - began) * 1000)
    return _beside({name: times[1:] for name, times in found.items()}, "import_typer")


def measure_start(repeats: int) -> dict[str, object]:
    """From the start of the process to its first line, beside the bare connector's
    first message, alternated; ms."""
    feed = Feed(streams(1), BEGIN, RATE)
    frames = built(feed, RATE * 30)
    plan = Plan(feed, frames, per_write=1).paced(0)

    def bare(target: Target) -> list[str]:
        script = str(HERE / "bare_connector.py")
        return [sys.executable, script, target.ws_url, *target.names]

    def watch(*options: str) -> Callable[[Target], list[str]]:
        def command(target: Target) -> list[str]:
            return [KLINETAIL, *klinetail(target, *options, "-o", "jsonl")[3:]]

        return command

    commands: Mapping[str, Callable[[Target], list[str]]] = {
        "updates_n0": watch("-u", "-n", "0"),
        "n10": watch("-n", "10"),
        "bare": bare,
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats + 1):
        for name, command in commands.items():
            found[name].append(_first_line(plan, command))
    return _beside({name: times[1:] for name, times in found.items()}, "bare")


def _first_line(plan: Plan, command: Callable[[Target], list[str]]) -> float:
    ours, theirs = os.pipe()
    with Venue(plan) as venue:
        target = Target(venue.ws_url, venue.rest_url, plan.feed.streams)
        pipeline = Pipeline([command(target)], theirs)
        os.close(theirs)
        try:
            line = b""
            while b'"BTCUSDT"' not in line:
                if not (data := os.read(ours, 65_536)):
                    raise RuntimeError(f"no line from {pipeline.processes[0].args!r}")
                line += data
            return (time.monotonic_ns() - pipeline.started) / 1e6
        finally:
            pipeline.kill()
            os.close(ours)


def _beside(found: Mapping[str, Sequence[float]], other: str) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, times in found.items():
        result[f"{name}_ms"] = round(median(times), 1)
        if name != other:
            result[f"{name}_ratio"] = round(median(times) / median(found[other]), 2)
    return result


def measure_rest(seconds: float) -> Iterator[dict[str, object]]:
    """CPU of a core of a run on whose streams nothing happens."""
    for count in (1, 600):
        feed = Feed(streams(count), BEGIN, 1)
        plan = Plan(feed, built(feed, 1), per_write=1).paced(NEVER)
        plan = plan._replace(begin=BEGIN)
        with Venue(plan) as venue:
            target = Target(venue.ws_url, venue.rest_url, feed.streams)
            null = os.open(os.devnull, os.O_WRONLY)
            command = klinetail(target, "-n", "0", "-u", "-o", "jsonl")
            pipeline = Pipeline([command], null)
            os.close(null)
            try:
                time.sleep(4)
                first = pipeline.cpu()
                time.sleep(seconds)
                used = pipeline.cpu() - first
            finally:
                pipeline.kill()
        yield {"streams": count, "core_percent": round(used / seconds * 100, 2)}
