"""F17: clocks that step, processes that stand still, machines that sleep, an exchange
whose `/time` lies."""

import itertools
import re
import signal
import tempfile
import threading
import time
from collections import Counter

from klinetail.candle import Interval, Source, Stream
from klinetail.events import DropEvent, GapEvent, LinkState
from klinetail.protocol.venues import own_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import urls
from tests.e2e.processes import candles
from tests.measured import lies
from tests.measured.shared import START, STREAMS, Process, Timed, collecting, live
from tests.measured.truth import agree, rows_of
from tests.toxic import Toxic, nothing, same

HOUR = 3_600_000
STEPS = {
    "/time +1 h": (HOUR, 0),
    "/time -1 h": (-HOUR, 0),
    "event times +1 h": (0, HOUR),
    "event times -1 h": (0, -HOUR),
    "both +1 h": (HOUR, HOUR),
    "both -1 h": (-HOUR, -HOUR),
}
"""What the exchange's clock is off by, in its answers and in its frames."""

WALL = """\
import itertools, time
real, real_ns = time.time, time.time_ns
off = itertools.cycle([3600, -3600, 0, 86400]).__next__
time.time = lambda: real() + off()
time.time_ns = lambda: real_ns() + off() * 10**9
"""
"""A wall clock that steps each time it is looked at."""


