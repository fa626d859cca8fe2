"""A kill, or a failing call, before each call of a recording to the system.

A recording with a torn end goes on: its hole is filled, and live candles follow. In a
process of its own, the N-th call that changes the file or opens it is the last one, or
fails, for N = 1, 2, 3 and so on until a run makes fewer calls. Then the recording is
started again without faults, and has to hold every candle once.
"""

import errno
import gc
import os
import signal
import tempfile
import time

from klinetail.candle import MINUTE
from klinetail.errors import KlinetailError
from klinetail.recordings.policy import FileOptions, Resume
from klinetail.recordings.tail import kind_of
from klinetail.sim.synthetic import Synthetic
from klinetail.sinks.appender import Calls
from klinetail.sinks.file import FileSink
from klinetail.sinks.recorder import Plan, Recorder
from tests.e2e.conftest import START
from tests.measured.recorded import STREAMS, Truth

KINDS = ("csv", "jsonl", "csv.gz", "csv.zst")
FAULTS = ("kill", "kill in a write", "ENOSPC", "EIO", "a short write", "for good")
CALLS = ("open", "write", "ftruncate", "fdatasync", "fsync", "rename", "unlink")

NOT_REACHED, ENDED = 77, 5
"""Exit codes: the run made fewer calls; the recording ended with an error."""

TWO = STREAMS[:2]


class Faulty:
    """Replaces the calls of this process to the system, and counts them."""

    def __init__(self, number, fault):
        self.count = 0
        self.number = number
        self.fault = fault
        self.short = False
        for name in CALLS:
            setattr(os, name, self._counting(name, getattr(os, name)))

    def _counting(self, name, call):
        def counted(*arguments, **options):
            self.count += 1
            late = self.fault == "for good" and self.count > self.number
            if self.count == self.number or late:
                return self._fail(name, call, arguments)
            if self.short and name == "write":
                self.short = False
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*arguments, **options)

        return counted

    def _fail(self, name, call, arguments):
        if name == "write" and self.fault in ("kill in a write", "a short write"):
            fd, data = arguments
            written = call(fd, data[: len(data) // 2])
            if self.fault == "a short write":
                self.short = True
                return written
        if self.fault.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        number = errno.EIO if self.fault == "EIO" else errno.ENOSPC
        raise OSError(number, os.strerror(number))


class Past:
    """A fetch of candles, which is complete at once."""

    def __init__(self, truth, now):
        self._truth = truth
        self.now = now

    def __call__(self, starts, on_records, on_trouble, on_end):
        for stream, start in starts.items():
            rows = self._truth.rows[stream]
            at = (start - self._truth.first) // MINUTE
            while at < self.now:
                on_records(rows[at : min(at + 40, self.now)])
                at += 40
        on_end(None)
        return self

    def exchange_time(self):
        return self._truth.first + self.now * MINUTE + 1

    def stop(self):
        """Nothing is under way."""


def run(path, truth, live, end, *, patient, now=None):
    """Go on with a recording: fill what is missing before the candle `live`, and record
    the candles from there to `end`; the error that ended it, if any. At the start the
    exchange shows the candles before `now`, by default those before `live`."""
    # Not the default: this process may have replaced the calls since.
    calls = Calls(os.write, os.ftruncate, os.fdatasync)
    sink = FileSink(path, options=FileOptions(), calls=calls)
    try:
        tail = sink.tail(TWO)
    except BaseException:
        sink.close()
        raise
    errors = []
    past = Past(truth, now or live)
    recorder = Recorder(
        sink,
        tail,
        Plan(TWO, Resume.FILL, 3, updates=False),
        past,
        on_end=errors.append,
        on_gap=lambda *_: None,
        say=lambda _: None,
        random=lambda: 0.0,
    )
    recorder.start()
    before = sink.written
    for at in range(live, end, 10):
        batch = [one for s in TWO for one in truth.rows[s][at : min(at + 10, end)]]
        recorder.put(batch, 0.0)
        past.now = max(past.now, min(at + 10, end))
        until = time.monotonic() + (60 if patient else 0.0)
        while sink.written <= before and not recorder.done:
            if time.monotonic() >= until:
                break
            time.sleep(0.0002)
        before = sink.written
    recorder.close()
    recorder.join()
    return errors[0]


def one(path, truth, number, fault, live, end):
    """One run with a fault, in a process of its own; its exit code or signal."""
    child = os.fork()
    if not child:
        code = 1
        try:
            faulty = Faulty(number, fault)
            try:
                error = run(path, truth, live, end, patient=fault != "for good")
            except KlinetailError as problem:
                error = problem
            code = ENDED if error is not None else 0
            if faulty.count < number:
                code = NOT_REACHED
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def every_call(kind, fault, truth, live, end, folder):
    """Counts of the calls tried, and of what was wrong."""
    counts = {"runs": 0, "wrong": 0, "ended": 0}
    path = os.path.join(folder, f"m.{kind}")
    container, form = kind_of(path)
    begun = [one for s in TWO for one in truth.rows[s][:5]]
    torn = container.pack(form.encode(begun[:1]))[:20]
    begins = dict.fromkeys(TWO, truth.first)
    number = 0
    while True:
        number += 1
        with open(path, "wb") as file:
            file.write(container.pack(form.HEADER))
            file.write(container.pack(form.encode(begun)) + torn)
        code = one(path, truth, number, fault, live, end)
        if code == NOT_REACHED:
            return counts
        counts["runs"] += 1
        counts["ended"] += code == ENDED
        wrong = code not in (
            {-signal.SIGKILL} if fault.startswith("kill") else {0, ENDED}
        )
        if code == 0:  # it has recovered by itself
            faults, candles, _ = truth.faults(path, begins)
            wrong |= any(faults.values()) or candles != 2 * end
        wrong |= run(path, truth, end - 3, end, patient=False, now=end) is not None
        faults, candles, _ = truth.faults(path, begins)
        wrong |= any(faults.values()) or candles != 2 * end
        counts["wrong"] += wrong


def measure(quick, seed):
    end = 10 if quick else 250
    first = START - START % MINUTE - (end + 10) * MINUTE
    truth = Truth(Synthetic(seed=seed, start=START), TWO, first, START)
    figures = {}
    gc.collect()
    gc.freeze()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for kind in KINDS[::2] if quick else KINDS:
                for fault in FAULTS:
                    figures[f"{kind}, {fault}"] = every_call(
                        kind, fault, truth, end // 2, end, folder
                    )
    finally:
        gc.unfreeze()
    return {
        "candles": 2 * end,
        **{
            what: sum(counts[what] for counts in figures.values())
            for what in ("runs", "wrong", "ended")
        },
        "by_kind_and_fault": figures,
    }
