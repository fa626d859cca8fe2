"""Measures one figure of `docs/reliability.md` and prints it as a line of JSON.

    python tests/figures.py F6 [--quick] [--seed N]

By hand, for the most part minutes long, and no test: pytest does not collect it.
Everything happens on loopback. `--quick` only shows that the measuring works.

    F1   kill -9 at random moments of a recording: nothing lost, doubled, torn
    F2   a kill, or a failing call, before each call of a recording to the system
    F3   every beginning of a recording, with and without NULs behind it
    F6   network faults x {live, subscribing, backfill}: all candles, and how soon
    F7   a silent line, a line without data, and no alarm on a thin stream
    F9   the contract's model on random schedules
    F12  SIGINT, SIGTERM, SIGHUP in each state of a run
    F13  a reader that is too slow, within the limit and past it
    F14  escape sequences and invisible text from everywhere: none may come out; floods
    F16  a venue that refuses or hangs up: attempts in five minutes
    F17  clocks that step, processes that stand still, machines that sleep, and an
         exchange whose /time lies
    chaos   ten minutes of `serve --chaos all --speed 60` beside its ledger
    resumes  20 streams in one file, stopped and started 50 times at random
    outage  six hours without the exchange for 300 streams, at speed
"""

import argparse
import importlib
import json
import platform
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

FIGURES = {
    "F1": "kills",
    "F2": "calls",
    "F3": "prefixes",
    "F6": "faults",
    "F7": "silence",
    "F9": "steps",
    "F12": "shutdown",
    "F13": "slow",
    "F14": "escapes",
    "F16": "storm",
    "F17": "clocks",
    "chaos": "chaos",
    "outage": "outage",
    "resumes": "resumes",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=FIGURES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    module = importlib.import_module(f"tests.measured.{FIGURES[asked.name]}")
    # What is started has to hear signals, even if this was started with nohup or &.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    began = time.monotonic()
    figures = module.measure(quick=asked.quick, seed=asked.seed)
    about = {
        "figure": asked.name,
        "quick": asked.quick,
        "seed": asked.seed,
        "seconds": round(time.monotonic() - began, 1),
        "python": platform.python_version(),
        "klinetail": version("klinetail"),
        "websocket-client": version("websocket-client"),
        "websockets": version("websockets"),
    }
    print(json.dumps({**about, **figures}, ensure_ascii=True))


if __name__ == "__main__":
    main()
