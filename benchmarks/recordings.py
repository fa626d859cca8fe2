"""What a row of a recording costs: `recordings.read` beside Python's own modules.

`recordings.read` gives a checked candle with the exchange's digits for each row. The
csv module gives the same digits, unchecked: `csv.DictReader` by name, as a candle does,
and `csv.reader` as a list. `json.loads` rounds the digits to floats.
"""

from __future__ import annotations

import csv
import json
import random
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.formats.registry import FORMATS
from klinetail.recordings.containers.registry import CONTAINERS
from klinetail.recordings.read import read

STREAMS = [Stream(f"{name}USDT", Interval.M1) for name in "BTC ETH SOL XRP BNB".split()]
BATCH = 500
"""Rows that come together into a compressed recording."""

_FIRST = 1_700_000_040_000


def measure_read(rows: int, repeats: int) -> Iterator[dict[str, object]]:
    """CPU a row of each reader, over the same files, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        paths = written(Path(folder), rows)
        readers: dict[tuple[str, str], Callable[[], Iterable[object]]] = {}
        for suffix, path in paths.items():
            readers["recordings.read", suffix] = lambda path=path: read(path)  # type: ignore[misc]
        readers["csv.DictReader", ".csv"] = lambda: _csv(paths[".csv"], csv.DictReader)
        readers["csv.reader", ".csv"] = lambda: _csv(paths[".csv"], csv.reader)
        readers["json.loads", ".jsonl"] = lambda: _json(paths[".jsonl"])
        taken: dict[tuple[str, str], list[float]] = {each: [] for each in readers}
        for _ in range(repeats):
            for each, reader in readers.items():
                began = time.process_time()
                deque(reader(), 0)
                taken[each].append((time.process_time() - began) / rows * 1e6)
    found = {each: median(values) for each, values in taken.items()}
    for (reader, suffix), cost in found.items():
        ours = found["recordings.read", suffix]
        yield {
            "reader": reader,
            "file": suffix,
            "rows": rows,
            "row_us": round(cost, 2),
            "row_us_times": round(ours / cost, 2),
        }


def written(folder: Path, rows: int) -> dict[str, Path]:
    """The same candles as files, by suffix."""
    made = list(candles(rows))
    paths = {}
    for name, form in FORMATS.items():
        paths[f".{name}"] = folder / f"m.{name}"
        paths[f".{name}"].write_bytes(form.HEADER + form.encode(made))
    form = FORMATS["csv"]
    batches = [made[at : at + BATCH] for at in range(0, rows, BATCH)]
    for suffix, container in CONTAINERS.items():
        paths[f".csv{suffix}"] = folder / f"m.csv{suffix}"
        packed = [container.pack(form.encode(batch)) for batch in batches]
        content = b"".join((container.pack(form.HEADER), *packed))
        paths[f".csv{suffix}"].write_bytes(content)
    return paths


def candles(count: int) -> Iterator[Candle]:
    """Made-up candles of several streams, by time; the same at every call."""
    chance = random.Random(1)  # for the same file at every call
    prices = dict.fromkeys(STREAMS, 4_308_080)
    for n in range(count):
        stream = STREAMS[n % len(STREAMS)]
        time_ = _FIRST + n // len(STREAMS) * MINUTE
        first = prices[stream]
        last = prices[stream] = max(1_000, first + chance.randrange(-500, 501))
        high = max(first, last) + chance.randrange(100)
        low = min(first, last) - chance.randrange(100)
        volume = chance.randrange(1_000_000)
        digits = [_decimal(price, 2) for price in (first, high, low, last)]
        yield Candle(
            stream,
            time_,
            *digits,
            _decimal(volume, 3),
            time_ + MINUTE - 1,
            _decimal(volume * last, 5),
            chance.randrange(10_000),
            _decimal(volume // 2, 3),
            _decimal(volume // 2 * last, 5),
            True,
            Source.STREAM,
        )


def _decimal(units: int, places: int) -> str:
    whole, rest = divmod(units, 10**places)
    return f"{whole}.{rest:0{places}}"


def _csv(
    path: Path, reader: Callable[[Iterable[str]], Iterable[object]]
) -> Iterator[object]:
    with path.open(newline="") as file:
        yield from reader(file)


def _json(path: Path) -> Iterator[object]:
    with path.open("rb") as file:
        yield from map(json.loads, file)
