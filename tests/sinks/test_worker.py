"""The worker: what is delivered reaches the sink in order, whatever that takes, and
what ends the sink is said."""

import contextlib
import os
import queue

import pytest

from klinetail.errors import OutputError
from klinetail.events import EndedEvent, GapEvent, LinkEvent, LinkState, RevisionEvent
from klinetail.formats import jsonl
from klinetail.pipeline.mailbox import Pace
from klinetail.sinks.file import FileSink
from klinetail.sinks.sink import Retry
from klinetail.sinks.worker import SinkWorker
from tests.sinks.memory import Memory
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M

PATIENCE = 60.0
GAP = GapEvent(BTCUSDT_1M, 0, 60_000, "why")
FILLED = GapEvent(BTCUSDT_1M, 0, 60_000, "why", tuple(candles(1)))
REVISION = RevisionEvent(None, candles(1)[0])


class Run:
    """A worker, and what it tells. Time passes only while the worker sleeps."""

    def __init__(self, sink, **options):
        self.sink = sink
        self.ended = queue.Queue()
        self.paces = []
        self.said = []
        self.slept = []
        self.worker = SinkWorker(
            sink,
            on_pace=lambda worker, pace, skipped: self.paces.append(pace),
            on_end=self.ended.put,
            say=self.said.append,
            monotonic=lambda: sum(self.slept),
            sleep=self.slept.append,
            random=lambda: 1.0,
            **{"updates": False, **options},
        )

    def __enter__(self):
        self.worker.start()
        return self

    def __exit__(self, *error):
        self.worker.close()
        self.worker.join(PATIENCE)
        assert not self.worker.is_alive()

    def end(self):
        """The error it ends with, once all that was put is written."""
        self.worker.close()
        return self.ended.get(timeout=PATIENCE)


def test_candles_and_the_events_that_the_sink_takes_come_in_order():
    with Run(Memory()) as run:
        some = candles(3)
        run.worker.put(some[:1], 1.0)
        assert run.worker.tell(GAP, 1.0)
        run.worker.put(some[1:], 1.0)
        assert run.worker.tell(FILLED, 1.0)
        assert run.worker.tell(REVISION, 1.0)
        assert not run.worker.tell(EndedEvent(BTCUSDT_1M, "CLOSE"), 1.0)
        assert not run.worker.tell(LinkEvent("link-0", LinkState.LIVE), 1.0)
        assert run.end() is None
    assert run.sink.kept == [some[0], GAP, *some[1:], FILLED, REVISION]
    assert run.sink.calls[-2:] == ["flush", "close"]
    assert run.said == []


def test_a_sink_that_takes_candles_alone_is_told_of_no_event(tmp_path):
    path = tmp_path / "a.jsonl"
    with Run(FileSink(str(path))) as run:
        run.worker.put(candles(1), 1.0)
        assert not run.worker.tell(GAP, 1.0)
        assert run.end() is None
    assert path.read_bytes() == jsonl.encode(candles(1))


def test_it_is_flushed_when_nothing_more_waits_and_closed_though_nothing_came():
    run = Run(Memory())
    for n in range(3):
        run.worker.put(candles(1, n), 1.0)
    with run:
        assert run.end() is None
    assert run.sink.calls == ["write", "flush", "close"]
    with Run(Memory()) as run:
        assert run.end() is None
    assert run.sink.calls in (["close"], ["write", "flush", "close"])


def test_what_the_sink_names_is_tried_again_with_growing_pauses_and_said_once():
    faults = [ConnectionError("no route")] * 4 + [None, ConnectionError("gone"), None]
    sink = Memory(faults)
    sink.retry = Retry((ConnectionError,), first=0.5, longest=3.0)
    with Run(sink) as run:
        some = candles(2)
        run.worker.put(some[:1], 1.0)
        while not sink.kept:
            assert run.worker.is_alive()
        run.worker.put(some[1:], 1.0)
        assert run.end() is None
    assert sink.kept == some
    assert run.slept == [0.5, 1.0, 2.0, 3.0, 0.5]
    assert run.said == [
        "memory: no route; tried again",
        "memory: works again after 6 s",
        "memory: gone; tried again",
        "memory: works again after 0 s",
    ]


def test_it_is_tried_again_for_as_long_as_the_sink_says():
    sink = Memory([TimeoutError()] * 99)
    sink.retry = Retry((TimeoutError,), seconds=5.0)
    with Run(sink) as run:
        run.worker.put(candles(1), 1.0)
        error = run.end()
    assert isinstance(error, OutputError)
    assert str(error) == "memory: TimeoutError"
    assert 5.0 <= sum(run.slept) <= 10.0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OutputError("memory: full"), "memory: full"),
        (ValueError("what"), "memory: a bug: ValueError('what')"),
        (OSError(28, "No space left on device"), "memory: No space left on device"),
        (MemoryError(), "memory: this machine has no memory left"),
    ],
)
@pytest.mark.parametrize("where", ["write", "flush", "close", "prepare"])
def test_whatever_else_a_sink_raises_ends_it_and_is_said(where, fault, words):
    def fail(*arguments):
        raise fault

    sink = Memory()
    setattr(sink, where, fail)
    with Run(sink) as run:
        run.worker.put(candles(1), 1.0)  # raises nothing
        error = run.end()
        assert isinstance(error, OutputError)
        assert str(error) == words
        run.worker.put(candles(1), 1.0)  # waits for nobody
    assert run.ended.empty()
    assert where == "close" or sink.calls[-1] == "close"


def test_what_came_before_one_that_could_not_be_prepared_is_written():
    class Picky(Memory):
        def prepare(self, record):
            if record is GAP:
                raise KeyError("gap")
            return record

    with Run(Picky()) as run:
        run.worker.put(candles(2), 1.0)
        run.worker.tell(GAP, 1.0)
        run.worker.put(candles(1, 2), 1.0)
        assert "KeyError" in str(run.end())
    assert run.sink.kept == candles(2)


def test_of_a_sink_that_is_too_slow_all_that_was_queued_is_written(tmp_path):
    path = tmp_path / "a.jsonl"
    run = Run(FileSink(str(path)), capacity=1, most=3)
    run.worker.put(candles(1), 1.0)
    run.worker.put(candles(9, 1), 0.0)
    with run:
        assert run.ended.get(timeout=PATIENCE) is None
    assert path.read_bytes() == jsonl.encode(candles(3))
    assert run.paces == [Pace.LOST]


def test_it_is_done_when_it_says_so(tmp_path):
    """The thread that is woken at the end looks once, and not again later."""
    path, seen = tmp_path / "a.csv", queue.Queue()

    def on_end(error):
        with FileSink(str(path)):  # closed and unlocked
            seen.put((worker.done, error))

    def nothing(*told):
        pass

    worker = SinkWorker(
        FileSink(str(path)), updates=False, on_pace=nothing, on_end=on_end, say=nothing
    )
    assert not worker.done
    worker.start()
    worker.close()
    assert seen.get(timeout=PATIENCE) == (True, None)
    worker.join(PATIENCE)


def test_a_file_that_somebody_closed_under_us(tmp_path):
    path = tmp_path / "a.csv"
    with Run(FileSink(str(path))) as run:
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}") == str(path):
                    os.close(int(name))
        run.worker.put(candles(1), 1.0)
        error = run.ended.get(timeout=PATIENCE)
        assert isinstance(error, OutputError)
        assert str(path) in str(error)
