"""Peak memory of few and of all streams."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.contestants import Target, klinetail
from benchmarks.exchange import Plan, built, paced_feed
from benchmarks.paced import MANY, to_subscribe
from benchmarks.running import Pipeline, Venue

KEPT = 200_000
"""Closed candles that klinetail keeps in all."""

PATIENCE = 420.0
"""Seconds until all histories are there; the exchange's weight allows 40 a second."""


def measure_one() -> dict[str, object]:
    """One stream with all the candles that are kept of it."""
    return _measure(1, lines=500, rate=4)


def measure_many(streams: int = MANY) -> dict[str, object]:
    """All streams with all the candles that are kept in all."""
    return _measure(streams, lines=KEPT // streams + 1, rate=streams)


def _measure(streams: int, *, lines: int, rate: float) -> dict[str, object]:
    seconds = 20 + 1.3 * streams / 40
    feed = paced_feed(streams, rate)
    after = to_subscribe(streams)
    plan = Plan(feed, built(feed, int(rate * seconds))).paced(after)
    with tempfile.TemporaryDirectory() as folder, Venue(plan) as venue:
        path = Path(folder, "lines")
        target = Target(venue.ws_url, venue.rest_url, feed.streams)
        options = ["-n", str(lines), "--weight", "100", "-o", "jsonl"]
        with path.open("wb") as out, Path(folder, "err").open("wb") as err:
            command = klinetail(target, *options)
            pipeline = Pipeline([command], out.fileno(), err=err.fileno())
            try:
                until = time.monotonic() + min(PATIENCE, after + seconds)
                time.sleep(after + 8)
                while _lines(path) < lines * streams and time.monotonic() < until:
                    time.sleep(2)
                pipeline.interrupt()
                usage = pipeline.wait()
            finally:
                pipeline.kill()
        return {
            "streams": streams,
            "lines": lines,
            "candles": _lines(path),
            "complete": _lines(path) >= lines * streams,
            "peak_mb": round(usage.peak, 1),
            "said": Path(folder, "err").read_text()[-500:],
        }


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(
            block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")
        )
