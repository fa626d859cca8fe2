"""Six hours without the exchange, for 300 streams, at speed: what comes afterwards."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.formats import jsonl
from klinetail.sim.recorded import Recorded
from klinetail.sim.server import Server
from tests.measured.shared import START, Process
from tests.toxic import Toxic

SPEED = 180
HOUR = 60 * MINUTE


def measure(quick, seed):
    streams, hours = (20, 0.5) if quick else (300, 6)
    day = START - START % (24 * HOUR)
    rows = [
        row(stream_of(n), day + minute * MINUTE, seed + 7 * n + minute)
        for n in range(streams)
        for minute in range(int(4 * hours * 60) + 240)
    ]
    with (
        Server(Recorded(rows), speed=SPEED, start=day + HOUR) as server,
        Toxic(server.port) as line,
        TemporaryDirectory() as folder,
    ):
        out = Path(folder) / "out.jsonl"
        names = [stream_of(n).symbol.lower() for n in range(streams)]
        route = ["--ws-url", f"ws://127.0.0.1:{line.port}/market"]
        route += ["--rest-url", f"http://127.0.0.1:{line.port}"]
        with (
            out.open("wb") as file,
            Process("watch", *names, "1m", "-n0", *route, stdout=file) as watch,
        ):
            time.sleep(5 if quick else 15)
            before = watch.peak()
            line.refuse()
            line.cut()
            gone = server.now()
            while server.now() < gone + hours * HOUR:
                time.sleep(0.1)
            line.heal()
            back, back_at = time.monotonic(), server.now()
            whole_after = wait_until_whole(out, streams, back_at)
            peak = watch.peak()
            watch.end()
            said = watch.err.decode().splitlines()[-1]
            candles = [jsonl.decode(text) for text in out.open("rb")]
            return {
                "streams": streams,
                "hours": hours,
                "speed": SPEED,
                "seconds_until_all_had_the_outage": round(whole_after - back, 1),
                "wrong_or_out_of_order": wrong(server, candles),
                "candles": len(candles),
                "peak_mb_before": before,
                "peak_mb": peak,
                "receipt": said,
            }


def stream_of(number):
    return Stream(f"S{number:03}USDT", Interval.M1)


def row(stream, open_time, value):
    price = f"{100 + value % 50}.{value % 10}"
    volumes = ("3", open_time + MINUTE - 1, "300", 1 + value % 9, "1", "100")
    prices = (price, price, price, price)
    return Candle(stream, open_time, *prices, *volumes, True, Source.REST)


def wait_until_whole(out, streams, back_at):
    """When every stream's output had passed the moment of the return."""
    seen, left = {}, 600
    with out.open("rb") as file:
        until = time.monotonic() + left
        while time.monotonic() < until:
            for text in file:
                candle = jsonl.decode(text)
                seen[candle.stream] = candle.close_time
            if len(seen) == streams and min(seen.values()) >= back_at - 2 * MINUTE:
                return time.monotonic()
            time.sleep(0.1)
    raise AssertionError(f"not whole after {left} s")


def wrong(server, candles):
    """Candles that are not the one that had to come next of their stream."""
    last, count = {}, 0
    for candle in candles:
        expected = last.get(candle.stream, candle.open_time)
        (truth,) = server.market.klines(
            candle.stream, candle.open_time, None, 1, now=server.now()
        )
        same = truth.texts == candle.texts and truth.count == candle.count
        count += candle.open_time != expected or not same
        last[candle.stream] = candle.close_time + 1
    return count
