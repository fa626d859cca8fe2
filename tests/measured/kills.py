"""SIGKILL at random moments of recordings: nothing is lost, doubled or torn.

A forked writer appends to a file, live and in large batches, and acknowledges every
batch; it is killed, and another one goes on from the file's own end. And the whole
program, at an exchange that runs fast.
"""

import contextlib
import gc
import os
import random
import signal
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from klinetail.candle import MINUTE, Stream
from klinetail.protocol.venues import LIVE
from klinetail.recordings.policy import FileOptions
from klinetail.recordings.tail import Recorded, tail_of
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from klinetail.sinks.file import FileSink
from tests.e2e.conftest import KLINETAIL, START, environment, urls
from tests.measured.recorded import STREAMS, Truth

KINDS = ("csv", "jsonl", "csv.gz", "csv.zst")
ROWS = 4_000
"""Candles of each stream that the writers of one file write."""
FOLLOWED = tuple(Stream.parse(name) for name in ("btcusdt", "ethusdt", "algousdt"))
"""The streams that the whole program follows."""
GENEROUS = msgspec.structs.replace(
    LIVE, limits=msgspec.structs.replace(LIVE.limits, weight_per_minute=10**9)
)
"""The exchange does not ban an address that starts a program twice a second."""
A_FILE = 40
"""Kills of the writers of one file."""

_ACK = struct.Struct("=3q")


