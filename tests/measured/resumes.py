"""Twenty streams in one recording, stopped and started at random, with absences of a
second to a day: read by DuckDB and pandas, the file equals the market."""

import math
import random
import signal
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from klinetail.candle import Interval, Stream
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import urls
from tests.measured.shared import START, Process

SYMBOLS = ["btcusdt", "ethusdt", "algousdt", "xrpusdt", "dogeusdt"]
INTERVALS = [Interval.M1, Interval.M3, Interval.M5, Interval.M15]
SPEED = 60
SHORTEST, LONGEST = 1.0, 86_400.0
"""Seconds of exchange time without a run."""
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


def measure(quick, seed):
    runs, streams = (5, 4) if quick else (50, 20)
    chance = random.Random(seed)
    market = Synthetic(seed=seed, start=START)
    named = [f"{s}@{i}" for i in INTERVALS for s in SYMBOLS][:streams]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.csv.gz"
        words = ["watch", *named, "--weight", "100", "--out", str(path)]
        now, absences, cut = START, [], 0
        for _ in range(runs):
            with Server(market, start=now, speed=SPEED) as server:
                began = time.monotonic()
                route = ["-n", "3", *urls(server)]
                with Process(*words, *route, stdout=subprocess.DEVNULL) as run:
                    time.sleep(chance.uniform(0.3, 2.5 if quick else 5.0))
                    run.end(chance.choice(SIGNALS))
                    cut += run.err.count(b"cut ")
                passed = time.monotonic() - began
            away = math.exp(chance.uniform(math.log(SHORTEST), math.log(LONGEST)))
            absences.append(away)
            now += int((passed * SPEED + away) * 1000)
        with Server(market, start=now, speed=SPEED) as server:
            until = server.now()
            whole = [*words, "-n", "0", "--no-follow", *urls(server)]
            with Process(*whole, stdout=subprocess.DEVNULL) as run:
                code = run.process.wait(600)
                run.join()
                receipt = run.err.decode().splitlines()[-1]
        return {
            "runs": runs,
            "streams": len(named),
            "absent_seconds": [round(min(absences)), round(max(absences))],
            "torn_ends_cut": cut,
            "exit_code": code,
            **compare(path, market, [Stream.parse(name) for name in named], until),
            "receipt": receipt,
        }


def compare(path, market, streams, until):
    """Both readers' rows beside the market's, for each stream."""
    rows = wrong = lacking = doubled = 0
    by_duckdb, by_pandas = read_by_duckdb(path), read_by_pandas(path)
    for stream in streams:
        mine = by_duckdb.get((stream.symbol, str(stream.interval)), [])
        wrong += mine != by_pandas.get((stream.symbol, str(stream.interval)), [])
        times = [row[0] for row in mine]
        doubled += len(times) - len(set(times))
        truth, at = [], times[0] if times else START
        while batch := market.klines(stream, at, None, 499, now=until):
            closed = [c for c in batch if c.close_time < until]
            truth += [(c.open_time, float(c.close), c.count) for c in closed]
            at = batch[-1].close_time + 1
            if len(closed) < len(batch):
                break
        lacking += len(set(truth) - set(mine))
        wrong += sum(one != other for one, other in zip(mine, truth, strict=False))
        rows += len(mine)
    return {
        "rows": rows,
        "wrong": wrong,
        "missing": lacking,
        "doubled": doubled,
    }


def read_by_duckdb(path):
    import duckdb

    types = "{'open': 'DOUBLE', 'close': 'DOUBLE', 'volume': 'DOUBLE'}"
    query = (
        "SELECT symbol, interval, open_time, close, count"
        f" FROM read_csv('{path}', types={types})"
    )
    return grouped(duckdb.execute(query).fetchall())


def read_by_pandas(path):
    import pandas as pd

    frame = pd.read_csv(path, dtype={"close": "float64"})
    columns = ["symbol", "interval", "open_time", "close", "count"]
    return grouped(frame[columns].itertuples(index=False, name=None))


def grouped(rows):
    found = {}
    for symbol, interval, open_time, close, count in rows:
        found.setdefault((symbol, interval), []).append((open_time, close, count))
    return found
