"""A flood of revisions, the exchange's own messages by the ten thousand: what a person
gets to see of it, in a pipe and behind a table."""

import json
import re
import threading
import time
from typing import NamedTuple

import msgspec

from klinetail.candle import MINUTE
from klinetail.protocol.frames import encode_kline
from tests.e2e.terminals import Terminal
from tests.measured.shared import BTC, Process
from tests.venue import Ack, Heed, Stall, Text, Venue

BURST, RATE = 50, 10
"""Lines at once, and a second, as README promises."""

_CANDLES = 2
"""Of the three before the start; the newest may still be being confirmed."""

SAID = re.compile(r"klinetail: revised: ")
LEFT_OUT = re.compile(r"klinetail: ([0-9,]+) more lines? about revisions left out")


class Revisions(NamedTuple):
    """Closes of candles that were delivered, each time with another count of trades."""

    server: object
    number: int

    def play(self, peer):
        now = self.server.now()
        start = now - now % MINUTE - 4 * MINUTE
        rows = self.server.market.klines(BTC, start, None, 3, now=now)
        for n in range(self.number):
            candle = rows[n % len(rows)]
            candle = msgspec.structs.replace(
                candle,
                count=candle.count + 1 + n,
                event_time=candle.close_time + 200,
            )
            frame = encode_kline(candle, first_trade=1, last_trade=2, combined=False)
            Text(frame).play(peer)


class Await(NamedTuple):
    """Waits for an event: revisions of what nobody has yet are none."""

    event: threading.Event

    def play(self, peer):
        assert self.event.wait(60), "no candle came"


class Done(NamedTuple):
    """Sets an event."""

    event: threading.Event

    def play(self, peer):
        self.event.set()


def flood(server, place, number):
    """Figures of a flood of so many revisions, in a pipe and on a terminal."""
    return {
        "pipe": _flooded(server, number, f"{place}/pipe.json", in_pipe),
        "terminal": _flooded(server, number, f"{place}/terminal.json", in_terminal),
    }


def _flooded(server, number, stats, play):
    ready, sent = threading.Event(), threading.Event()
    script = [Ack(), Heed(), Text('{"result":null,"id":1}'), Await(ready)]
    script += [Revisions(server, number), Done(sent), Stall()]
    with Venue(script) as venue:
        words = ["watch", "btcusdt", "-n", "3", "--stats", stats]
        words += ["--ws-url", venue.ws_url]
        words += ["--rest-url", f"http://127.0.0.1:{server.port}"]
        began = time.monotonic()
        text = play(words, ready, sent)
        took = time.monotonic() - began
    with open(stats) as file:
        revisions = json.load(file)["revisions"]
    assert revisions > number / 2, (revisions, number)
    said = len(SAID.findall(text))
    counts = [int(n.replace(",", "")) for n in LEFT_OUT.findall(text)]
    return {
        "revisions": revisions,
        "lines": said + len(counts),
        "untold": revisions - said - sum(counts),
        "too_many": max(0, said - BURST - round(RATE * took)),
        "seconds": round(took, 1),
    }


def in_pipe(words, ready, sent):
    with Process(*words) as process:
        for _ in range(_CANDLES):
            assert process.process.stdout.readline()
        ready.set()
        _wait(sent, lambda: None)
        process.end(15)
        return process.err.decode()


def in_terminal(words, ready, sent):
    terminal = Terminal(words, 200, 40)
    try:
        terminal.until(lambda shown: shown.count("by REST") >= _CANDLES)
        ready.set()
        _wait(sent, lambda: terminal.read(0.02))
        terminal.child.kill(15)
        terminal.end()
    finally:
        terminal.child.close(force=True)
    return terminal.raw.decode()


def _wait(sent, meanwhile):
    """Wait until all is sent, and for a second in which it is told."""
    until = time.monotonic() + 60
    while not sent.is_set() and time.monotonic() < until:
        time.sleep(0.02)
        meanwhile()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        time.sleep(0.02)
        meanwhile()
