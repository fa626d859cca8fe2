"""Measures the figures of `docs/performance.md`, a line of JSON each on stdout."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import (
    appending,
    checking,
    memory,
    paced,
    recordings,
    revisions,
    screen,
    speed,
    stages,
    startup,
)
from benchmarks.certificate import Tls, issue
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.report import Line, inserted, markdown
from benchmarks.versions import versions

BESIDE = ("klinetail", "websocat", "picows-msgspec")
"""Those who can keep up with the whole market."""

LAGGING = (*BESIDE, "websocat-jq-unbuffered", "naive-connector", "unicorn", "ccxt")
FLOODED = (
    *("klinetail", "picows-msgspec", "websocat", "websocat-jq", "websocat-jq-record"),
    *("naive-connector", "unicorn", "ccxt"),
)


class Asked(NamedTuple):
    """How to measure."""

    quick: bool
    repeats: int
    only: list[str]
    tls: Tls
    seconds: float | None
    rows: int | None

    def lasting(self, seconds: float) -> float:
        """How long a run at a pace is to be, if so many seconds are right."""
        return self.seconds or (6 if self.quick else seconds)

    def among(self, names: Iterable[str]) -> list[Contestant]:
        """Those of the contestants that were asked for."""
        wanted = self.only or names
        return [CONTESTANTS[name] for name in names if name in wanted]


def _speed(asked: Asked, per_write: int, tls: Tls | None) -> Iterator[Line]:
    return speed.measure(
        asked.among(FLOODED),
        repeats=asked.repeats,
        quick=asked.quick,
        per_write=per_write,
        tls=tls,
    )


def _lag(
    asked: Asked, names: Iterable[str], streams: int, rate: int, tls: Tls | None = None
) -> Iterator[Line]:
    return paced.measure_lag(
        asked.among(names),
        streams=streams,
        rate=rate,
        seconds=asked.lasting(14),
        repeats=asked.repeats,
        per_write=1 if streams == speed.STREAMS else 40,
        tls=tls,
    )


def _market(asked: Asked, per_write: int, tls: Tls | None) -> Iterator[Line]:
    seconds = asked.lasting(20)
    yield paced.measure_market(seconds=seconds, per_write=per_write, tls=tls)


def _growth(asked: Asked) -> Iterator[Line]:
    for streams in (1, 100, 1_000, 11_800):
        yield paced.measure_market(
            seconds=asked.lasting(20), streams=streams, rate=max(1_000, 4 * streams)
        )


def _memory(asked: Asked) -> Iterator[Line]:
    yield memory.measure_one()
    yield memory.measure_many(400 if asked.quick else paced.MANY)


def _revisions(asked: Asked) -> Iterator[Line]:
    yield revisions.measure_memory(150 if asked.quick else paced.MANY)


def _hour(asked: Asked) -> Iterator[Line]:
    streams = 150 if asked.quick else paced.MANY
    return revisions.measure_hour(streams, asked.repeats)


def _table(asked: Asked) -> Iterator[Line]:
    seconds = asked.lasting(20)
    yield screen.measure(1, 4, seconds)
    yield screen.measure(500, 2_000, seconds)


def _named(figure: str, lines: Iterable[Line]) -> Iterator[Line]:
    for line in lines:
        yield {"figure": figure, **line}


FIGURES: dict[str, Callable[[Asked], Iterable[Line]]] = {
    "speed": lambda asked: _speed(asked, 40, None),
    "speed-1": lambda asked: _speed(asked, 1, None),
    "speed-tls": lambda asked: _speed(asked, 40, asked.tls),
    "lag": lambda asked: _lag(asked, LAGGING, speed.STREAMS, 2_400),
    "lag-tls": lambda asked: _lag(asked, BESIDE, speed.STREAMS, 2_400, asked.tls),
    "lag-market": lambda asked: _lag(asked, BESIDE, paced.MANY, 47_000),
    "start": lambda asked: [startup.measure_start(3 if asked.quick else 15)],
    "help": lambda asked: [startup.measure_help(3 if asked.quick else 21)],
    "rest": lambda asked: startup.measure_rest(asked.lasting(30)),
    "market": lambda asked: _market(asked, 40, None),
    "market-1": lambda asked: _market(asked, 1, None),
    "market-tls": lambda asked: _market(asked, 40, asked.tls),
    "memory": _memory,
    "revisions": _revisions,
    "hour": _hour,
    "growth": _growth,
    "table": _table,
    "stages": lambda asked: stages.measure(6_000 if asked.quick else 60_000),
    "read": lambda asked: recordings.measure_read(
        5_000 if asked.quick else 200_000, asked.repeats
    ),
    "append": lambda asked: _named(
        "append", appending.measure_append(3 if asked.quick else 60)
    ),
    "resume": lambda asked: _named(
        "resume", appending.measure_resume(*((1, 50) if asked.quick else (70, 11_800)))
    ),
    "check": lambda asked: checking.measure(
        asked.rows or (20_000 if asked.quick else 10_000_000), min(asked.repeats, 3)
    ),
}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=" ".join(FIGURES))
    parser.add_argument("--quick", action="store_true", help="only whether it works")
    parser.add_argument("--repeats", type=int, help="alternated runs (5; quick: 1)")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=[])
    parser.add_argument("--rows", type=int, help="of the file of `check`")
    parser.add_argument("--seconds", type=float, help="of each run at a pace")
    parser.add_argument(
        "--markdown",
        metavar="FILE",
        help="tables, too; in a document between its marks",
    )
    parser.add_argument(
        "--from", dest="lines", metavar="FILE", help="tables of lines measured before"
    )
    given = parser.parse_args()
    if unknown := set(given.figures) - set(FIGURES):
        parser.error(f"no figure: {' '.join(sorted(unknown))}")
    if given.lines is not None:
        text = Path(given.lines).read_text()
        _write([json.loads(line) for line in text.splitlines()], given.markdown)
        return
    # So that nothing is left behind; and what is started has to hear signals, even if
    # this was started with nohup or &.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        asked = Asked(
            given.quick,
            given.repeats or (1 if given.quick else 5),
            given.only,
            issue(Path(folder)),
            given.seconds,
            given.rows,
        )
        found = _measure(given.figures or list(FIGURES), asked)
    if given.markdown is not None:
        _write(found, given.markdown)


def _write(lines: list[Line], name: str | None) -> None:
    tables = markdown(lines)
    if name is None:
        print(tables, end="")
        return
    path = Path(name)
    before = path.read_text() if path.exists() else ""
    path.write_text(inserted(before, tables))


def _measure(figures: Iterable[str], asked: Asked) -> list[Line]:
    found: list[Line] = [{"figure": "versions", **versions()}]
    print(json.dumps(found[0]), flush=True)
    for figure in figures:
        began = time.monotonic()
        for line in FIGURES[figure](asked):
            found.append({"figure": figure, **line})
            print(json.dumps(found[-1]), flush=True)
        print(
            f"{figure}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
        )
    return found


if __name__ == "__main__":
    main()
