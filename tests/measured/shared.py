"""What the figures share: a collector that is timed, processes, and statistics."""

import contextlib
import os
import re
import signal
import statistics
import subprocess
import threading
import time

from klinetail import DataCollector
from klinetail.candle import Interval, Stream
from klinetail.events import LinkEvent, LinkState
from tests.collector.collecting import Seen
from tests.e2e.conftest import KLINETAIL, environment

START = 1_760_000_000_000
BTC = Stream("BTCUSDT", Interval.M1)
ETH = Stream("ETHUSDT", Interval.M1)
THIN = Stream("ALGOUSDT", Interval.M1)
STREAMS = [BTC, ETH, THIN]


class Timed(Seen):
    """What a collector delivered, and when."""

    def __init__(self):
        super().__init__()
        self.came = []
        """Monotonic seconds of each candle."""
        self.links = []
        """Monotonic seconds and event of each change of a link."""

    def candle(self, candle):
        self.came.append(time.monotonic())
        super().candle(candle)

    def event(self, event):
        if isinstance(event, LinkEvent):
            self.links.append((time.monotonic(), event))
        super().event(event)

    def first(self, state, since, words=""):
        """When a link first was in this state after `since`, for a reason like these
        words; None if never."""
        for at, event in list(self.links):
            if at >= since and event.state is state and re.search(words, event.reason):
                return at
        return None

    def count(self, state):
        return sum(event.state is state for _, event in list(self.links))

    def wait_for(self, true, seconds):
        """Look every 10 ms whether it is true; what it was at the end."""
        until = time.monotonic() + seconds
        while not (found := true()) and time.monotonic() < until:
            time.sleep(0.01)
        return found


@contextlib.contextmanager
def collecting(streams, seen, venue, **options):
    """A collector at work; stopped at the end."""
    collector = DataCollector(
        streams, seen.candle, on_event=seen.event, venue=venue, **options
    )
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()


def live(seen, since=0.0, seconds=60):
    """Wait until it is live."""
    assert seen.wait_for(lambda: seen.first(LinkState.LIVE, since), seconds)


class Process:
    """`klinetail` as a process, its stderr read as it comes; a context manager."""

    def __init__(self, *arguments, env=None, **options):
        self.process = subprocess.Popen(
            [*KLINETAIL, *arguments],
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            **options,
        )
        self.err = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while data := os.read(self.process.stderr.fileno(), 65_536):
            self.err += data

    def says(self, words, seconds=60):
        """Wait for words on stderr."""
        until = time.monotonic() + seconds
        while words not in self.err:
            assert time.monotonic() < until, (words, self.err[-500:])
            assert self.process.poll() is None or self._reader.is_alive(), self.err
            time.sleep(0.01)

    def peak(self):
        """The most memory it had so far, in MB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)

    def join(self):
        """Wait until all of stderr is read."""
        self._reader.join(5)

    def end(self, number=signal.SIGINT, seconds=30):
        """Signal it; what came out of stdout till its end, and how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        rest = self.process.stdout.read() if self.process.stdout else b""
        self.process.wait(seconds)
        took = time.monotonic() - began
        self.join()
        return rest, took

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def spread(values, digits=2):
    """Number, median, 99th percentile and greatest of some seconds."""
    if not values:
        return {"n": 0}
    values = sorted(values)
    return {
        "n": len(values),
        "p50": round(statistics.median(values), digits),
        "p99": round(values[min(len(values) - 1, int(len(values) * 0.99))], digits),
        "max": round(values[-1], digits),
    }
