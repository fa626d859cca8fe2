"""Outlets: lines go straight to a pipe, and by the loop where that could block; the
table takes what it shows, when it shows it."""

import math
import os
import select
import threading
from datetime import UTC

import pytest

from klinetail.candle import Interval, Stream
from klinetail.cli.outlets import LineOutlet, TableOutlet
from klinetail.errors import OutputError
from klinetail.events import CandleEvent
from klinetail.formats import jsonl
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.mailbox import Mailbox
from klinetail.sinks.stdout import ReaderGone, StdoutSink
from klinetail.view.table import Table
from tests.sinks.pipes import candles, pipe, writable
from tests.strategies import candle


class Loop:
    """A session's loop, as far as it concerns one outlet."""

    def __init__(self, fd, **options):
        self.box = Mailbox(jsonl.line, **options)
        self.woken = 0
        self.sink = StdoutSink(fd, line=jsonl.line)
        self.outlet = LineOutlet(self.sink, self.box, self.wake)

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


def test_of_a_reader_that_is_lost_all_that_was_queued_goes_out():
    """The session is told of the loss by `on_pace`; it closes the mailbox."""
    with pipe(4096) as (reading, writing):
        loop = Loop(
            writing,
            capacity=1,
            most=3,
            on_pace=lambda *told: loop.box.close() if loop.box.lost else None,
        )
        filled = 0
        while writable(writing):
            loop.outlet.put(candles(1, filled), 0.0)
            filled += 1
        for n in range(filled, filled + 9):
            loop.outlet.put(candles(1, n), 0.0)
        assert not loop.outlet.done
        got = b""
        while not loop.outlet.done:
            got += os.read(reading, 4096)
            while writable(writing) and not loop.outlet.done:
                loop.step()
        loop.step()  # whatever else wakes the loop
        os.close(writing)
        while data := os.read(reading, 4096):
            got += data
        whole = len(got.splitlines())
        assert filled + 3 <= whole < filled + 9
        assert got == jsonl.encode(candles(whole))


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


STREAMS = [Stream(f"S{number}USDT", Interval.M1) for number in range(100)]
OPEN = 1_700_000_040_000
LINES = 24


class Screen:
    """Notes what it would show."""

    def __init__(self) -> None:
        self.due = 0.0
        self.frames: list[list[str]] = []

    def draw(self, view: Table, now: float) -> float:
        if now < self.due:
            return self.due
        self.due = now + 0.125
        self.frames.append([line.plain for line in view.render(120, LINES)])
        return now + 1.0


class Running:
    """An outlet over a table of 100 streams."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.woken = 0
        self.refreshed: list[float] = []
        self.latest = Latest(5, notify=self._wake)
        self.table = Table(STREAMS, tz=UTC, source="made up", real=False)
        self.outlet = TableOutlet(
            self.screen,  # type: ignore[arg-type]
            self.table,
            self.latest,
            self.refreshed.append,
        )

    def _wake(self) -> None:
        self.woken += 1

    def push(self, close: str) -> None:
        prices = ("100", "900", "1", close)
        for stream in STREAMS:
            forming = candle(OPEN, stream=stream, prices=prices, closed=False)
            self.latest.put([CandleEvent(forming)])

    def showing(self, text: str) -> int:
        return sum(text in line for line in self.screen.frames[-1])


@pytest.fixture
def running() -> Running:
    return Running()


def test_nothing_is_taken_before_a_frame_is_due(running: Running) -> None:
    assert running.outlet.step(0, 1.0) == 2.0
    running.push("123.40")
    assert running.outlet.step(0, 1.01) == running.screen.due
    assert len(running.latest.take()) == len(STREAMS)
    assert running.refreshed == [1.0]


def test_many_messages_wake_it_once_a_frame(running: Running) -> None:
    for frame in range(1, 4):
        for message in range(50):
            running.push(f"1{message}.5")
        assert running.woken == frame
        running.outlet.step(0, float(frame))
        assert running.showing("149.5") > 10


def test_streams_that_do_not_fit_are_left_alone(running: Running) -> None:
    running.outlet.step(0, 1.0)
    running.push("123.40")
    running.outlet.step(0, 2.0)
    shown = running.showing("123.40")
    assert 0 < shown < LINES
    assert list(running.table.shown) == STREAMS[:shown]
    assert len(running.latest.take()) == len(STREAMS) - shown
