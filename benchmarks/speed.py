"""CPU per message, speed and peak memory: a flood of frames, each to a line in a file.

Every contestant reads the same first frames, once a short and once a long run of them,
in turn; the difference of both runs is what the messages cost, start-up left out.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import Contestant, Target, asks
from benchmarks.exchange import Plan, built, flood_feed
from benchmarks.figures import median, slope
from benchmarks.market import FIRST_NUMBER, NUMBER
from benchmarks.running import Pipeline, Usage, Venue, wait_for_last

MOST = 1_200_000
STREAMS = 195
"""13 symbols in 15 intervals: unicorn and ccxt take 200 streams on a connection."""

SECONDS = (1.0, 6.0)
"""How long a short and a long run take about."""


class Tls(NamedTuple):
    """A certificate for the exchange, and how clients are told to trust it."""

    server: ssl.SSLContext
    env: Mapping[str, str]


class Run(NamedTuple):
    """One contestant, one flood."""

    count: int
    cpu: float
    wall: float
    peak: float
    lines: int
    ordered: bool
    """Whether there is a line of each frame, in the order of the frames."""
    exchange_cpu: float


def measure(
    contestants: Sequence[Contestant],
    *,
    repeats: int,
    quick: bool = False,
    per_write: int = 40,
    tls: Tls | None = None,
) -> Iterator[dict[str, object]]:
    """The figures of each contestant."""
    seconds = (0.2, 1.0) if quick else SECONDS
    lengths = {
        c.name: tuple(min(MOST, round(s * c.speed, -3)) for s in seconds)
        for c in contestants
    }
    feed = flood_feed(STREAMS)
    frames = built(feed, int(max(long for _, long in lengths.values())))
    runs: dict[str, list[tuple[Run, Run]]] = {c.name: [] for c in contestants}
    for _ in range(repeats):
        for contestant in contestants:
            pair = []
            for count in lengths[contestant.name]:
                part = frames[: int(count)]
                context = None if tls is None else tls.server
                plan = Plan(feed, part, per_write, None, contestant.leaves, context)
                pair.append(run(contestant, plan, {} if tls is None else tls.env))
            runs[contestant.name].append((pair[0], pair[1]))
    for name, pairs in runs.items():
        yield summary(name, pairs)


def summary(name: str, pairs: Sequence[tuple[Run, Run]]) -> dict[str, object]:
    """A contestant's figures: medians over the repeats."""
    cpu = [slope((a.count, a.cpu), (b.count, b.cpu)) * 1e6 for a, b in pairs]
    wall = [slope((a.count, a.wall), (b.count, b.wall)) for a, b in pairs]
    runs = [run for pair in pairs for run in pair]
    return {
        "contestant": name,
        "messages": [pairs[0][0].count, pairs[0][1].count],
        "cpu_us": round(median(cpu), 2),
        "cpu_us_all": [round(value, 2) for value in cpu],
        "messages_per_s": round(1 / median(wall)) if median(wall) > 0 else None,
        "peak_mb": round(median([b.peak for _, b in pairs]), 1),
        "all_lines": all(run.lines >= run.count for run in runs),
        "in_order": all(run.ordered for run in runs),
    }


def run(contestant: Contestant, plan: Plan, env: Mapping[str, str]) -> Run:
    """One contestant, one flood."""
    count = len(plan.frames)
    with tempfile.TemporaryDirectory() as folder, Venue(plan) as venue:
        path = Path(folder, "lines")
        target = Target(
            venue.ws_url, venue.rest_url, plan.feed.streams, plan.tls is not None, count
        )
        with path.open("wb") as out, Path(folder, "err").open("wb") as err:
            pipeline = Pipeline(
                contestant.commands(target),
                out.fileno(),
                env=env,
                err=err.fileno(),
                asks=asks(target),
            )
            try:
                usage = _end(contestant, pipeline, path, count)
            except RuntimeError as error:
                error.add_note(Path(folder, "err").read_text()[-2000:])
                raise
            finally:
                pipeline.kill()
        report = venue.report()
        lines, ordered = check(path, count)
    wall = (usage.ended - report.began) / 1e9
    return Run(count, usage.cpu, wall, usage.peak, lines, ordered, report.cpu)


def _end(contestant: Contestant, pipeline: Pipeline, path: Path, count: int) -> Usage:
    if contestant.leaves:
        return pipeline.wait()
    ended = wait_for_last(path, FIRST_NUMBER + count - 1, pipeline)
    pipeline.interrupt()
    return pipeline.wait()._replace(ended=ended)


def check(path: Path, count: int) -> tuple[int, bool]:
    """How many lines there are, and whether they are of the first `count` frames, in
    order."""
    lines, expected = 0, FIRST_NUMBER
    with path.open("rb") as file:
        for line in file:
            lines += 1
            found = NUMBER.search(line)
            if found is not None and int(found[1]) == expected:
                expected += 1
    return lines, expected == FIRST_NUMBER + count