def measure(quick, seed):
    found = {}

    def play(name, leg):
        began = time.monotonic()
        try:
            found[name] = leg()
        except Exception as error:  # noqa: BLE001 - a leg that failed is a figure too
            found[name] = {"failed": [f"{type(error).__name__}: {error}"]}
        found[name]["seconds"] = round(time.monotonic() - began, 1)

    legs = {
        **{
            name: lambda by=by: stepping(*by, rounds=2 if quick else 12, seed=seed)
            for name, by in STEPS.items()
        },
        "/time +1 h for long, thin": lambda: lasting(HOUR, 0, quick, seed),
        "both +1 h for long, thin": lambda: lasting(HOUR, HOUR, quick, seed),
        "stopped for 11 s": lambda: stopping(1 if quick else 5, seed),
        "12 h of sleep": lambda: sleeping(1 if quick else 3, seed),
        "wall clock steps": lambda: wall(seed),
        **{
            f"lies: {name}, speed {speed}": lambda name=name, speed=speed: lies.play(
                name, speed, seed, quick=quick
            )
            for name in lies.LEGS
            for speed in (1, 60)
        },
    }
    threads = [threading.Thread(target=play, args=leg) for leg in legs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for leg in found.values():
        leg.setdefault("failed", why_failed(leg))
    return {
        "failed": {
            name: found[name]["failed"] for name in legs if found[name]["failed"]
        },
        "wrong_closes": sum(leg.get("wrong", 0) for leg in found.values()),
        "closed_candles": sum(leg.get("closed", 0) for leg in found.values()),
        "lies": sum(leg.get("lies", 0) for leg in found.values()),
        "legs": {name: found[name] for name in legs},
    }


def why_failed(leg):
    """What of a leg should not be."""
    return [f"{key} {leg[key]}" for key in ("wrong", "holes", "gaps") if leg[key]]


def compared(server, closed, gaps=()):
    """How closed candles differ from the exchange's own: wrong values, doubles and
    holes; what is in an announced gap is no hole."""
    wrong, holes = 0, 0
    for stream in {candle.stream for candle in closed}:
        mine = [candle for candle in closed if candle.stream == stream]
        times = [candle.open_time for candle in mine]
        length = stream.interval.length
        wrong += sum(b <= a for a, b in itertools.pairwise(times))
        count = (times[-1] - times[0]) // length + 1
        truth = rows_of(server, stream, min(times), max(times))
        wrong += sum(not agree(candle, truth.get(candle.open_time)) for candle in mine)
        announced = sum(
            gap.start <= at < gap.end
            for gap in gaps
            if gap.stream == stream and not gap.filled
            for at in range(times[0], times[-1], length)
        )
        holes += count - len(mine) - announced
    return {
        "closed": len(closed),
        "by_rest": sum(candle.source is Source.REST for candle in closed),
        "wrong": wrong,
        "holes": holes,
        "gaps": len([gap for gap in gaps if not gap.filled]),
    }


def closed_of(seen):
    return [candle for candle in list(seen.candles) if candle.closed]


def gaps_of(seen):
    return [event for event in list(seen.events) if isinstance(event, GapEvent)]


def stepping(answers, frames, *, rounds, seed):
    """The exchange's clock is off for 3 s, then right for 2 s, and again; every other
    time the line breaks meanwhile, so that its time is read anew."""
    seen = Timed()
    with (
        Server(Synthetic(seed=seed, start=START), speed=60) as server,
        Toxic(server.port) as line,
        Toxic(server.port) as rest,
    ):
        venue = own_venue(f"{line.ws_url}/market", rest.rest_url)
        with collecting(STREAMS, seen, venue, lines=3, random=lambda: 0.05):
            live(seen)
            for number in range(rounds):
                rest.down = off(rb'("serverTime":)(\d{13})', answers)
                line.down = off(rb'("E":)(\d{13})', frames)
                if number % 2:
                    line.cut()
                time.sleep(3)
                rest.down = line.down = same
                time.sleep(2)
            goes_on(seen)
        found = compared(server, closed_of(seen), gaps_of(seen))
    drops = Counter(event.why for event in seen.events if isinstance(event, DropEvent))
    return {**found, "dropped": drops, "reconnects": seen.count(LinkState.WAITING)}


def lasting(answers, frames, quick, seed):
    """It is off for minutes, at the pace of real time: time enough to take a candle
    in which little is traded for a finished one."""
    seen = Timed()
    thin = [Stream("ALGOUSDT", interval) for interval in (Interval.M1, Interval.M3)]
    with (
        Server(Synthetic(seed=seed, start=START)) as server,
        Toxic(server.port) as line,
        Toxic(server.port) as rest,
    ):
        venue = own_venue(f"{line.ws_url}/market", rest.rest_url)
        with collecting(thin, seen, venue, lines=3, random=lambda: 0.05):
            live(seen)
            rest.down = off(rb'("serverTime":)(\d{13})', answers)
            line.down = off(rb'("E":)(\d{13})', frames)
            line.cut()
            time.sleep(5 if quick else 150)
            rest.down = line.down = same
            line.cut()
            time.sleep(5 if quick else 70)
        return compared(server, closed_of(seen), gaps_of(seen))


def off(pattern, by):
    """Changes the times in what passes."""
    return lambda data: re.sub(
        pattern, lambda found: found[1] + b"%d" % (int(found[2]) + by), data
    )


def goes_on(seen, more=5, seconds=90):
    """Wait for further closed candles of each stream."""
    wanted = {stream: len(seen.closed(stream)) + more for stream in STREAMS}
    assert seen.wait_for(
        lambda: all(len(seen.closed(one)) >= count for one, count in wanted.items()),
        seconds,
    ), "not all streams go on"


def stopping(times, seed):
    """The process stands still, and the exchange goes on."""
    with (
        Server(Synthetic(seed=seed, start=START), speed=60) as server,
        Process(
            "watch", "btcusdt", "ethusdt", "algousdt", "1m", "-n", "5", *urls(server)
        ) as process,
    ):
        got = bytearray()
        reading = threading.Thread(target=read, args=(process, got), daemon=True)
        reading.start()
        time.sleep(4)
        for _ in range(times):
            process.process.send_signal(signal.SIGSTOP)
            time.sleep(11)
            process.process.send_signal(signal.SIGCONT)
            time.sleep(6)
        return ended(server, process, reading, got)


def wall(seed):
    """The local wall clock steps by an hour and a day at each look."""
    with tempfile.TemporaryDirectory() as place:
        with open(f"{place}/sitecustomize.py", "w") as file:
            file.write(WALL)
        with (
            Server(Synthetic(seed=seed, start=START), speed=60) as server,
            Process(
                *("watch", "btcusdt", "ethusdt", "algousdt", "1m", "-n", "5"),
                *urls(server),
                env={"PYTHONPATH": place},
            ) as process,
        ):
            got = bytearray()
            reading = threading.Thread(target=read, args=(process, got), daemon=True)
            reading.start()
            time.sleep(10)
            server.disconnect_all(1001)
            time.sleep(10)
            return ended(server, process, reading, got)


def read(process, into):
    while data := process.process.stdout.read1(65_536):
        into += data


def ended(server, process, reading, got):
    process.process.terminate()
    process.process.wait(10)
    reading.join(10)
    said = process.err.decode().splitlines()
    found = compared(server, candles(bytes(got)))
    return {**found, "gaps": sum("gap:" in line for line in said), "receipt": said[-1]}


def sleeping(times, seed):
    """The machine sleeps for 12 h, in which the line dies without a word."""
    seen = Timed()
    slept = [0.0]
    market = Synthetic(seed=seed, start=START)
    awake = []
    with (
        Server(market, monotonic=lambda: time.monotonic() + slept[0]) as server,
        Toxic(server.port) as line,
    ):
        venue = own_venue(f"{line.ws_url}/market", f"http://127.0.0.1:{server.port}")
        options = {"random": lambda: 0.05, "slept": lambda: slept[0], "lines": 3}
        with collecting(STREAMS, seen, venue, **options):
            live(seen)
            for _ in range(times):
                had = len(closed_of(seen))
                line.down = line.up = nothing
                slept[0] += 12 * 3600
                began = time.monotonic()
                time.sleep(0.2)
                line.cut()
                line.heal()
                wanted = had + 3 * 719
                assert seen.wait_for(
                    lambda wanted=wanted: len(closed_of(seen)) >= wanted, 120
                ), f"{len(closed_of(seen)) - had} came"
                awake.append(round(time.monotonic() - began, 2))
                live(seen, began)
        found = compared(server, closed_of(seen), gaps_of(seen))
    return {
        **found,
        "whole_again_s": awake,
        "reconnects": seen.count(LinkState.WAITING),
    }
