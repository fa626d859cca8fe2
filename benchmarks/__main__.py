"""Measures the figures of `docs/performance.md`.

python -m benchmarks speed --only klinetail websocat-jq
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks import paced, speed
from benchmarks.certificate import issue
from benchmarks.contestants import CONTESTANTS


def main() -> None:
    """Measure what is asked for, a line of JSON each."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("figure", choices=["speed", "lag", "market"])
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--per-write", type=int, default=40)
    parser.add_argument("--rate", type=int, default=2_400)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--streams", type=int, default=11_800)
    asked = parser.parse_args()
    chosen = [CONTESTANTS[name] for name in asked.only or CONTESTANTS]
    tls = issue(Path(tempfile.mkdtemp())) if asked.tls else None
    if asked.figure == "speed":
        found = speed.measure(
            chosen,
            repeats=asked.repeats,
            quick=asked.quick,
            per_write=asked.per_write,
            tls=tls,
        )
    elif asked.figure == "lag":
        found = paced.measure_lag(
            chosen,
            rate=asked.rate,
            seconds=asked.seconds,
            repeats=asked.repeats,
            per_write=asked.per_write,
        )
    else:
        found = [
            paced.measure_market(
                seconds=asked.seconds, per_write=asked.per_write, streams=asked.streams
            )
        ]
    for figures in found:
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
