"""stderr that delays nobody, over real pipes."""

from __future__ import annotations

import os
import time

from klinetail.cli.voice import Voice
from tests import starved


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


def test_what_there_is_no_thread_for_is_said_as_soon_as_there_is() -> None:
    assert starved.run(STARVED) == "klinetail: one\nklinetail: two\nklinetail: three\n"


STARVED = """
from klinetail.cli.voice import Voice

voice = Voice(1)
starve()
voice.say("one")
voice.finish(0.0)
feed()
voice.say("two")
voice.finish(60.0)
starve()
voice.say("three")
feed()
voice.finish(60.0)
"""
