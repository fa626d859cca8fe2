"""stderr that delays nobody, over real pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from klinetail.cli.voice import Voice


def test_lines_come_out_in_order_and_escaped() -> None:
    read, write = os.pipe()
    voice = Voice(write)
    voice.say("one")
    voice.say("two \x1b[2J")
    voice.finish(30.0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        assert said.read() == b"klinetail: one\nklinetail: two \\x1b[2J\n"


def test_a_reader_that_sleeps_delays_nobody_and_hears_how_much_it_missed() -> None:
    read, write = os.pipe()
    voice = Voice(write)
    for number in range(5_000):
        voice.say(f"{number} " + "x" * 200)
    began = time.monotonic()
    voice.finish(0.05)
    assert time.monotonic() - began < 30, "it gave up waiting"
    data = b""
    while b"klinetail: 4999 " not in data:
        data += os.read(read, 65_536)
    voice.finish(30.0)
    os.close(write)
    os.close(read)
    assert b"lines could not be said in time" in data


def test_a_stderr_that_is_gone_is_no_reason_to_fail() -> None:
    read, write = os.pipe()
    os.close(read)
    voice = Voice(write)
    voice.say("to nobody")
    voice.finish(30.0)
    os.close(write)


def test_one_that_waited_in_vain_does_not_wait_again() -> None:
    read, write = os.pipe()
    voice = Voice(write)
    voice.write(bytes(1 << 20))
    assert not voice.finish(0.01)
    began = time.monotonic()
    assert not voice.finish(3_600.0)
    assert time.monotonic() - began < 60
    os.close(read)
    os.close(write)


def test_what_could_not_be_written_is_known() -> None:
    with open("/dev/full", "wb") as full:
        voice = Voice(full.fileno())
        voice.say("to nobody")
        assert voice.finish(30.0)
        assert voice.failure is not None


def test_whatever_writes_to_stderr_waits_for_nobody() -> None:
    """A traceback, a warning and a library's log record, at a pipe that is full."""
    program = """
import fcntl, logging, os, sys, warnings
from klinetail.cli.voice import VOICE, speak_for_stderr
read, write = os.pipe()
os.write(write, bytes(fcntl.fcntl(write, 1032)))  # F_GETPIPE_SZ
os.dup2(write, 2)
speak_for_stderr()
warnings.warn("one")
logging.warning("two")
sys.excepthook(ValueError, ValueError("three"), None)
print("four", file=sys.stderr)
assert not VOICE.finish(0.01)
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
