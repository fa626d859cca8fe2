"""F13: a reader of stdout that is much slower than the candles come."""

import re
import threading
import time

from klinetail.candle import DAY, MINUTE
from klinetail.sim.recorded import Recorded
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import START, urls
from tests.e2e.processes import candles, check_whole
from tests.measured.outage import row, stream_of
from tests.measured.shared import Process

SYMBOLS = ["btcusdt", "ethusdt", "solusdt", "xrpusdt", "dogeusdt", "algousdt"]
INTERVALS = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h"]
LIMIT = 65_536
RECEIPT = re.compile(r"klinetail: ([\d,]+) candles?").search


def measure(quick, seed):
    return {
        "streams": len(SYMBOLS) * len(INTERVALS),
        "within": within(20 if quick else 240, seed),
        "past": past(seed),
        "long": long(70 if quick else 3600, 20 if quick else 500, seed),
    }


def long(seconds, streams, seed):
    """A line a second of many streams at the pace of real time, then all at once."""
    day = START - START % DAY
    rows = [
        row(stream_of(n), day + minute * MINUTE, seed + 7 * n + minute)
        for n in range(streams)
        for minute in range(4 * 60 + seconds // 15)
    ]
    names = [stream_of(n).symbol.lower() for n in range(streams)]
    with (
        Server(Recorded(rows)) as server,
        Process("watch", *names, "1m", "-n0", *urls(server), bufsize=0) as process,
    ):
        got = slowly(process.process.stdout, seconds)
        behind = process.peak()
        read = got.count(b"\n")
        process.process.terminate()
        # Stopping takes 2 s at most, so the reader has to be quick now.
        got += process.process.stdout.read()
        code = process.process.wait(10)
        closed = candles(bytes(got))
        check_whole(server, closed)
    receipt = int(RECEIPT(process.err.decode())[1].replace(",", ""))
    return {
        "streams": streams,
        "seconds_slow": seconds,
        "lines_read_meanwhile": read,
        "candles": len(closed),
        "lost": receipt - len(closed),
        "streams_whole": len({candle.stream for candle in closed}),
        "peak_mb": behind,
        "exit": code,
    }


def watch(server, lines):
    return Process(
        "watch", *SYMBOLS, *INTERVALS, "-n", str(lines), "--weight", "100",
        *urls(server), bufsize=0,
    )  # fmt: skip


def within(seconds, seed):
    """A line a second for a while, then as fast as it goes: all must be there."""
    with Server(Synthetic(seed=seed, start=START), speed=600) as server:
        with watch(server, 300) as process:
            got = slowly(process.process.stdout, seconds)
            behind = process.peak()
            read = got.count(b"\n")
            rest = bytearray()
            reader = threading.Thread(
                target=drain, args=(process.process.stdout, rest), daemon=True
            )
            reader.start()
            process.says(b"stdout has caught up", 120)
            time.sleep(2)
            peak = process.peak()
            process.process.terminate()
            code = process.process.wait(10)
            reader.join(10)
            said = process.err.decode()
        closed = candles(bytes(got + rest))
        check_whole(server, closed)
    receipt = int(RECEIPT(said)[1].replace(",", ""))
    return {
        "seconds_slow": seconds,
        "lines_read_meanwhile": read,
        "candles": len(closed),
        "lost": receipt - len(closed),
        "streams_whole": len({c.stream for c in closed}),
        "peak_mb_behind": behind,
        "peak_mb": peak,
        "exit": code,
    }


def slowly(pipe, seconds):
    """Read a line a second."""
    got = bytearray()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        while not (byte := pipe.read(1)).endswith(b"\n"):
            got += byte
        got += byte
        time.sleep(1)
    return got


def drain(pipe, into):
    while data := pipe.read(65_536):
        into += data


def past(seed):
    """A reader that stands still while more than the limit comes."""
    market = Synthetic(seed=seed, start=START)
    with Server(market, speed=600) as server, watch(server, 1_600) as process:
        process.says(b"too far behind", 240)
        peak = process.peak()
        rest, _ = process.end()
        closed = candles(rest)
        check_whole(server, closed)
        said = process.err.decode()
    return {
        "exit": process.process.returncode,
        "said": [line for line in said.splitlines() if "behind" in line],
        "candles_out_before": len(closed),
        "more_than_the_limit": len(closed) >= LIMIT,
        "peak_mb": peak,
    }
