"""The outputs of a run: each gets everything, ends alone, and is told of when it is not
done in time."""

import contextlib
import math
import os
import time

import pytest

from klinetail.cli.outputs import RunOutputs
from klinetail.cli.report import Report
from klinetail.cli.stderr import STDERR
from klinetail.errors import ExitCode
from klinetail.events import CandleEvent, GapEvent
from klinetail.formats import jsonl
from klinetail.pipeline.latest import Latest
from tests.cli.plans import plan
from tests.sinks.memory import Memory
from tests.sinks.pipes import candles, pipe
from tests.strategies import BTCUSDT_1M

GAP = GapEvent(BTCUSDT_1M, 0, 60_000, "why")
DEADLINE = 60.0


class Stdout:
    """What has a descriptor."""

    def __init__(self, fd):
        self.fd = fd

    def fileno(self):
        return self.fd


@pytest.fixture
def ends():
    """A pipe, the end that is read first; the other end is stdout."""
    with pipe() as (reading, writing):
        os.set_blocking(reading, False)
        yield reading, writing


class Run:
    def __init__(self, ends, **changes):
        self.latest = Latest(5)
        asked = plan(**changes)
        self.report = Report(asked)
        with contextlib.redirect_stdout(Stdout(ends[1])):
            self.outputs = RunOutputs(asked, self.latest, self.report, lambda: None)

    def step(self):
        ready = self.outputs.interest()
        return self.outputs.step(0 if ready is None else ready[1], time.monotonic())

    def end(self):
        self.outputs.close()
        until = time.monotonic() + DEADLINE
        while not self.outputs.done and time.monotonic() < until:
            self.step()
        assert self.outputs.done


def test_stdout_and_sinks_get_the_same_and_gaps_go_to_those_who_take_them(ends):
    sink = Memory()
    run = Run(ends, sinks=[sink])
    run.outputs.start()
    run.outputs.fanout.candles(candles(2))
    assert os.read(ends[0], 9_999) == jsonl.encode(candles(2)), "on this very thread"
    assert run.outputs.fanout.event(GAP)
    run.outputs.fanout.candles(candles(1, 2))
    run.end()
    assert os.read(ends[0], 9_999) == jsonl.encode(candles(1, 2))
    assert sink.kept == [*candles(2), GAP, *candles(1, 2)]
    assert run.outputs.gone is False
    assert run.report.code is ExitCode.OK


def test_a_sink_that_fails_ends_alone(ends, capfd):
    bad, good = Memory([ValueError("what")]), Memory()
    run = Run(ends, sinks=[bad, good])
    run.outputs.start()
    run.outputs.fanout.candles(candles(1))
    run.end()
    assert os.read(ends[0], 9_999) == jsonl.encode(candles(1))
    assert good.kept == candles(1)
    assert STDERR.finish(DEADLINE)
    assert capfd.readouterr().err == "klinetail: memory: a bug: ValueError('what')\n"
    assert run.report.code is ExitCode.OUTPUT


def test_nothing_is_left_when_the_reader_and_every_sink_is_gone(ends):
    run = Run(ends, sinks=[Memory([OSError(28, "full")])])
    run.outputs.start()
    assert not run.outputs.gone
    run.outputs.fanout.candles(candles(1))
    os.close(ends[0])
    run.outputs.fanout.candles(candles(1, 1))
    assert run.step() == math.inf
    assert run.outputs.interest() is None
    until = time.monotonic() + DEADLINE
    while not run.outputs.gone and time.monotonic() < until:
        time.sleep(0.001)
    assert run.outputs.gone


def test_what_is_not_done_in_time_is_named(ends, capfd):
    run = Run(ends, sinks=[Memory()])  # whose thread was never started
    run.outputs.fanout.candles(candles(2_000))
    run.outputs.close()
    assert not run.outputs.done
    run.outputs.say_unwritten()
    assert STDERR.finish(DEADLINE)
    assert capfd.readouterr().err == (
        "klinetail: stdout: not everything could be written in time\n"
        "klinetail: memory: not everything could be written in time\n"
    )
    assert run.report.code is ExitCode.OUTPUT


def test_a_table_comes_first_and_without_lines(ends):
    run = Run(ends, output="table")
    assert run.outputs.interest() is None
    run.outputs.fanout.candles(candles(1))
    run.outputs.fanout.event(GAP)
    assert run.latest.take() == [GAP, CandleEvent(candles(1)[0])]
    with pytest.raises(BlockingIOError):
        os.read(ends[0], 1)
