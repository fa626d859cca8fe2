"""Fakes at the seams of a recorder: a sink in memory, an exchange to fetch from, a
clock."""

import math
import queue
import time

from klinetail.recordings.cursor import Tail
from klinetail.recordings.policy import Resume
from klinetail.sinks.recorder import Plan, Recorder
from klinetail.sinks.sink import Retry
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M

PATIENCE = 60.0


def until(condition):
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


class Recording:
    """A sink that keeps candles.

    `faults` are raised first, one a call of `write`; then `broken`, while it is set.
    """

    resumes = True
    due = math.inf
    retry = Retry((OSError,), first=0.5, longest=30.0)

    def __init__(self, held=()):
        self.name = "m.csv"
        self.written = 0
        self.kept = list(held)
        self.faults = []
        self.broken = None
        self.closed = False
        self.looks = 0
        self.writes = []
        self.reached = {}
        self.flushes = 0

    def prepare(self, record):
        return record

    def write(self, batch):
        assert not self.closed
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        if (broken := self.broken) is not None:
            time.sleep(0.001)
            raise broken
        self.writes.append(len(batch))
        self.kept += batch
        self.written += len(batch)
        for one in batch:
            if one.closed:
                self.reached[one.stream] = one.close_time + 1

    def flush(self):
        self.flushes += 1
        self.write([])

    def resume_points(self, streams):
        return {s: self.reached[s] for s in streams if s in self.reached}

    def look_again(self):
        self.looks += 1

    def tail(self, streams):
        tail = Tail()
        for one in self.kept:
            tail.latest.setdefault(one.stream, []).append(one)
        tail.latest = {s: some[-3:] for s, some in tail.latest.items()}
        return tail

    def wrote(self):
        return [(self.name, self.written)]

    def close(self):
        self.closed = True


class Call:
    """A fetch, driven by a test."""

    def __init__(self, exchange, starts, on_records, on_trouble, on_end):
        self.starts = dict(starts)
        self.records, self.trouble, self.end = on_records, on_trouble, on_end
        self.stopped = False
        self._exchange = exchange

    def exchange_time(self):
        return self._exchange.time

    def stop(self):
        self.stopped = True


class Exchange:
    """Begins fetches; a test takes each from `calls`."""

    def __init__(self, now):
        self.time = now
        self.calls = queue.Queue()
        self.faults = []

    def __call__(self, starts, on_records, on_trouble, on_end):
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        call = Call(self, starts, on_records, on_trouble, on_end)
        self.calls.put(call)
        return call

    def call(self):
        """The next fetch that begins."""
        return self.calls.get(timeout=PATIENCE)


class Run:
    """A recorder of a sink, and what the recorder tells.

    Args:
        held: candles that the recording holds.
        now: exchange time, as a number of candles.
        resume, lines, updates, streams: of the plan.
        most: candles that wait at most.
        random: the part of the greatest pause between two attempts.
    """

    def __init__(
        self,
        held=(),
        *,
        now=10,
        resume=Resume.FILL,
        lines=0,
        updates=False,
        streams=(BTCUSDT_1M,),
        most=1000,
        sink=None,
        random=0.0,
        exchange=None,
    ):
        self.sink = sink or Recording(held)
        self.exchange = exchange or Exchange(candles(1, now)[0].open_time)
        self.clock = [1000.0]
        self.said, self.notes, self.gaps = [], [], []
        self.ended = queue.Queue()
        self.recorder = Recorder(
            self.sink,
            self.sink.tail(streams),
            Plan(streams, resume, lines, updates),
            self.exchange,
            on_end=self.ended.put,
            on_gap=lambda name, gap: self.gaps.append((name, gap)),
            say=self.said.append,
            note=self.notes.append,
            monotonic=lambda: self.clock[0],
            random=lambda: random,
            most=most,
        )

    def __enter__(self):
        self.recorder.start()
        return self

    def __exit__(self, *error):
        self.recorder.abandon()
        self.recorder.join(PATIENCE)
        assert not self.recorder.is_alive()
        assert self.sink.closed

    @property
    def kept(self):
        return self.sink.kept

    def put(self, some):
        self.recorder.put(some, 0.0)

    def later(self, seconds):
        """Let time pass for the recorder."""
        self.clock[0] += seconds
        self.recorder.look_again()  # wakes the recorder

    def handled(self):
        """Wait until all that came so far was handled, or the recorder has ended."""
        looks = self.sink.looks
        self.recorder.look_again()
        until(lambda: self.sink.looks > looks or self.recorder.done)

    def feed(self, call, start, end, step):
        """Have a fetch bring candles piece by piece, each handled before the next."""
        for at in range(start, end, step):
            if at > start:
                self.handled()
            call.records(candles(min(step, end - at), at))

    def wrote(self, some):
        """Wait until the recording holds exactly these candles."""
        until(lambda: len(self.kept) >= len(some))
        assert self.kept == list(some)

    def end(self):
        """The error that ended the recording, once nothing is missing."""
        self.recorder.close()
        return self.ended.get(timeout=PATIENCE)
