"""CPU per message, speed and peak memory: a flood of frames, each to a line in a file.

Every contestant reads the same first frames, once a short and once a long run of them,
in turn; the difference of both runs is what the messages cost, start-up left out.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.certificate import Tls
from benchmarks.contestants import Contestant, Target, asks
from benchmarks.exchange import Frames, Plan, flood_feed
from benchmarks.figures import slope
from benchmarks.market import FIRST_NUMBER, NUMBER, Feed
from benchmarks.running import Pipeline, Usage, Venue, wait_for_last
from klinetail.formats import jsonl

MOST = 1_200_000
STREAMS = 195
"""13 symbols in 15 intervals: unicorn and ccxt take 200 streams on a connection."""

SECONDS = (1.0, 6.0)
"""How long a short and a long run take about."""

QUICK = (0.2, 1.0)


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
    equal: bool | None
    """Whether the lines are exactly the record's, of those who write it."""


def measure(
    contestants: Sequence[Contestant],
    *,
    repeats: int,
    quick: bool = False,
    per_write: int = 40,
    tls: Tls | None = None,
) -> Iterator[dict[str, object]]:
    """The figures of each contestant."""
    seconds = QUICK if quick else SECONDS
    feed = flood_feed(STREAMS)
    frames = Frames(feed, MOST)
    fixed = partial(_plan, feed, per_write, tls)
    env = {} if tls is None else tls.env
    lengths: dict[str, tuple[int, int]] = {}
    for contestant in contestants:
        count = round(contestant.speed * seconds[0])
        pilot = run(contestant, fixed(frames.first(count), contestant), env)
        speed = count / max(pilot.wall, 0.01)
        short, long = (min(MOST, round(s * speed)) for s in seconds)
        lengths[contestant.name] = (min(short, long // 3), long)
    truth = Truth(feed, {n for pair in lengths.values() for n in pair})
    runs: dict[str, list[tuple[Run, Run]]] = {c.name: [] for c in contestants}
    for _ in range(repeats):
        for contestant in contestants:
            short, long = (
                run(contestant, fixed(frames.first(count), contestant), env, truth)
                for count in lengths[contestant.name]
            )
            runs[contestant.name].append((short, long))
    for name, pairs in runs.items():
        yield {
            **summary(name, pairs),
            "per_write": per_write,
            "tls": tls is not None,
        }


def _plan(
    feed: Feed,
    per_write: int,
    tls: Tls | None,
    frames: Sequence[bytes],
    contestant: Contestant,
) -> Plan:
    context = None if tls is None else tls.server
    return Plan(feed, frames, per_write, None, contestant.leaves, context)


class Truth:
    """The lines of klinetail's record that the first frames of a feed make.

    Args:
        feed: the frames'.
        counts: for which numbers of frames.
    """

    def __init__(self, feed: Feed, counts: Collection[int]) -> None:
        self._digests: dict[int, bytes] = {}
        digest = hashlib.sha256()
        for n, candle in enumerate(feed.candles(max(counts)), 1):
            digest.update(jsonl.encode([candle]))
            if n in counts:
                self._digests[n] = digest.digest()

    def equals(self, path: Path, count: int) -> bool:
        """Whether a file holds exactly these lines."""
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256")
        return found.digest() == self._digests[count]


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
        "equal": None if runs[0].equal is None else all(run.equal for run in runs),
        "exchange_us": round(
            max(run.exchange_cpu / run.count for run in runs) * 1e6, 2
        ),
    }


def run(
    contestant: Contestant,
    plan: Plan,
    env: Mapping[str, str],
    truth: Truth | None = None,
) -> Run:
    """One contestant, one flood."""
    count = len(plan.frames)
    with tempfile.TemporaryDirectory() as folder, Venue(plan) as venue:
        path = Path(folder, "lines")
        target = Target(venue.ws_url, venue.rest_url, plan.feed.streams, count)
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
        equal = None
        if truth is not None and contestant.records:
            equal = truth.equals(path, count)
    wall = (usage.ended - report.began) / 1e9
    return Run(count, usage.cpu, wall, usage.peak, lines, ordered, report.cpu, equal)


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
