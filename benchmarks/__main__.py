"""Measures the figures of `docs/performance.md`.

python -m benchmarks speed --only klinetail websocat-jq
"""

from __future__ import annotations

import argparse
import json

from benchmarks import speed
from benchmarks.contestants import CONTESTANTS


def main() -> None:
    """Measure what is asked for, a line of JSON each."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("figure", choices=["speed"])
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--per-write", type=int, default=40)
    asked = parser.parse_args()
    chosen = [CONTESTANTS[name] for name in asked.only or CONTESTANTS]
    for figures in speed.measure(
        chosen,
        repeats=asked.repeats,
        quick=asked.quick,
        per_write=asked.per_write,
    ):
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