def write_on(path, truth, rng, acks):
    """Go on with a file until the candles or the life end: a batch may be one live
    candle, a minute of all streams, or a page of a fill."""
    options = FileOptions(sync=rng.choice([None, 0.0, 0.001]))
    sink = FileSink(path, updates=rng.random() < 0.5, options=options)
    points = sink.tail(STREAMS).points()
    at = {s: (points.get(s, truth.first) - truth.first) // MINUTE for s in STREAMS}
    while any(at[stream] < ROWS for stream in STREAMS):
        size = rng.choice((1, 1, 1, 1, 1, 1, 2, 2, 40, 40, 499, 2_000))
        some = rng.sample(STREAMS, rng.randint(1, len(STREAMS)))
        batch = []
        for stream in some:
            batch += truth.rows[stream][at[stream] : min(at[stream] + size, ROWS)]
            at[stream] = min(at[stream] + size, ROWS)
        sink.write([sink.prepare(one) for one in batch])
        reached = sink.resume_points(STREAMS)
        os.write(acks, _ACK.pack(*(reached.get(stream, 0) for stream in STREAMS)))


def one_life(path, truth, rng):
    """Fork a writer, kill it; the resume points it acknowledged last."""
    acked, acks = os.pipe()
    seed, patience = rng.random(), rng.random() ** 2 * 0.012
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(acked)
            write_on(path, truth, random.Random(seed), acks)
            code = 0
        finally:
            os._exit(code)
    os.close(acks)
    if rng.random() < 0.5:  # at least some writes, and then in the middle of one
        os.read(acked, _ACK.size)
        time.sleep(patience / 4)
    else:
        time.sleep(patience)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    last = b""
    while data := os.read(acked, 1 << 16):
        last = (last + data)[-_ACK.size :]
    os.close(acked)
    points = _ACK.unpack(last) if len(last) == _ACK.size else ()
    failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
    return dict(zip(STREAMS, points, strict=False)), failed


def look(path):
    """The resume points in a file, and whether it ends in a torn line or frame."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return {}, False
    try:
        recorded = Recorded(path, fd)
        return recorded.tail(STREAMS).points(), recorded.end < recorded.size
    finally:
        os.close(fd)


def forked(kills, seed):
    """Kill forked writers; what is wrong in their files, and how many torn ends had to
    be cut."""
    rng = random.Random(seed)
    first = START - START % MINUTE - (ROWS + 10) * MINUTE
    truth = Truth(Synthetic(seed=seed, start=START), STREAMS, first, START)
    begins = dict.fromkeys(STREAMS, first)
    totals = {"kills": 0, "cut": 0, "candles": 0, "failed": 0}
    totals |= {"lost": 0, "doubled": 0, "other": 0, "torn": 0}
    gc.collect()
    gc.freeze()
    try:
        with tempfile.TemporaryDirectory() as folder:
            while totals["kills"] < kills:
                kind = KINDS[totals["kills"] // A_FILE % len(KINDS)]
                path = os.path.join(folder, f"m.{kind}")
                known = {}
                for _ in range(min(A_FILE, kills - totals["kills"])):
                    acked, failed = one_life(path, truth, rng)
                    totals["kills"] += 1
                    totals["failed"] += failed
                    known |= {s: p for s, p in acked.items() if p > known.get(s, 0)}
                    found, cut = look(path)
                    totals["cut"] += cut
                    for stream, point in known.items():
                        behind = max(0, point - found.get(stream, first))
                        totals["lost"] += behind // MINUTE
                if not size_of(path):
                    continue
                FileSink(path).close()
                sink = FileSink(path)
                sink.write([])  # cuts the torn end
                sink.close()
                faults, candles, _ = truth.faults(path, begins)
                totals["candles"] += candles
                for what, count in faults.items():
                    totals[what] += count
                os.unlink(path)
    finally:
        gc.unfreeze()
    return totals


def size_of(path):
    """The size of a file, bytes; 0 if it is absent."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def of_the_program(kind, kills, seed, folder, server):
    """Kill `klinetail watch --out` again and again; how far its file went back, and how
    often it refused to go on."""
    rng = random.Random(f"{seed}/{kind}")
    path = os.path.join(folder, f"p.{kind}")
    command = [*KLINETAIL, "watch", *map(str, FOLLOWED), "--out", path, *urls(server)]
    found = {"kills": 0, "lost": 0, "failed": 0}
    known = {}
    for _ in range(kills):
        process = subprocess.Popen(
            [*command, "-n", "3"],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        before, until = size_of(path), time.monotonic() + rng.choice((0.8, 20))
        while size_of(path) <= before and time.monotonic() < until:
            if process.poll() is not None:
                break
            time.sleep(0.01)
        time.sleep(rng.random() ** 2 * 0.8)
        found["failed"] += process.poll() is not None
        process.kill()
        process.communicate()
        found["kills"] += 1
        if size_of(path):
            points = tail_of(path, FOLLOWED).points()
            for stream, point in known.items():
                found["lost"] += max(0, point - points.get(stream, 0)) // MINUTE
            known |= points
    done = subprocess.run(
        [*command, "-n", "0", "--no-follow"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=300,
        check=False,
    )
    found["failed"] += done.returncode != 0
    return path, found


def program(kills, seed):
    """Kill the whole program; what is wrong in its files."""
    totals = {"kills": 0, "candles": 0, "failed": 0}
    totals |= {"lost": 0, "doubled": 0, "other": 0, "torn": 0}
    market = Synthetic(seed=seed, start=START)
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Synthetic(seed=seed, start=START), speed=600, venue=GENEROUS) as server,
        ThreadPoolExecutor(len(KINDS)) as pool,
    ):
        runs = [
            pool.submit(of_the_program, kind, kills // 4, seed, folder, server)
            for kind in KINDS
        ]
        ended = [run.result() for run in runs]
        first = START - START % MINUTE - 60 * MINUTE
        truth = Truth(market, FOLLOWED, first, server.now())
        for path, found in ended:
            for what, count in found.items():
                totals[what] += count
            if not size_of(path):
                totals["failed"] += 1
                continue
            faults, candles, _ = truth.faults(path)
            totals["candles"] += candles
            for what, count in faults.items():
                totals[what] += count
    return totals


def measure(quick, seed):
    return {
        "writer": forked(200 if quick else 10_000, seed),
        "program": program(12 if quick else 500, seed),
    }
