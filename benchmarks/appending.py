"""Recordings: a minute of the whole market appended and on the disk, beside SQLite; and
how soon a recording knows where each stream goes on."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.report import Line
from klinetail.candle import MINUTE, Candle, Interval, Stream
from klinetail.formats import csv
from klinetail.recordings.tail import kind_of, tail_of
from klinetail.sinks.file import FileSink

STREAMS = tuple(Stream(f"S{n}USDT", Interval.M1) for n in range(790))
ABSENT = Stream("ABSENTUSDT", Interval.M1)
START = 1_700_000_040_000
_PRICES = tuple(f"{37_000 + n * 7 % 977}.{n * 31 % 100:02}" for n in range(10_000))


def minute(number: int, streams: Sequence[Stream] = STREAMS) -> list[Candle]:
    """Return the closes of a minute, of all streams."""
    opens = START + number * MINUTE
    found = []
    for at, stream in enumerate(streams):
        price = _PRICES[(number * 790 + at) % len(_PRICES)]
        texts = (price, f"{price}9", price[:-3], price, f"{at + 1}.500")
        found.append(
            Candle(
                *(
                    stream,
                    opens,
                    *texts,
                    opens + MINUTE - 1,
                    f"{number + 1}{price}",
                    at,
                ),
                *("6.250", "627.81250"),
                closed=True,
            )
        )
    return found


def measure_append(minutes: int = 60) -> Iterator[Line]:
    """Yield the milliseconds in which a minute of 790 closes is appended and on the
    disk."""
    with tempfile.TemporaryDirectory() as folder, closing(_Sqlite(folder)) as base:
        sinks = {
            name: FileSink(f"{folder}/m.{name}", updates=True)
            for name in ("csv", "csv.zst")
        }
        append: dict[str, Callable[[list[Candle]], object]] = {
            f"klinetail, .{name}": _appending(sink) for name, sink in sinks.items()
        }
        append["SQLite, WAL, synchronous=full"] = base.append
        taken: dict[str, list[_Taken]] = {name: [] for name in append}
        for number in range(minutes):
            candles = minute(number)
            for (
                name,
                write,
            ) in append.items():  # in turn, so that all meet the same load
                taken[name].append(_taken(lambda w=write, c=candles: w(c)))  # type: ignore[misc]
        for sink in sinks.values():
            sink.close()
        for name, values in taken.items():
            yield {
                "what": f"790 closes, {name}",
                **_median(values),
                "p99_ms": round(sorted(values)[int(len(values) * 0.99)].wall, 2),
            }


def _appending(sink: FileSink) -> Callable[[list[Candle]], object]:
    return lambda candles: sink.write([sink.prepare(one) for one in candles])


class _Sqlite:
    """A table of candles, each of which is on the disk when `append` returns."""

    def __init__(self, folder: str) -> None:
        self._base = sqlite3.connect(f"{folder}/m.db")
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        names = ", ".join(csv.COLUMNS)
        self._base.execute(
            f"CREATE TABLE k ({names}, PRIMARY KEY (symbol, interval, open_time))"
        )
        self._insert = f"INSERT INTO k VALUES ({','.join('?' * len(csv.COLUMNS))})"

    def append(self, candles: list[Candle]) -> None:
        """Insert candles in one transaction."""
        rows = [csv.line(one).rstrip("\n").split(",") for one in candles]
        with self._base:
            self._base.executemany(self._insert, rows)

    def close(self) -> None:
        """Close the database."""
        self._base.close()


def measure_resume(megabytes: int = 70, files: int = 11_800) -> Iterator[Line]:
    """Yield the milliseconds in which the resume points of recordings are known."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("csv", "csv.zst"):
            path = f"{folder}/m.{name}"
            size = _fill(path, megabytes * 1_000_000)
            asked = {
                "one stream": [STREAMS[7]],
                "790 streams": STREAMS,
                "790 streams, one of them absent": [*STREAMS[1:], ABSENT],
            }
            for what, streams in asked.items():
                yield {
                    "what": f"resume, .{name} of {size / 1e6:.0f} MB of text, {what}",
                    **_time(lambda p=path, s=streams: tail_of(p, s)),  # type: ignore[misc]
                }
        paths = [f"{folder}/{n}.csv" for n in range(files)]
        text = csv.HEADER + csv.encode(
            [one for n in range(3) for one in minute(n, STREAMS[:1])]
        )
        for path in paths:
            Path(path).write_bytes(text)
        yield {
            "what": f"resume, {files:,} files of 3 lines",
            **_time(lambda: [tail_of(path, STREAMS[:1]) for path in paths]),
        }


def _fill(path: str, size: int) -> int:
    """Write a recording of so many bytes of text, a frame a minute; return the size of
    the text."""
    container, form = kind_of(path)
    written = number = 0
    with open(path, "wb") as file:
        file.write(container.pack(form.HEADER))
        while written < size:
            text = form.encode(minute(number))
            file.write(container.pack(text))
            written += len(text)
            number += 1
        file.flush()
        os.fsync(file.fileno())
    return written


class _Taken(NamedTuple):
    """What a call took, in ms."""

    wall: float
    """Of the wall clock."""
    cpu: float
    """Of the processor, in user and in kernel mode."""


def _taken(call: Callable[[], object]) -> _Taken:
    """Return what a call takes."""
    began, used = time.perf_counter(), time.process_time()
    call()
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    return _Taken(wall * 1e3, cpu * 1e3)


def _median(taken: Sequence[_Taken]) -> Line:
    """Return what calls took in the median."""
    return {
        "p50_ms": round(median(one.wall for one in taken), 2),
        "cpu_ms": round(median(one.cpu for one in taken), 2),
    }


def _time(call: Callable[[], object], repeats: int = 5) -> Line:
    """Return what a call takes in the median."""
    return _median([_taken(call) for _ in range(repeats)])
