"""`klinetail serve` as a process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager

import pytest
import requests
from websockets.sync.client import connect

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.cli.serve import DEFAULT_PORT
from klinetail.formats import csv, jsonl
from klinetail.protocol import frames
from klinetail.recordings.containers.registry import CONTAINERS
from tests.strategies import candle

KLINETAIL = [sys.executable, "-c", "from klinetail.cli import main; main()"]
DEADLINE = 60


def environment(**changes):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KLINETAIL_")}
    return kept | changes


@contextmanager
def serving(*arguments, stdin=None, **env):
    """The running process and its two lines, and that no pipe stays open."""
    process = subprocess.Popen(
        [*KLINETAIL, "serve", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**env),
    )
    try:
        with process.stdout, process.stderr:
            yield process, [process.stderr.readline() for _ in range(2)]
    finally:
        process.kill()
        process.wait()


def run(*arguments, **env):
    return subprocess.run(
        [*KLINETAIL, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=environment(**env),
    )


def urls(line):
    return re.search(r"--ws-url (\S+) --rest-url (\S+)", line).groups()


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "recording.csv"
    first = 1_700_000_040_000
    rows = [candle(first + n * MINUTE) for n in range(10)]
    path.write_bytes(csv.HEADER + csv.encode(rows))
    return path


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(stop):
    with serving("--port", "0", "--speed", "60", "--seed", "5") as (process, lines):
        assert "synthetic market (seed 5)" in lines[0]
        assert "none of it is the real exchange" in lines[0]
        ws_url, rest_url = urls(lines[1])
        server_time = requests.get(f"{rest_url}/fapi/v1/time", timeout=DEADLINE).json()
        assert abs(server_time["serverTime"] / 1000 - time.time()) < 3600
        with connect(f"{ws_url}/ws/btcusdt@kline_1m", proxy=None) as client:
            message = frames.decode(client.recv(DEADLINE))
            assert message.symbol == "BTCUSDT"
            process.send_signal(stop)
            assert process.wait(DEADLINE) == 0
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""


def test_it_serves_a_recording_to_its_end(recording):
    arguments = (str(recording), "--speed", "600")
    with serving(*arguments, KLINETAIL_PORT="0") as (process, lines):
        assert "recordings of BTCUSDT" in lines[0]
        assert "interpolated" in lines[0]
        assert "real exchange" in lines[0]
        assert process.wait(DEADLINE) == 0
        assert process.stderr.read() == "klinetail: the recordings have ended\n"


def test_it_serves_whatever_holds_candles(tmp_path):
    lines = {
        name: csv.encode(
            [candle(60_000 * n, stream=Stream(name, Interval.M1)) for n in range(8)]
        )
        for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    }
    for suffix, name in ((".gz", "BTCUSDT"), (".zst", "ETHUSDT")):
        packed = CONTAINERS[suffix].pack(csv.HEADER + lines[name])
        (tmp_path / f"{name}.csv{suffix}").write_bytes(packed)
    rows = [line.split(b",")[2:13] for line in lines["SOLUSDT"].splitlines()]
    with zipfile.ZipFile(tmp_path / "sol.zip", "w") as archive:
        dump = b"".join(b",".join([*row, b"0"]) + b"\n" for row in rows)
        archive.writestr("SOLUSDT-1m-1970-01-01.csv", dump)
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    piped = tmp_path / "piped"
    piped.write_bytes(lines["XRPUSDT"])
    arguments = (*files, "-", "--port", "0", "--speed", "600")
    with piped.open() as stdin, serving(*arguments, stdin=stdin) as (process, said):
        assert "recordings of BTCUSDT, ETHUSDT, SOLUSDT, XRPUSDT, the" in said[0]
        assert process.wait(DEADLINE) == 0


def test_options_from_the_environment(recording):
    env = {"KLINETAIL_PORT": "0", "KLINETAIL_SPEED": "0", "KLINETAIL_SEED": "x"}
    assert "'x'" in run("serve", **env).stderr
    assert "speed of 0" in run("serve", "--seed", "1", **env).stderr


def test_a_bad_file_is_one_line_and_exit_2(tmp_path):
    bad = tmp_path / "bad\x1b[31m.csv"
    bad.write_text("hello\n")
    for name in (str(bad), str(tmp_path / "absent.csv"), str(tmp_path)):
        done = run("serve", name)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "\x1b" not in done.stderr
        assert "Traceback" not in done.stderr


def test_a_recording_without_candles(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_bytes(csv.HEADER)
    done = run("serve", str(path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_taken_port_is_one_line_and_exit_2():
    with serving("--port", "0") as (_, lines):
        port = urls(lines[1])[1].rpartition(":")[2]
        done = run("serve", "--port", port)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--port" in done.stderr


def test_it_does_what_it_is_asked_to_and_says_how_often(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    arguments = ("--speed", "600", "--chaos", "late=1,html", "--ledger", str(ledger))
    with serving("--port", "0", *arguments) as (process, lines):
        ws_url, _ = urls(lines[1])
        with connect(f"{ws_url}/ws/btcusdt@kline_1m", proxy=None) as client:
            late = []
            while len(late) < 4:
                message = frames.decode(client.recv(DEADLINE))
                late += [message] if message.closed else []
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        receipt = re.fullmatch(
            r"klinetail: chaos: late (\d+), html 0\n", process.stderr.read()
        )
        assert int(receipt[1]) >= 3
    assert all(c.event_time - c.close_time >= 2_000 for c in late)
    entered = [jsonl.decode(line) for line in ledger.read_bytes().splitlines()]
    times = [c.open_time for c in entered]
    assert times == [*range(times[0], times[0] + len(times) * MINUTE, MINUTE)]
    truth = {c.open_time: c for c in entered}
    # The first may be late from before the start, from which on closes are entered.
    counted = [c for c in late if c.open_time >= times[0]]
    assert len(counted) >= 3
    assert all(c.same_values(truth[c.open_time]) for c in counted)


def test_the_receipt_of_a_recording_s_end(recording):
    arguments = (str(recording), "--speed", "6000", "--chaos", "all")
    done = run("serve", *arguments, KLINETAIL_PORT="0")
    assert done.returncode == 0
    *_, ended, receipt = done.stderr.splitlines()
    assert ended == "klinetail: the recordings have ended"
    assert receipt.startswith("klinetail: chaos: late 0, missing 0")


def test_a_fault_that_there_is_not():
    for env in ({}, {"KLINETAIL_CHAOS": "all,misssing"}):
        arguments = () if env else ("--chaos", "misssing=0.1")
        done = run("serve", *arguments, **env)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "did you mean missing" in done.stderr


def test_a_ledger_that_cannot_be_written(tmp_path):
    done = run("serve", "--port", "0", "--ledger", str(tmp_path / "no" / "file"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--ledger" in done.stderr
    with serving("--port", "0", "--speed", "600", "--ledger", "/dev/full") as (
        process,
        lines,
    ):
        with connect(f"{urls(lines[1])[0]}/ws/btcusdt@kline_1m", proxy=None):
            assert process.wait(DEADLINE) == 5
        assert "--ledger /dev/full: No space left" in process.stderr.read()


def test_a_web_page_cannot_read_it_unless_it_is_allowed():
    page = {"Origin": "https://app.example", "Host": "exchange.test"}
    allowed = {"KLINETAIL_ALLOW_HOST": "exchange.test other.test"}
    options = ("--allow-origin", "https://app.example")
    for arguments, env, status in (((), {}, 403), (options, allowed, 200)):
        with serving("--port", "0", *arguments, **env) as (_, lines):
            url = f"{urls(lines[1])[1]}/fapi/v1/time"
            answer = requests.get(url, headers=page, timeout=DEADLINE)
            assert answer.status_code == status
            assert requests.get(url, timeout=DEADLINE).status_code == 200
    for wrong in (["--allow-host", "a.test:80"], ["--allow-origin", "a.test"]):
        done = run("serve", "--port", "0", *wrong)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert wrong[0] in done.stderr


def test_help_begins_with_examples_and_is_light():
    done = run("serve", "--help")
    assert done.returncode == 0
    assert done.stdout.index("klinetail serve --speed") < done.stdout.index("--port")
    assert str(DEFAULT_PORT) in done.stdout
    check = (
        "import sys, json\nimport klinetail.cli.serve\n"
        "print(json.dumps([m for m in ('rich.live', 'binance', 'requests',"
        " 'websockets', 'asyncio') if m in sys.modules]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == []
