"""Where the CPU of a message goes: klinetail's own stages, one after another in one
thread, on the frames of a flood. What threads and the kernel add is not in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.exchange import built, flood_feed
from klinetail.candle import Candle, Stream
from klinetail.clock import Moment
from klinetail.contract.series import Series
from klinetail.exchange.framing import cut
from klinetail.formats import joined, jsonl
from klinetail.protocol.batches import decode_klines
from klinetail.protocol.frames import decode_frame
from klinetail.sinks.stdout import MOST

_READ = 300
"""Frames of a read."""


def measure(count: int = 60_000, repeats: int = 5) -> list[dict[str, object]]:
    """Microseconds a message of each stage."""
    feed = flood_feed(195)
    frames = built(feed, count)
    reads = [b"".join(frames[at : at + _READ]) for at in range(0, count, _READ)]
    batches = [cut(read).messages for read in reads]
    candles = [decode_klines(batch) or [] for batch in batches]
    lines = [list(map(jsonl.line, some)) for some in candles]
    stages: dict[str, Callable[[], object]] = {
        "cut: frames out of a read": lambda: [cut(read) for read in reads],
        "JSON into structs alone (part of the next)": lambda: [
            list(map(decode_frame, batch)) for batch in batches
        ],
        "decode: checked candles": lambda: list(map(decode_klines, batches)),
        "order: each stream's series": lambda: _order(
            feed.streams, feed.first, candles
        ),
        "line: a record as text": lambda: [
            list(map(jsonl.line, some)) for some in candles
        ],
        "join and write to a file": lambda: _write(lines),
    }
    taken: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(repeats):
        for name, stage in stages.items():
            began = time.process_time()
            stage()
            taken[name].append((time.process_time() - began) / count * 1e6)
    return [
        {
            "figure": "stages",
            "stage": name,
            "cpu_us": round(median(values), 2),
        }
        for name, values in taken.items()
    ]


def _order(
    streams: Sequence[Stream], first: int, candles: Sequence[Sequence[Candle]]
) -> int:
    """How many candles took the short way."""
    series = {stream: Series(stream) for stream in streams}
    for one in series.values():
        one.begin(Moment(first, 0.0))
    followed = 0
    for some in candles:
        for candle in some:
            own = series[candle.stream]
            if own.follow(candle):
                followed += 1
            else:
                own.accept(candle, Moment(candle.event_time, 0.0))
    return followed


def _write(lines: Sequence[Sequence[str]]) -> None:
    fd = os.memfd_create("lines")
    for some in lines:
        data = joined(some)
        while data:
            data = data[os.write(fd, data[:MOST]) :]
    os.close(fd)
