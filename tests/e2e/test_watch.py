"""`klinetail watch` in pipes and files, as a process against the embedded exchange."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from klinetail.candle import MINUTE, Candle, Interval, Stream
from klinetail.formats import csv
from klinetail.formats.plain import Plain
from klinetail.pipeline.notices import utc
from klinetail.recordings.read import read
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.history import Afterlife
from klinetail.sim.recorded import Recorded
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import DEADLINE, KLINETAIL, START, environment, urls
from tests.e2e.processes import (
    Popen,
    candles,
    check_whole,
    ended,
    read_lines,
    run,
    wait_for_line,
)
from tests.held import Held
from tests.toxic import Toxic
from tests.venue import Answer, Venue

BTC = Stream("BTCUSDT", Interval.M1)


def test_the_history_alone_as_json_lines(exchange: Server) -> None:
    done = run("watch", "btcusdt", "1m", "-n", "5", "-c", "5", *urls(exchange))
    assert done.returncode == 0, done.stderr
    got = candles(done.stdout)
    assert len(got) == 5
    check_whole(exchange, got)
    start, receipt = done.stderr.decode().splitlines()
    source = f"ws://127.0.0.1:{exchange.port}/market"
    assert start == (
        f"klinetail: following btcusdt@1m, from {source}, until 5 closed candles came"
    )
    assert receipt.startswith("klinetail: 5 candles")
    wanted = ["btcusdt", "-n1", "--no-follow", "-q", *urls(exchange)]
    assert run("watch", *wanted).stderr == b""


def test_no_follow_ends_after_the_history(exchange: Server) -> None:
    done = run(
        "watch", "btcusdt", "ethusdt@5m", "-n", "4", "--no-follow", *urls(exchange)
    )
    assert done.returncode == 0, done.stderr
    assert len(candles(done.stdout)) == 8


class Rotten(Synthetic):
    """A market one of whose rows has a negative volume, and that lacks another."""

    NEGATIVE, ABSENT = (START - START % MINUTE - n * MINUTE for n in (20, 7))

    def klines(
        self,
        stream: Stream,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        *,
        now: int,
    ) -> list[Candle]:
        more = limit + (start is not None)
        rows = super().klines(stream, start, end, more, now=now)
        left = [row for row in rows if row.open_time != self.ABSENT]
        return [
            msgspec.structs.replace(row, volume_text="-" + row.volume_text)
            if row.open_time == self.NEGATIVE
            else row
            for row in left[:limit]
        ]


@pytest.mark.parametrize("strict", [False, True])
def test_two_bad_rows_cost_two_candles_of_thirty(strict: bool) -> None:
    words = ("watch", "btcusdt", "-n", "30", "--no-follow", "--hold", "0")
    with Server(Rotten(seed=3, start=START)) as server:
        done = run(*words, *["--strict"] * strict, *urls(server))
        got = candles(done.stdout)
        truth = Synthetic(seed=3, start=START).klines(
            BTC, got[0].open_time, None, 30, now=server.now()
        )
    err = done.stderr.decode().splitlines()
    assert done.returncode == (4 if strict else 0), err
    bad_ones = (Rotten.NEGATIVE, Rotten.ABSENT)
    left = [c for c in truth if c.open_time not in bad_ones]
    before = [c for c in truth if c.open_time < Rotten.NEGATIVE]
    assert [c.texts for c in got] == [c.texts for c in (before if strict else left)]
    assert len(left) == 28
    start, bad, *gaps, figures = err
    assert start.startswith("klinetail: fetching the last 30 closed candles of ")
    assert bad.startswith("klinetail: dropped a message: btcusdt@1m: a bad row: a ")
    assert str(Rotten.NEGATIVE) in bad
    lacks = {
        Rotten.NEGATIVE: "the exchange's row for the candle is bad: a price or volume"
        " is not a plain decimal",
        Rotten.ABSENT: "the exchange has no row for the candle",
    }
    said = [
        f"klinetail: gap: btcusdt@1m {utc(start)} to before {utc(start + MINUTE)} is"
        f" missing: {why}"
        for start, why in lacks.items()
    ]
    assert gaps == said[: 1 if strict else 2]
    assert "1 bad message dropped" in figures
    assert "REST" not in figures.replace("by REST", "")


class Young(Synthetic):
    """A market all of whose symbols are listed, and trade minutes later."""

    FIRST = START - START % MINUTE + 4 * MINUTE

    def klines(self, *arguments: Any, **options: Any) -> list[Candle]:
        rows = super().klines(*arguments, **options)
        return [row for row in rows if row.open_time >= self.FIRST]

    def pushes(self, *arguments: Any) -> list[Candle]:
        frames = super().pushes(*arguments)
        return [frame for frame in frames if frame.open_time >= self.FIRST]


def test_a_symbol_that_does_not_trade_yet_makes_no_gap() -> None:
    # A slow start of the process is hours of the exchange's time: so many candles back.
    words = ("watch", "btcusdt", "-n", "400", "-c", "3", "--strict")
    with Server(Young(seed=3, start=START), speed=300) as server:
        done = run(*words, *urls(server))
        assert done.returncode == 0, done.stderr
        got = candles(done.stdout)
        check_whole(server, got)
    assert got[0].open_time == Young.FIRST
    assert b"0 gaps" in done.stderr


def test_live_candles_go_on_where_the_history_ends(fast_exchange: Server) -> None:
    arguments = ["btcusdt", "algousdt", "1m", "3m", "-n", "6", "-c", "60"]
    done = run("watch", *arguments, *urls(fast_exchange))
    assert done.returncode == 0, done.stderr
    got = candles(done.stdout)
    assert len(got) == 60
    check_whole(fast_exchange, got)
    assert {str(c.source) for c in got} == {"rest", "stream"}


def test_updates_are_forming_candles_too(fast_exchange: Server) -> None:
    done = run("watch", "btcusdt", "-u", "-n", "1", "-c", "20", *urls(fast_exchange))
    got = candles(done.stdout)
    assert [c.closed for c in got].count(True) == 20
    assert False in [c.closed for c in got]
    times = [c.open_time for c in got]
    assert times == sorted(times)


def test_csv_has_one_header_line(exchange: Server) -> None:
    done = run("watch", "btcusdt", "-n", "3", "-c", "3", "-o", "csv", *urls(exchange))
    header, *lines = done.stdout.splitlines(keepends=True)
    assert header == csv.HEADER
    check_whole(exchange, [csv.decode(line) for line in lines])


def test_plain_lines_in_a_pipe_are_those_of_a_terminal(exchange: Server) -> None:
    words = ["watch", "btcusdt", "-n", "3", "-c", "3", "-o", "plain", "--tz", "UTC"]
    done = run(*words, *urls(exchange))
    assert done.returncode == 0, done.stderr
    truth = candles(run("watch", *words[1:6], *urls(exchange)).stdout)
    assert done.stdout == Plain(UTC).encode(truth)
    assert done.stderr.splitlines()[0].endswith(
        b", until 3 closed candles came; one line for each closed candle, times UTC"
    )
    quiet = run(*words, "-q", *urls(exchange))
    assert (quiet.stdout, quiet.stderr) == (done.stdout, b"")


def test_recordings_beside_the_pipe_hold_the_same(
    exchange: Server, tmp_path: Path
) -> None:
    a, b = tmp_path / "a.csv", tmp_path / "b.jsonl"
    outs = ["--out", str(a), "--out", str(b)]
    done = run("watch", "btcusdt", "-n", "5", "-c", "5", *outs, *urls(exchange))
    assert done.returncode == 0, done.stderr
    assert b.read_bytes() == done.stdout
    assert list(read(str(a))) == candles(done.stdout)
    assert f"wrote {a} (5)" in done.stderr.decode()


def test_the_end_of_the_reader_is_noticed_at_once(
    exchange: Server, popen: Popen
) -> None:
    """`| head -3`: after the history no candle closes for a while."""
    process = popen("watch", "btcusdt", "-n", "3", *urls(exchange))
    read_lines(process, 3)
    assert process.stdout is not None
    process.stdout.close()
    process.wait(DEADLINE)
    assert process.returncode == 141
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()


def test_the_recording_goes_on_without_the_reader(
    fast_exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    process = popen(
        "watch", "btcusdt", "-c", "40", "--out", str(out), *urls(fast_exchange)
    )
    read_lines(process, 2)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    code, err = ended(process)
    assert code == 0, err
    assert "the recording goes on" in err
    got = candles(out.read_bytes())
    assert len(got) == 40
    check_whole(fast_exchange, got)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_jq_reads_the_lines(exchange: Server) -> None:
    command = " ".join(
        [*KLINETAIL, "watch", "btcusdt", "-n", "4", "-c", "4", *urls(exchange)]
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | jq .close"],
        capture_output=True,
        env=environment(),
        timeout=DEADLINE,
        check=True,
    )
    assert len([Decimal(line) for line in done.stdout.decode().split()]) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["btcusd", "1m"], ["does not list BTCUSD", "did you mean BTCUSDT"]),
        (["btcusdt", "1H"], ["no interval '1H'", "did you mean 1h"]),
        (["btcusdt@7m"], ["no interval '7m'"]),
        (["1m"], ["which symbol?"]),
        (["btcusdt", "60m"], ["no interval '60m'", "did you mean 1h?"]),
        (["币安人生usd"], ["does not list 币安人生USD", "did you mean 币安人生USDT?"]),
        (["btc-usdt-swap"], ["cannot be a symbol", "did you mean btcusdt?"]),
        (["btcusdt", "-o", "json"], ["did you mean jsonl?"]),
        (["btcusdt", "--interval", "5m"], ["no option --interval"]),
        (["btcusdt", "-o", "table"], ["a table needs a terminal"]),
        (["btcusdt", "--tz", "Mars/Phobos"], ["no time zone"]),
        (["btcusdt", "--out", "candles.txt"], ["the suffix tells the format"]),
        (["btcusdt", "--hold", "nan"], ["--hold"]),
        (["btcusdt", "--weight", "nan"], ["--weight"]),
        (["btcusdt", "--env", "sim", "--ws-url", "ws://h", "--rest-url", "http://h"],
         ["two exchanges"]),
    ],
)  # fmt: skip
def test_bad_input_gets_one_clear_line_and_exit_2(
    arguments: list[str], words: list[str], exchange: Server
) -> None:
    route = [] if "--env" in arguments else urls(exchange)
    done = run("watch", *arguments, *route)
    assert done.returncode == 2, done.stderr
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("klinetail: ")
    for word in words:
        assert word in line


def test_a_pair_is_taken_as_the_perpetual_and_that_is_one_line(
    exchange: Server,
) -> None:
    once = ["1m", "-n", "1", "--no-follow", *urls(exchange)]
    done = run("watch", "BTC/USDT", *once)
    assert done.returncode == 0, done.stderr
    assert [c.symbol for c in candles(done.stdout)] == ["BTCUSDT"]
    said, start, *_, receipt = done.stderr.decode().splitlines()
    assert said == "klinetail: BTC/USDT: taken as the USDⓈ-M perpetual BTCUSDT"
    assert "last 1 closed candle of btcusdt@1m, from ws://" in start
    assert "1 candle " in receipt
    assert run("watch", "BTC/USDT", "-q", *once).stderr == b""
    sure = run("watch", "BTC/USDT:USDT", "btcusdt.p", *once)
    assert len(candles(sure.stdout)) == 1
    assert sure.stderr.count(b"\n") == 2


def test_one_address_without_the_other_is_refused() -> None:
    for option in ("--ws-url=ws://127.0.0.1:1", "--rest-url=http://127.0.0.1:1"):
        done = run("watch", "btcusdt", option)
        assert done.returncode == 2
        assert b"give both" in done.stderr


def test_the_exchange_s_silent_address_is_refused_with_the_right_one() -> None:
    done = run(
        *("watch", "btcusdt", "--ws-url", "wss://fstream.binance.com/ws"),
        *("--rest-url", "https://fapi.binance.com"),
    )
    assert done.returncode == 2
    assert b"wss://fstream.binance.com/market" in done.stderr


def test_options_come_from_the_environment_too(exchange: Server) -> None:
    port = exchange.port
    done = run(
        *("watch", "btcusdt"),
        KLINETAIL_LINES="3",
        KLINETAIL_COUNT="3",
        KLINETAIL_OUTPUT="csv",
        KLINETAIL_WS_URL=f"ws://127.0.0.1:{port}/market",
        KLINETAIL_REST_URL=f"http://127.0.0.1:{port}",
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_env_on_the_command_line_wins_over_addresses_in_the_environment(
    exchange: Server,
) -> None:
    elsewhere = {
        "KLINETAIL_WS_URL": f"ws://127.0.0.1:{exchange.port}/market",
        "KLINETAIL_REST_URL": f"http://127.0.0.1:{exchange.port}",
    }
    once = ["watch", "btcusdt", "-n", "1", "--no-follow"]
    done = run(*once, "--env", "sim", **elsewhere)
    assert done.returncode == 0, done.stderr
    said, start, *_, receipt = done.stderr.decode().splitlines()
    assert start.endswith(" of btcusdt@1m, from SIM (synthetic market)")
    assert said == (
        "klinetail: KLINETAIL_WS_URL and KLINETAIL_REST_URL are ignored: --env sim goes"
        " first"
    )
    assert receipt.endswith("from SIM (synthetic market)")
    listed = run("symbols", "btcusdt", "--env", "sim", **elsewhere)
    assert b"are ignored" in listed.stderr.splitlines()[0]
    assert listed.stderr.endswith(b"from SIM (synthetic market)\n")


def test_addresses_on_the_command_line_win_over_env_in_the_environment(
    exchange: Server,
) -> None:
    once = ["watch", "btcusdt", "-n", "1", "--no-follow"]
    done = run(*once, *urls(exchange), KLINETAIL_ENV="testnet")
    assert done.returncode == 0, done.stderr
    said, _, receipt = done.stderr.decode().splitlines()
    assert "KLINETAIL_ENV=testnet is ignored" in said
    assert receipt.endswith(f"from ws://127.0.0.1:{exchange.port}/market")


@pytest.mark.parametrize("side", ["rest", "ws"])
def test_what_is_forbidden_for_now_at_the_start_is_said_and_tried_again(
    fast_exchange: Server, popen: Popen, side: str
) -> None:
    with Toxic(fast_exchange.port) as toxic:
        toxic.script = [Answer(403, b"<html>no</html>", ("Content-Type: text/html",))]
        there = f"127.0.0.1:{fast_exchange.port}"
        here = f"127.0.0.1:{toxic.port}"
        rest, ws = (here, there) if side == "rest" else (there, here)
        process = popen(
            *("watch", "btcusdt", "-n", "3", "-c", "4"),
            *("--ws-url", f"ws://{ws}/market", "--rest-url", f"http://{rest}"),
        )
        line = wait_for_line(process, "HTTP 403")
        assert "trying again" in line
        assert "and on for 30 s more" in line
        toxic.heal()
        assert process.stdout is not None
        got = candles(process.stdout.read())
        code, err = ended(process)
    assert code == 0, err
    assert "REST answers again\n" in err or "connected\n" in err
    assert len(got) == 4
    check_whole(fast_exchange, got)


def test_an_exchange_that_cannot_be_reached_is_tried_on_and_can_be_stopped(
    popen: Popen,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = popen(
        *("watch", "btcusdt", "--ws-url", f"ws://127.0.0.1:{port}"),
        *("--rest-url", f"http://127.0.0.1:{port}"),
    )
    line = wait_for_line(process, "trying again")
    assert "Connection refused" in line
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, err = ended(process)
    assert code == 0
    assert "0 candles" in err


def test_history_alone_gives_up_with_exit_3(popen: Popen) -> None:
    """It would have to be silent for a second more than the 30 s that it waits."""
    with Venue([Answer(429, headers=("Retry-After: 31",))]) as venue:
        process = popen(
            *("watch", "btcusdt", "--no-follow"),
            *("--ws-url", venue.ws_url, "--rest-url", venue.rest_url),
        )
        code, err = ended(process)
    assert code == 3, err
    assert "HTTP 429" in err


def test_history_alone_waits_for_30_seconds(popen: Popen) -> None:
    with Venue([Answer(429, headers=("Retry-After: 25",))]) as venue:
        process = popen(
            *("watch", "btcusdt", "--no-follow"),
            *("--ws-url", venue.ws_url, "--rest-url", venue.rest_url),
        )
        assert "trying again" in wait_for_line(process, "HTTP 429")
        process.send_signal(signal.SIGINT)
        code, err = ended(process)
    assert code == 0, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("state", ["asking", "connecting", "live", "waiting"])
def test_a_signal_ends_it_within_two_seconds_in_every_state(
    number: signal.Signals, state: str, exchange: Server, popen: Popen
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        route = urls(exchange)
        if state == "asking":
            route[3] = f"http://127.0.0.1:{port}"
        elif state == "connecting":
            route[1] = f"ws://127.0.0.1:{port}"
        process = popen("watch", "btcusdt", "-v", "-n", "2", *route)
        if state in ("asking", "connecting"):
            silent.settimeout(DEADLINE)
            connection, _ = silent.accept()
        else:
            read_lines(process, 2)
            wait_for_line(process, "live")
            connection = None
        if state == "waiting":
            exchange.stop()
            wait_for_line(process, "trying again")
        sent = time.monotonic()
        process.send_signal(number)
        code, err = ended(process)
        took = time.monotonic() - sent
        if connection is not None:
            connection.close()
    assert code == (129 if number is signal.SIGHUP else 0), err
    assert took < 15, "2 s is the promise; this only tells it from never"
    assert "candles" in err
    assert "Traceback" not in err


def test_a_second_interrupt_ends_it_at_once(exchange: Server, popen: Popen) -> None:
    process = popen("watch", "btcusdt", "-n", "1000", "-u", *urls(exchange))
    read_lines(process, 1)
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    code, err = ended(process)
    assert code in (0, 130), "0 if it was quicker than the second one"
    assert "Traceback" not in err


def test_a_full_disk_at_stdout_is_exit_5(exchange: Server, popen: Popen) -> None:
    with Path("/dev/full").open("wb") as full:
        process = popen("watch", "btcusdt", *urls(exchange), stdout=full)
        code, err = ended(process)
    assert code == 5
    assert "No space left on device" in err


def test_a_closed_stdout_is_exit_5(exchange: Server) -> None:
    command = " ".join([*KLINETAIL, "watch", "btcusdt", *urls(exchange)])
    done = subprocess.run(
        ["bash", "-c", f"{command} >&-"],
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 5
    assert b"stdout is closed" in done.stderr


def test_a_full_disk_under_a_recording_leaves_whole_lines(
    fast_exchange: Server, tmp_path: Path
) -> None:
    """The pipe goes on, the recording ends, and the exit code says so."""
    out = tmp_path / "a.csv"
    command = [
        *KLINETAIL,
        *("watch", "btcusdt", "-n", "5", "-c", "30", "--out", str(out)),
        *urls(fast_exchange),
    ]
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 2; exec {' '.join(command)} | cat"],
        capture_output=True,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )
    assert len(candles(done.stdout)) == 30
    assert b"File too large" in done.stderr
    assert out.stat().st_size <= 2048
    header, *lines = out.read_bytes().splitlines(keepends=True)
    assert header == csv.HEADER
    check_whole(fast_exchange, [csv.decode(line) for line in lines])


def test_disconnects_and_a_sleeping_reader_lose_and_double_nothing(
    fast_exchange: Server, popen: Popen
) -> None:
    process = popen("watch", "btcusdt", "algousdt", "1m", "-v", *urls(fast_exchange))
    said: list[str] = []
    assert process.stderr is not None
    assert process.stdout is not None
    stderr = process.stderr

    def listen() -> None:
        said.extend(line.decode() for line in stderr)

    listener = threading.Thread(target=listen)
    listener.start()
    data: list[bytes] = read_lines(process, 30)
    for _ in range(3):
        fast_exchange.disconnect_all(None)
        data += read_lines(process, 20)
    process.send_signal(signal.SIGCONT)
    sleeping = fast_exchange.now() + 900_000  # three seconds at this speed
    while fast_exchange.now() < sleeping:
        time.sleep(0.1)
    data += read_lines(process, 60)
    process.send_signal(signal.SIGTERM)
    data += process.stdout.readlines()
    process.wait(DEADLINE)
    listener.join(DEADLINE)
    assert process.returncode == 0, said[-3:]
    got = candles(b"".join(data))
    check_whole(fast_exchange, got)
    assert "0 gaps" in said[-1]
    assert re.search(r"[3-9] reconnects", said[-1])


def test_real_candles_come_out_digit_for_digit(shared_data: Path, popen: Popen) -> None:
    days = "1m-2023-12-29_2023-12-31.csv"
    files = [
        shared_data / "rest_klines" / f"{s}-{days}" for s in ("BTCUSDT", "ETHUSDT")
    ]
    recorded = [list(read(str(file))) for file in files]
    truth = {(c.stream, c.open_time): c for rows in recorded for c in rows}
    with Server(Recorded([c for rows in recorded for c in rows]), speed=600) as server:
        done = run(
            *("watch", "btcusdt", "ethusdt", "1m", "5m"),
            *("-n", "10", "-c", "130", *urls(server)),
        )
        got = candles(done.stdout)
        check_whole(server, got)
    assert done.returncode == 0, done.stderr
    minutes = [c for c in got if c.stream.interval is Interval.M1]
    assert len(minutes) > 80
    for candle in minutes:
        row = truth[candle.stream, candle.open_time]
        assert (candle.texts, candle.count) == (row.texts, row.count)
    for candle in got:
        if candle.stream.interval is Interval.M5:
            minute = Stream(candle.symbol, Interval.M1)
            parts = [truth[minute, candle.open_time + n * 60_000] for n in range(5)]
            assert candle.open == parts[0].open
            assert candle.close == parts[-1].close
            assert candle.high == max(p.high for p in parts)
            assert candle.low == min(p.low for p in parts)
            assert candle.volume == sum(p.volume for p in parts)
            assert candle.quote_volume == sum(p.quote_volume for p in parts)
            assert candle.count == sum(p.count for p in parts)


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_only_prints_loads_nothing_heavy(option: str) -> None:
    probe = (
        "import sys\n"
        "from klinetail.cli.app import app\n"
        "try: app([sys.argv[1]])\n"
        "except SystemExit: pass\n"
        "heavy = ('rich.live', 'binance', 'websocket', 'requests', 'websockets')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, option],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_lines_load_only_what_makes_them(exchange: Server) -> None:
    probe = (
        "import sys\n"
        "from klinetail.cli.app import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "unused = ('asyncio', 'binance.api', 'certifi', 'klinetail.recordings.tail',"
        " 'klinetail.sim', 'klinetail.sinks.recorder', 'klinetail.view', 'requests',"
        " 'rich', 'urllib3', 'websockets', 'zoneinfo')\n"
        "print([name for name in unused if name in sys.modules])\n"
    )
    options = ("-n", "1", "-c", "1", "-o", "jsonl", *urls(exchange))
    done = subprocess.run(
        [sys.executable, "-c", probe, "watch", "btcusdt", *options],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    record, loaded = done.stdout.splitlines()
    assert json.loads(record)["symbol"] == "BTCUSDT"
    assert loaded == "[]"


def test_the_first_lines_of_help_are_examples() -> None:
    for command in ([], ["watch"]):
        done = run(*command, "--help")
        assert done.returncode == 0
        head = done.stdout.decode().split("Options:")[0]
        assert "klinetail watch btcusdt 1m\n" in head
    assert not os.path.exists("klinetail watch")


def test_json_is_valid_for_any_parser(exchange: Server) -> None:
    done = run("watch", "btcusdt", "-n", "1", "-c", "1", *urls(exchange))
    record = json.loads(done.stdout, parse_float=Decimal)
    assert list(record) == list(csv.COLUMNS)


def test_a_reader_of_stderr_that_sleeps_stops_neither_candles_nor_the_end(
    fast_exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    """`2>&1 | less`: the notices fill the pipe, and nobody reads them."""
    read, write = os.pipe()
    out = tmp_path / "a.jsonl"
    words = ["btcusdt", "-v", "-u", "--out", str(out)]
    process = popen("watch", *words, *urls(fast_exchange), stderr=write)
    os.close(write)
    deadline = time.monotonic() + DEADLINE
    for _ in range(3):
        size = out.stat().st_size if out.exists() else 0
        while not out.exists() or out.stat().st_size < size + 20_000:
            assert time.monotonic() < deadline
            read_lines(process, 5)
        fast_exchange.disconnect_all(None)
    assert process.stdout is not None
    # Of stdout everything is read: what it cannot take in time would be said.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    os.close(read)


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_a_closed_stderr_changes_no_exit_code(closed: str, exchange: Server) -> None:
    words = " ".join([*KLINETAIL, "watch", "btcusdt", "-n1", "-c1", *urls(exchange)])
    done = subprocess.run(
        ["bash", "-c", f"{words} {closed}"],
        stdout=subprocess.PIPE,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0
    assert len(candles(done.stdout)) == 1


def test_a_refused_run_leaves_no_file(exchange: Server, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    done = run("watch", "btcusd", "--out", str(out), *urls(exchange))
    assert done.returncode == 2
    assert not out.exists()


def test_a_gap_is_said_even_by_one_that_is_quiet() -> None:
    chaos = Chaos.parse("missing=0.5,unavailable=0.6")
    market = Synthetic(seed=3, start=START)
    with Server(market, speed=60, chaos=chaos) as server:
        options = ("-n", "0", "--hold", "0", "--strict", "-q")
        done = run("watch", "btcusdt", *options, *urls(server))
    assert done.returncode == 4
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("klinetail: gap: btcusdt@1m ")


def test_figures_that_could_not_be_written_are_no_reason_to_begin(
    exchange: Server, tmp_path: Path
) -> None:
    stats = tmp_path / "no" / "stats.json"
    done = run("watch", "btcusdt", "--stats", str(stats), *urls(exchange))
    assert done.returncode == 5
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"klinetail: --stats {stats}: No such file")


OTHERS = ["btcusdt", "ethusdt", "solusdt", "xrpusdt", "dogeusdt"]


@pytest.mark.parametrize(
    "words", [["omgusdt", "1m"], ["omgusdt", "1d"], ["omgusdt", *OTHERS, "1m"]]
)
def test_a_symbol_that_is_not_traded_is_refused_with_its_status(
    exchange: Server, words: list[str]
) -> None:
    """Though the exchange goes on making rows of it, and however many are asked for."""
    assert exchange.market.klines(
        Stream("OMGUSDT", Interval.M1), limit=1, now=exchange.now()
    )
    done = run("watch", *words, *urls(exchange))
    assert done.returncode == 2
    assert b"OMGUSDT is not traded: its status is SETTLING" in done.stderr
    assert done.stdout == b""


def test_a_symbol_that_is_not_traded_yet_is_awaited_and_said(popen: Popen) -> None:
    first = START - START % 60_000 + 3_600_000
    market = Synthetic(3, START, {"ETHUSDT": {"first": first}})
    with Server(market) as exchange:
        done = run("watch", "ethusdt", "1m", "-n5", "--no-follow", *urls(exchange))
        assert (done.returncode, done.stdout) == (0, b"")
        said = "pending: ethusdt@1m is not traded yet, from 2025-10-09 09:53Z"
        assert said in done.stderr.decode()
        listed = run("symbols", "ethusdt", *urls(exchange))
        assert json.loads(listed.stdout)["status"] == "PENDING_TRADING"
        process = popen("watch", "ethusdt", "-n", "1", *urls(exchange))
        assert process.stderr is not None
        assert "following ethusdt@1m" in process.stderr.readline().decode()
        assert said in process.stderr.readline().decode()
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0


def test_a_symbol_that_settles_is_said_and_when_all_have_it_ends(popen: Popen) -> None:
    end = START - START % 60_000 + 3 * 60_000
    changes = {"end": end, "afterlife": Afterlife.PUSHES, "announced": 1 << 50}
    market, clock = Synthetic(3, START, {"ETHUSDT": changes}), Held()
    with Server(market, speed=300, monotonic=clock) as exchange:
        process = popen("watch", "ethusdt", "1m", "5m", "-n", "1", *urls(exchange))
        begun = read_lines(process, 2)
        clock.let_go()
        out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0
        said = err.decode()
        for interval in ("1m", "5m"):
            words = f"ended: ethusdt@{interval} is not traded any more (SETTLING)"
            assert said.count(words) == 1
        assert "gap:" not in said
        got = candles(b"".join([*begun, out]))
        check_whole(exchange, got)


def test_at_a_full_disk_stdout_ends_in_a_whole_line(
    fast_exchange: Server, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    words = ["watch", "btcusdt", "-n", "50", "-u", *urls(fast_exchange)]
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 4; exec {' '.join([*KLINETAIL, *words])} > {out}"],
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    candles(out.read_bytes())
    assert out.read_bytes().endswith(b"\n")


def test_who_reads_a_pipe_is_told_in_one_line_what_is_being_confirmed(
    popen: Popen,
) -> None:
    with Server(Synthetic(seed=3, start=START - 27_000)) as server:
        process = popen("watch", "btcusdt", "ethusdt", "-n2", *urls(server))
        assert process.stderr is not None
        start, told = (process.stderr.readline().decode() for _ in range(2))
        process.send_signal(signal.SIGINT)
        _, rest = ended(process)
    assert "following btcusdt@1m, ethusdt@1m" in start
    assert told == (
        "klinetail: the last closed candle of 2 streams is being confirmed: a"
        " candle that closed just now counts after two equal REST answers, 20 s"
        " apart\n"
    )
    (receipt,) = rest.splitlines()
    assert "2 candles" in receipt
