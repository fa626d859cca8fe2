"""What the network can make `klinetail watch` print, over real sockets."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from klinetail.candle import MINUTE
from klinetail.escape import LINE
from klinetail.sim.server import Server
from tests.e2e.conftest import urls
from tests.e2e.processes import ended, read_lines, run
from tests.e2e.terminals import Terminal, terminal
from tests.toxic import Toxic
from tests.venue import Ack, Answer, Heed, Stall, Text, Venue

__all__ = ["terminal"]  # a fixture

Popen = Callable[..., subprocess.Popen[bytes]]

FLOOD = 3_000
ACKED = '{"result":null,"id":1}'


def junk() -> list[Text]:
    """Messages that are no candles, a line each with -v."""
    return [Text(f"junk {number}") for number in range(FLOOD)]


def told(lines: list[str], beginning: str) -> int:
    """How many lines of this kind there would have been without a limit."""
    number = 0
    for line in lines:
        if more := re.match(r"klinetail: (?:[a-z ]+: )?([0-9,]+) more ", line):
            number += int(more[1].replace(",", ""))
        elif line.startswith(f"klinetail: {beginning}"):
            number += 1
    return number


def urls_of(venue: Venue, server: Server) -> list[str]:
    """The options for WebSocket at one and REST at the other."""
    return ["--ws-url", venue.ws_url, *urls(server)[2:]]


def test_a_flood_of_messages_is_some_lines_and_counts(
    exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    stats = tmp_path / "stats.json"
    script = [Ack(), Heed(), Text(ACKED), *junk(), Stall()]
    with Venue(script) as venue:
        words = ["watch", "btcusdt", "-v", "-n", "0", "--stats", str(stats)]
        process = popen(*words, *urls_of(venue, exchange))
        assert process.stderr is not None
        head = []
        for line in process.stderr:
            head.append(line.decode())
            if "left out" in head[-1]:
                break
        process.send_signal(signal.SIGTERM)
        code, rest = ended(process)
    assert code == 0
    lines = [*head, *rest.splitlines(keepends=True)]
    bad = json.loads(stats.read_bytes())["bad_dropped"]
    assert bad > 100
    assert told(lines, "dropped a message: ") == bad
    assert len(lines) < bad / 2
    assert lines[-1].startswith("klinetail: 0 candles, "), "the receipt is the last"


def test_a_flood_is_limited_above_the_table_too(
    exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    script = [Ack(), Heed(), Text(ACKED), *junk(), Stall()]
    with Venue(script) as venue:
        screen = terminal("btcusdt", "-v", "-n", "3", *urls_of(venue, exchange))
        screen.until(lambda _: b"left out" in screen.raw)
        screen.child.sendintr()
        assert screen.end() == 0
    assert screen.restored()
    lines = screen.raw.decode().split("\r\n")
    lines = [
        line[line.find("klinetail: ") :] for line in lines if "klinetail: " in line
    ]
    bad = re.search(r"([0-9,]+) bad messages dropped", lines[-1])
    assert bad is not None
    number = int(bad[1].replace(",", ""))
    assert told(lines, "dropped a message: ") == number > 100
    assert len(lines) < number / 2


def test_megabytes_in_a_refusal_become_one_short_line(
    exchange: Server, popen: Popen
) -> None:
    refusal = {"error": {"code": 2, "msg": "x" * 900_000}, "id": 1}
    with Venue([Ack(), Heed(), Text(json.dumps(refusal)), Stall()]) as venue:
        process = popen("watch", "btcusdt", "-n", "0", *urls_of(venue, exchange))
        assert process.stderr is not None
        start, first = (process.stderr.readline().decode() for _ in range(2))
        process.send_signal(signal.SIGTERM)
        ended(process)
    assert start.startswith("klinetail: following btcusdt@1m")
    assert "xxx [... " in first
    assert len(first.rstrip("\n")) <= LINE
    assert first.endswith(", and on until it works\n")


def test_megabytes_in_a_status_become_one_short_line() -> None:
    symbols = [{"symbol": "BTCUSDT", "status": "x" * 4_000_000}]
    with Venue([Answer(200, json.dumps({"symbols": symbols}).encode())]) as venue:
        route = ["--ws-url", venue.ws_url, "--rest-url", venue.rest_url]
        done = run("symbols", "btcusdt", *route)
    assert done.returncode == 0, "a status like that says nothing"
    said = done.stderr.decode().splitlines()
    assert "cannot be read in full, among them BTCUSDT" in said[0]
    assert [len(line) <= LINE for line in said] == [True, True]
    assert len(done.stdout) < 1_000


def test_gaps_of_many_streams_are_a_few_lines_and_all_of_them_are_told(
    fast_exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    """REST is gone when the connection breaks, so that every stream has its gap."""
    stats = tmp_path / "stats.json"
    symbols = ["btcusdt", "ethusdt", "solusdt", "xrpusdt", "dogeusdt", "币安人生usdt"]
    streams = {
        f"{symbol}@{interval}" for symbol in symbols for interval in ("1m", "3m")
    }
    with Toxic(fast_exchange.port) as live, Toxic(fast_exchange.port) as rest:
        words = ["watch", *streams, "-q", "-n", "0", "--hold", "0.3"]
        route = ["--ws-url", f"{live.ws_url}/market", "--rest-url", rest.rest_url]
        process = popen(*words, "--stats", str(stats), *route)
        read_lines(process, 24)
        rest.script = [Answer(503)] * 1_000
        rest.cut()
        live.refuse()
        back = fast_exchange.now() + 4 * MINUTE
        while fast_exchange.now() < back:
            time.sleep(0.05)
        live.heal()
        assert process.stderr is not None
        lines: list[str] = []
        while told(lines, "gap: ") < len(streams):
            lines.append(process.stderr.readline().decode())
        process.send_signal(signal.SIGTERM)
        code, others = ended(process)
    assert code == 0
    lines += others.splitlines()
    announced = json.loads(stats.read_bytes())["announced"]
    # On an idle machine they are five lines and one more about seven streams.
    assert told(lines, "gap: ") == len(announced) >= len(streams)
    assert {one["what"] for one in announced} == {"gap"}
    assert {one["stream"] for one in announced} <= streams
    assert all(one["start"] < one["end"] and one["candles"] for one in announced)
    assert all(len(line) <= LINE for line in lines)
