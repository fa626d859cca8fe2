"""Every beginning of a recording, as a kill or a loss of power leaves it: where it is
cut, and where each stream goes on."""

import os
import random
import tempfile
from itertools import accumulate

from klinetail.candle import Interval, Stream
from klinetail.errors import UsageError
from klinetail.recordings.tail import Recorded, kind_of
from tests.strategies import candle

KINDS = ("csv", "jsonl", "csv.gz", "csv.zst", "jsonl.zst")
"""The suffixes of recordings that are tried."""

NULS = (1, 2, 3, 5, 8, 60, 511, 4_096, 70_000)
"""Bytes that a loss of power leaves as NULs behind the last that reached the disk."""

STREAMS = (Stream("BTCUSDT", Interval.M1), Stream("币安人生USDT", Interval.M5))


def recording(kind, rows, rng):
    """The frames (or lines) of a recording, and the resume points after each of them:
    streams in turn, forming rows in between."""
    container, form = kind_of(f"m.{kind}")
    frames, points = [], []
    if form.HEADER:
        frames.append(container.pack(form.HEADER))
        points.append({})
    opens = dict.fromkeys(STREAMS, 1_700_000_100_000)
    reached, batch = {}, []
    for row in range(rows):
        stream = rng.choice(STREAMS)
        closed = rng.random() < 0.7
        digits = [f"{rng.randrange(10**6)}.{rng.randrange(100):02}" for _ in range(4)]
        low, first, last, high = sorted(digits, key=float)
        batch.append(
            candle(
                opens[stream],
                stream=stream,
                prices=(first, high, low, last),
                count=rng.randrange(1, 900),
                closed=closed,
            )
        )
        if closed:
            opens[stream] += stream.interval.length
            reached[stream] = opens[stream]
        if container.name == "plain" or rng.random() < 0.4 or row == rows - 1:
            frames.append(container.pack(form.encode(batch)))
            points.append({**reached})
            batch = []
    return frames, points


def examine(kind, rows, rng, *, nuls=NULS):
    """Counts of the prefixes that were tried, and of those that went wrong."""
    frames, points = recording(kind, rows, rng)
    content = b"".join(frames)
    ends = [0, *accumulate(map(len, frames))]
    after = [{}, *points]
    counts = {"prefixes": 0, "nul_tails": 0, "refused": 0, "wrong": 0}

    def look(fd, size, *, zeros):
        # NULs may happen to be the rest of a frame.
        beginning = content[:size] + bytes(zeros)
        whole = max(
            n
            for n, end in enumerate(ends)
            if end <= size or (end <= size + zeros and beginning[:end] == content[:end])
        )
        try:
            found = Recorded(f"m.{kind}", fd)
            right = found.end == ends[whole]
            right &= found.empty == (not ends[whole])
            right &= found.tail(STREAMS).points() == after[whole]
        except UsageError:
            counts["refused"] += 1
            return
        counts["wrong"] += not right

    with tempfile.TemporaryFile() as file:
        fd = file.fileno()
        os.write(fd, content)
        for size in range(len(content), -1, -1):
            os.ftruncate(fd, size)
            look(fd, size, zeros=0)
            counts["prefixes"] += 1
            zeros = rng.choice(nuls)
            os.ftruncate(fd, size + zeros)
            look(fd, size, zeros=zeros)
            counts["nul_tails"] += 1
            os.ftruncate(fd, size)
    return counts


def measure(quick, seed):
    rng = random.Random(seed)
    rows = {"csv": 60, "jsonl": 25, "csv.gz": 130, "csv.zst": 130, "jsonl.zst": 130}
    figures = {kind: examine(kind, 8 if quick else rows[kind], rng) for kind in KINDS}
    return {
        **{
            what: sum(counts[what] for counts in figures.values())
            for what in ("prefixes", "nul_tails", "refused", "wrong")
        },
        **figures,
    }
