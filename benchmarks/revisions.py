"""What it takes to tell a late revision from a duplicate: memory, and CPU at the moment
when all streams close."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.market import HOUR, streams
from klinetail.candle import DAY, MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.fingerprints import Fingerprints
from klinetail.contract.series import Series

KEPT = 16
"""Closed candles that are kept of each of all streams."""

_LATER = DAY // MINUTE // 10
"""Minutes of the second day that are played too."""


def measure_memory(count: int) -> dict[str, object]:
    """What a day's fingerprints of so many streams add to a process: nothing of it is
    spared by the candles that are kept anyway."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        hashes, taken = pool.apply(_remember, [count])
    return {"streams": count, "hashes": hashes, "taken_mb": round(taken / 1e6, 1)}


def _remember(count: int) -> tuple[int, int]:
    """How many hashes there are after a day, and how many bytes they added."""
    all_streams = streams(count)
    by_interval = {
        interval: [one for one in all_streams if one.interval is interval]
        for interval in Interval
    }
    start = HOUR - HOUR % DAY
    made = [_candle(stream, start, 0) for stream in all_streams]
    del made
    before = _resident()
    known = {stream: Fingerprints(stream.interval) for stream in all_streams}
    for opens in range(start, start + DAY + _LATER * MINUTE, MINUTE):
        for interval, some in by_interval.items():
            if interval.floor(opens) == opens:
                for n, stream in enumerate(some):
                    known[stream].add(_candle(stream, opens, n), opens - DAY)
    taken = _resident() - before
    last = start + DAY + (_LATER - 1) * MINUTE
    hashes = 0
    for stream, own in known.items():
        opens = stream.interval.floor(last)
        while opens in own:
            hashes += 1
            opens = stream.interval.shift(opens, -1)
    return hashes, taken


def _resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


def measure_hour(count: int, repeats: int) -> Iterator[dict[str, object]]:
    """CPU of the series when all streams close at once; in turn where no value need be
    remembered, where those that leave were remembered before, and where none were."""
    ways = {
        "nothing leaves what is kept": (2 * KEPT, True),
        "values remembered 3 s after the close before": (KEPT, True),
        "values remembered with the close": (KEPT, False),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (keep, ahead) in ways.items():
            taken[name].append(_close_all(streams(count), keep, ahead=ahead))
    for name, values in taken.items():
        yield {"way": name, "streams": count, "close_us": round(median(values), 2)}


def _close_all(all_streams: Sequence[Stream], keep: int, *, ahead: bool) -> float:
    """Microseconds of CPU a close, if each stream has delivered `KEPT` before."""
    series = []
    for n, stream in enumerate(all_streams):
        interval = stream.interval
        one = Series(stream, keep=keep)
        opens = interval.shift(interval.floor(HOUR), -KEPT)
        one.begin(Moment(opens, 0.0))
        for _ in range(KEPT):
            close = _candle(stream, opens, n)
            one.accept(close, Moment(close.event_time, 0.0))
            opens = close.close_time + 1
        if ahead:
            one.tick(Moment(opens + GRACE, 0.0))
        series.append((one, _candle(stream, opens, n)))
    gc.collect()
    began = time.process_time()
    for one, close in series:
        one.accept(close, Moment(close.event_time, 0.0))
    return (time.process_time() - began) / len(series) * 1e6


def _candle(stream: Stream, opens: int, number: int) -> Candle:
    close_time = stream.interval.close_time(opens)
    return Candle(
        stream,
        opens,
        f"{65_000 + number % 100}.10",
        f"{65_200 + number % 100}.90",
        f"{64_000 + number % 100}.00",
        f"{65_100 + number % 100}.50",
        f"{number}.500",
        close_time,
        f"{65_000 * number}.62500",
        number,
        "6.250",
        "406250.31250",
        True,
        Source.STREAM,
        close_time + 300,
    )
