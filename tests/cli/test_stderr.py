"""stderr that delays nobody, over real pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from klinetail.candle import MINUTE
from klinetail.cli.stderr import StderrWriter
from klinetail.escape import LINE
from klinetail.events import GapEvent
from klinetail.kinds import Kind
from tests import starved
from tests.strategies import BTCUSDT_1M

PATIENCE = 60.0


@contextmanager
def heard() -> Iterator[tuple[StderrWriter, list[str]]]:
    """A writer and what comes out of it; all of it is there at the end."""
    read, write = os.pipe()
    lines: list[str] = []

    def listen() -> None:
        with os.fdopen(read, encoding="utf-8") as said:
            lines.extend(line.rstrip("\n") for line in said)

    listener = threading.Thread(target=listen)
    listener.start()
    writer = StderrWriter(write)
    yield writer, lines
    writer.finish(PATIENCE)
    os.close(write)
    listener.join(PATIENCE)


def gap(number: int) -> GapEvent:
    start = number * MINUTE
    return GapEvent(BTCUSDT_1M, start, start + MINUTE, "418")


def test_lines_come_out_in_order_and_escaped() -> None:
    read, write = os.pipe()
    writer = StderrWriter(write)
    writer.say("one")
    writer.say("two \x1b[2J")
    writer.finish(30.0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        assert said.read() == b"klinetail: one\nklinetail: two \\x1b[2J\n"


def test_a_reader_that_sleeps_delays_nobody_and_hears_how_much_it_missed() -> None:
    read, write = os.pipe()
    writer = StderrWriter(write)
    for number in range(5_000):
        writer.say(f"{number} " + "x" * 200)
    began = time.monotonic()
    writer.finish(0.05)
    assert time.monotonic() - began < 30, "it gave up waiting"
    data = b""
    while b"klinetail: 4999 " not in data:
        data += os.read(read, 65_536)
    writer.finish(30.0)
    os.close(write)
    os.close(read)
    assert b"lines were dropped: stderr is read too slowly" in data


def test_a_stderr_that_is_gone_is_no_reason_to_fail() -> None:
    read, write = os.pipe()
    os.close(read)
    writer = StderrWriter(write)
    writer.say("to nobody")
    writer.finish(30.0)
    os.close(write)


def test_no_line_is_longer_than_it_may_be() -> None:
    with heard() as (writer, lines):
        writer.say("x" * 4_000_000 + ": the reason")
        writer.say("\x1b" * 4_000)
        writer.say("wrote " + "y" * 4_000, Kind.RECEIPT)  # its words are our own
    assert [len(line) <= LINE for line in lines] == [True, True, False]
    assert lines[0].endswith("xxx: the reason")


def test_of_a_flood_some_lines_come_out_and_a_count_of_the_others() -> None:
    with heard() as (writer, lines):
        for number in range(86_401):
            writer.say(f"revised: {number}", Kind.REVISED)
        writer.say("news", Kind.LINK)
    assert "klinetail: news" in lines
    revised = [line for line in lines if line.startswith("klinetail: revised: ")]
    counts = [line for line in lines if " more lines about revisions left out" in line]
    left_out = sum(int(line.split()[1].replace(",", "")) for line in counts)
    assert len(revised) + left_out == 86_401
    assert revised[:50] == [f"klinetail: revised: {n}" for n in range(50)]


def test_what_was_left_out_is_said_without_another_line() -> None:
    read, write = os.pipe()
    writer = StderrWriter(write)
    for number in range(60):
        writer.say(f"revised: {number}", Kind.REVISED)
        writer.say(f"gap: {number}", Kind.GAP, gap(number))
    data = b""
    while b"left out" not in data or b"within a second" not in data:
        data += os.read(read, 65_536)
    assert b"klinetail: gap: 55 more within a second, 1970-01-01 00:05Z to " in data
    writer.finish(PATIENCE)
    os.close(write)
    os.close(read)


def test_a_reader_that_sleeps_misses_no_gap_while_other_lines_can_give_way() -> None:
    read, write = os.pipe()
    writer = StderrWriter(write)
    writer.say("gap: the first", Kind.GAP, gap(0))
    for number in range(5_000):
        writer.say(f"{number} " + "x" * 200)
    writer.say("the end")
    data = b""
    while b"klinetail: the end\n" not in data:
        data += os.read(read, 65_536)
    writer.finish(PATIENCE)
    os.close(write)
    os.close(read)
    assert b"klinetail: gap: the first\n" in data
    assert b"lines were dropped: stderr is read too slowly" in data


def test_lines_go_to_a_screen_while_there_is_one() -> None:
    shown: list[str] = []
    with heard() as (writer, lines):
        writer.through(shown.append)
        writer.say("on the screen \x1b[2J")
        for number in range(60):
            writer.say(f"revised: {number}", Kind.REVISED)
        writer.through(None)
        writer.say("on stderr")
    assert shown[0] == "klinetail: on the screen \\x1b[2J"
    assert len(shown) in (52, 53), "a busy machine lets more than 50 of them through"
    assert shown[-1].endswith(" about revisions left out")
    assert lines == ["klinetail: on stderr"]


def test_a_screen_hears_of_what_was_left_out_too() -> None:
    shown: list[str] = []
    counted = threading.Event()

    def show(line: str) -> None:
        shown.append(line)
        if line.endswith(" about revisions left out"):
            counted.set()

    with heard() as (writer, lines):
        writer.through(show)
        for number in range(500):
            writer.say(f"revised: {number}", Kind.REVISED)
        assert counted.wait(PATIENCE)
    assert lines == []


def test_one_that_waited_in_vain_does_not_wait_again() -> None:
    read, write = os.pipe()
    writer = StderrWriter(write)
    writer.write(bytes(1 << 20))
    assert not writer.finish(0.01)
    began = time.monotonic()
    assert not writer.finish(3_600.0)
    assert time.monotonic() - began < 60
    os.close(read)
    os.close(write)


def test_what_could_not_be_written_is_known() -> None:
    with open("/dev/full", "wb") as full:
        writer = StderrWriter(full.fileno())
        writer.say("to nobody")
        assert writer.finish(30.0)
        assert writer.failure is not None


def test_whatever_writes_to_stderr_waits_for_nobody() -> None:
    """A traceback, a warning and a library's log record, at a pipe that is full."""
    program = """
import fcntl, logging, os, sys, warnings
from klinetail.cli.stderr import STDERR, take_over_stderr
read, write = os.pipe()
os.write(write, bytes(fcntl.fcntl(write, 1032)))  # F_GETPIPE_SZ
os.dup2(write, 2)
take_over_stderr()
warnings.warn("one")
logging.warning("two")
sys.excepthook(ValueError, ValueError("three"), None)
print("four", file=sys.stderr)
assert not STDERR.finish(0.01)
while b"four" not in (said := os.read(read, 1 << 20)):
    sys.stdout.buffer.write(said.lstrip(bytes(1)))
print(said.decode(), sys.stderr.isatty(), sys.stderr.fileno())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = ["UserWarning: one", "two", "ValueError: three", "four", "False 2"]
    places = [done.stdout.index(word) for word in words]
    assert places == sorted(places)


def test_what_there_is_no_thread_for_is_said_as_soon_as_there_is() -> None:
    assert starved.run(STARVED) == "klinetail: one\nklinetail: two\nklinetail: three\n"


STARVED = """
from klinetail.cli.stderr import StderrWriter

writer = StderrWriter(1)
starve()
writer.say("one")
writer.finish(0.0)
feed()
writer.say("two")
writer.finish(60.0)
starve()
writer.say("three")
feed()
writer.finish(60.0)
"""
