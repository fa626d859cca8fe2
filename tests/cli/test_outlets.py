"""LineOutlet: lines go straight to a pipe, and by the loop where that could block."""

import math
import os
import select
import threading

import pytest

from klinetail.cli.outlets import LineOutlet
from klinetail.errors import OutputError
from klinetail.formats import jsonl
from klinetail.mailbox import Mailbox
from klinetail.sinks.stdout import ReaderGone, StdoutSink
from tests.sinks.test_stdout import candles, pipe, writable


class Loop:
    """A session's loop, as far as it concerns one outlet."""

    def __init__(self, fd, **options):
        self.box = Mailbox(jsonl.line, **options)
        self.woken = 0
        self.outlet = LineOutlet(StdoutSink(fd), self.box, self.wake)

    def wake(self):
        self.woken += 1

    def step(self, patience=0):
        """Once around."""
        fd, events = self.outlet.interest()
        poller = select.poll()
        poller.register(fd, events)
        ready = dict(poller.poll(patience)).get(fd, 0)
        assert self.outlet.step(ready, 5.0) == math.inf

    def run(self):
        """Until there is nothing more that can go out now."""
        while self.outlet.interest()[1] and writable(self.outlet.interest()[0]):
            self.step()


def test_what_comes_goes_straight_to_a_pipe():
    with pipe() as (reading, writing):
        loop = Loop(writing)
        for n in range(3):
            loop.outlet.put(candles(1, n), 0.0)
            assert os.read(reading, 9_999) == jsonl.encode(candles(1, n))
        assert not loop.woken
        loop.box.close()
        assert loop.outlet.done


def test_what_a_pipe_does_not_take_goes_out_by_the_loop():
    with pipe(4096) as (reading, writing):
        loop = Loop(writing)
        loop.outlet.put(candles(100), 0.0)
        loop.outlet.put(candles(50, 100), 0.0)
        assert loop.woken
        got = b""
        loop.box.close()
        while not loop.outlet.done:
            got += os.read(reading, 4096)
            loop.run()
        os.close(writing)
        while data := os.read(reading, 4096):
            got += data
        assert got == jsonl.encode(candles(150))


def test_a_file_is_written_by_the_loop_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        loop = Loop(file.fileno())
        loop.outlet.put(candles(10), 0.0)
        assert path.read_bytes() == b""
        assert loop.woken
        loop.run()
        assert path.read_bytes() == jsonl.encode(candles(10))


def test_forming_candles_that_nobody_asked_for_wake_nobody():
    with pipe() as (_, writing):
        loop = Loop(writing, updates=False)
        loop.outlet.put([], 0.0)
        assert not loop.woken


def test_a_reader_that_is_gone_is_told_in_the_loop():
    with pipe() as (reading, writing):
        loop = Loop(writing)
        os.close(reading)
        loop.outlet.put(candles(1), 0.0)  # raises nothing on a collector's thread
        assert loop.woken
        with pytest.raises(ReaderGone):
            loop.step()


def test_a_full_disk_is_told_in_the_loop():
    with open("/dev/full", "wb", buffering=0) as full:
        loop = Loop(full.fileno())
        loop.outlet.put(candles(1), 0.0)
        with pytest.raises(OutputError):
            loop.run()


def test_both_threads_write_one_order():
    """The loop steps all the time while the lines come, and nothing is overtaken."""
    with pipe(4096) as (reading, writing):
        loop = Loop(writing, capacity=10**6)
        got = []
        reader = threading.Thread(
            target=lambda: got.extend(iter(lambda: os.read(reading, 4096), b""))
        )
        reader.start()
        everything = candles(3_000)

        def bring():
            for at in range(0, 3_000, 7):
                loop.outlet.put(everything[at : at + 7], 0.0)
            loop.box.close()

        writer = threading.Thread(target=bring)
        writer.start()
        while not loop.outlet.done:
            loop.step(10)
        writer.join(15)
        os.close(writing)
        reader.join(15)
        assert b"".join(got) == jsonl.encode(everything)
