"""Runs at the pace of the exchange: lag, and CPU of a core."""

from __future__ import annotations

import fcntl
import math
import os
import select
import tempfile
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.certificate import Tls
from benchmarks.contestants import Contestant, Target, asks, klinetail
from benchmarks.exchange import Plan, built, paced_feed
from benchmarks.figures import percentile
from benchmarks.market import FIRST_NUMBER, NUMBER
from benchmarks.running import Pipeline, Venue

WARM = 2.0
"""Seconds from the first frame that are not looked at."""

MANY = 11_800
"""The streams of the whole market: 790 symbols in 15 intervals, less some."""


def to_subscribe(streams: int) -> float:
    """Seconds from the exchange's start to its first frame, in which a client starts
    and subscribes to so many streams."""
    return 6 + streams / 800


_PIPE = 1 << 20
_F_SETPIPE_SZ = 1031


class Lags(NamedTuple):
    """Milliseconds from the exchange's write to the line at the reader; of a frame
    without a line it is infinite."""

    p50: float
    p99: float
    p999: float
    lines: int
    """Lines that were traced."""
    missing: int
    """Frames without a line."""


def lags(blocks: Sequence[tuple[int, bytes]], sent: Sequence[int], skip: int) -> Lags:
    """Trace the lines in what was read back to their frames.

    Args:
        blocks: what was read and when, monotonic ns, in order.
        sent: when each frame was sent; 0 if nobody heard it.
        skip: frames at the beginning to leave out.
    """
    found: list[float] = []
    rest = b""
    for at, block in blocks:
        whole, newline, rest_of = (rest + block).rpartition(b"\n")
        rest = rest_of
        if newline:
            for number in NUMBER.findall(whole):
                i = int(number) - FIRST_NUMBER
                if skip <= i < len(sent):
                    found.append((at - sent[i]) / 1e6)
    missing = len(sent) - skip - len(found)
    ordered = [*sorted(found), *[math.inf] * missing]
    shares = [round(percentile(ordered, s), 3) for s in (0.5, 0.99, 0.999)]
    return Lags(*shares, len(found), missing)


def measure_lag(
    contestants: Sequence[Contestant],
    *,
    streams: int,
    rate: int,
    seconds: float,
    repeats: int,
    per_write: int = 1,
    tls: Tls | None = None,
) -> Iterator[dict[str, object]]:
    """The lag of each contestant, alternated."""
    feed = paced_feed(streams, rate)
    after = to_subscribe(streams)
    frames = built(feed, int(rate * seconds))
    found: dict[str, list[Lags]] = {c.name: [] for c in contestants}
    for _ in range(repeats):
        for contestant in contestants:
            context = None if tls is None else tls.server
            plan = Plan(feed, frames, per_write, None, contestant.leaves, context)
            plan = plan.paced(after)
            env = {} if tls is None else tls.env
            found[contestant.name].append(_lag(contestant, plan, env))
    for name, runs in found.items():
        yield {
            "contestant": name,
            "rate": rate,
            "per_write": per_write,
            "p50_ms": _finite(median([run.p50 for run in runs])),
            "p99_ms": _finite(median([run.p99 for run in runs])),
            "p999_ms": _finite(median([run.p999 for run in runs])),
            "p99_ms_all": [_finite(run.p99) for run in runs],
            "missing": max(run.missing for run in runs),
        }


def _finite(value: float) -> float | None:
    """The value, or None where more was missing than it allows."""
    return None if math.isinf(value) else value


def _lag(contestant: Contestant, plan: Plan, env: Mapping[str, str]) -> Lags:
    assert plan.after is not None
    ours, theirs = os.pipe()
    blocks: list[tuple[int, bytes]] = []
    try:
        with Venue(plan) as venue:
            target = Target(venue.ws_url, venue.rest_url, plan.feed.streams)
            fcntl.fcntl(ours, _F_SETPIPE_SZ, _PIPE)
            pipeline = Pipeline(
                contestant.commands(target), theirs, env=env, asks=asks(target)
            )
            os.close(theirs)
            theirs = -1
            try:
                end = time.monotonic() + plan.after + len(plan.frames) / plan.feed.rate
                _read(ours, blocks, end + 2)
                pipeline.interrupt()
                _read(ours, blocks, end + 4)
            finally:
                pipeline.kill()
            report = venue.report()
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)
    sent = array("q")
    sent.frombytes(report.sent)
    return lags(blocks, sent, int(plan.feed.rate * WARM))


def _read(fd: int, blocks: list[tuple[int, bytes]], until: float) -> None:
    """Read until the end, or for so long."""
    while (left := until - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            block = os.read(fd, _PIPE)
            blocks.append((time.monotonic_ns(), block))
            if not block:
                return


def measure_market(
    *,
    seconds: float,
    per_write: int = 40,
    tls: Tls | None = None,
    streams: int = MANY,
    rate: float = 47_000,
) -> dict[str, object]:
    """CPU of a core that many streams take, their closed candles written to a file."""
    after = to_subscribe(streams)
    feed = paced_feed(streams, rate)
    frames = built(feed, int(rate * seconds))
    context = None if tls is None else tls.server
    plan = Plan(feed, frames, per_write, tls=context).paced(after)
    with tempfile.TemporaryDirectory() as folder, Venue(plan) as venue:
        began = time.monotonic()
        path = Path(folder, "lines")
        target = Target(venue.ws_url, venue.rest_url, feed.streams)
        with path.open("wb") as out, Path(folder, "err").open("wb") as err:
            command = klinetail(target, "-n", "0", "-o", "jsonl")
            env = {} if tls is None else tls.env
            pipeline = Pipeline([command], out.fileno(), err=err.fileno(), env=env)
            try:
                _sleep_until(began + after + WARM)
                first = time.monotonic(), pipeline.cpu()
                _sleep_until(began + after + seconds - 0.5)
                second = time.monotonic(), pipeline.cpu()
                _sleep_until(began + after + seconds + 2)
                pipeline.interrupt()
                usage = pipeline.wait()
            finally:
                pipeline.kill()
        report = venue.report()
        lines = path.read_bytes().count(b"\n")
        said = Path(folder, "err").read_text()[-500:]
    cores = (second[1] - first[1]) / (second[0] - first[0])
    return {
        "streams": streams,
        "rate": rate,
        "per_write": per_write,
        "tls": tls is not None,
        "core_percent": round(cores * 100, 1),
        "cpu_us": round(cores / rate * 1e6, 2),
        "peak_mb": round(usage.peak, 1),
        "closed": lines,
        "complete": lines == len(feed.closings),
        "pushed_per_s": round(report.pushed / (report.ended - report.began) * 1e9),
        "said": said,
    }


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
