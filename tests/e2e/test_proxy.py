"""`klinetail watch`, and a program, through a real proxy on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from klinetail import DataCollector
from klinetail.errors import Refused, UsageError
from klinetail.protocol.venues import own_venue, sim_venue
from klinetail.sim.server import Server
from tests.e2e.conftest import DEADLINE, ELSEWHERE, KLINETAIL, environment, urls
from tests.proxy import ConnectProxy
from tests.venue import Request, Stall, Venue

Popen = Callable[..., subprocess.Popen[bytes]]
CANARY = "c4n4ry"
LOGIN = f"user-{CANARY}:word-{CANARY}"


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [*KLINETAIL, "watch", *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=False,
        env=_without_proxies(env),
    )
    assert CANARY.encode() not in done.stdout + done.stderr
    return done


def _without_proxies(env: dict[str, str]) -> dict[str, str]:
    mine = environment(**env)
    return {
        k: v for k, v in mine.items() if k in env or not k.lower().endswith("_proxy")
    }


def elsewhere(server: Server) -> list[str]:
    """The options that point at a server by a name that only the proxy knows."""
    port = server.port
    return [
        *("--ws-url", f"ws://{ELSEWHERE}:{port}/market"),
        *("--rest-url", f"http://{ELSEWHERE}:{port}"),
    ]


def lines_until(process: subprocess.Popen[bytes], words: str) -> list[str]:
    """What it says up to the line that has these words."""
    assert process.stderr is not None
    said = []
    while line := process.stderr.readline().decode():
        said.append(line)
        if words in line:
            return said
    raise AssertionError(f"{words!r} was not said: {said}")


def interrupt(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=DEADLINE)
    assert time.monotonic() - began < 15  # the promise, and a busy machine
    assert process.returncode == 0
    return output


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def test_watch_through_a_given_proxy(fast_exchange: Server) -> None:
    with ConnectProxy() as proxy:
        arguments = ["btcusdt", "-n", "2", "-c", "5", "--proxy", proxy.url]
        done = run(*arguments, *urls(fast_exchange))
        assert done.returncode == 0, done.stderr
        records = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(records) == 5
        assert {record["source"] for record in records} == {"rest", "stream"}
        said = done.stderr.decode().splitlines()
        assert said[0] == f"klinetail: through the proxy {proxy.url}"
        assert said[1].startswith("klinetail: following btcusdt@1m, from ")
        assert len(said) == 3
        targets = proxy.targets()
        assert len(targets) >= 2
        assert set(targets) == {f"127.0.0.1:{fast_exchange.port}"}


def test_nothing_is_said_when_quiet(exchange: Server) -> None:
    with ConnectProxy() as proxy:
        done = run("btcusdt", "-c", "1", "-q", *urls(exchange), "--proxy", proxy.url)
        assert (done.returncode, done.stderr) == (0, b"")
        assert proxy.targets()


@pytest.mark.parametrize(
    "name", ["KLINETAIL_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
)
def test_the_environment_names_it(exchange: Server, name: str) -> None:
    with ConnectProxy(here=[ELSEWHERE], login=LOGIN) as proxy:
        env = {name: proxy.url_with(LOGIN)}
        done = run("btcusdt", "-n", "3", "-c", "3", *elsewhere(exchange), **env)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 3
        assert f"through the proxy {proxy.url}\n" in done.stderr.decode()
        assert set(proxy.targets()) == {f"{ELSEWHERE}:{exchange.port}"}


def test_this_machine_and_the_sim_are_reached_without(exchange: Server) -> None:
    nowhere = f"http://{LOGIN}@127.0.0.1:{free_port()}"
    env = {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere}
    for where in (urls(exchange), ["--env", "sim"]):
        done = run("btcusdt", "-n", "3", "-c", "1", *where, **env)
        assert done.returncode == 0, done.stderr
        assert b"proxy" not in done.stderr
    done = run("btcusdt", "-n", "3", "-c", "1", "--env", "sim", KLINETAIL_PROXY=nowhere)
    assert done.returncode == 0, done.stderr


def test_no_proxy_is_heeded(exchange: Server, popen: Popen) -> None:
    """The name is one that only the proxy knows, so it cannot be reached."""
    with ConnectProxy(here=[ELSEWHERE]) as proxy:
        env = {"ALL_PROXY": proxy.url, "NO_PROXY": f"x, {ELSEWHERE}:{exchange.port}"}
        process = popen("watch", "btcusdt", *elsewhere(exchange), env=env)
        said = lines_until(process, "cannot resolve")
        assert "proxy" not in "".join(said)
        interrupt(process)
        assert not proxy.targets()


@pytest.mark.parametrize("login", [None, f"user-{CANARY}:no"])
def test_a_proxy_that_wants_another_login_ends_it(
    exchange: Server, login: str | None
) -> None:
    with ConnectProxy(login=LOGIN) as proxy:
        url = proxy.url if login is None else proxy.url_with(login)
        done = run("btcusdt", *urls(exchange), "--proxy", url)
    assert done.returncode == 3
    assert b" through the proxy " + proxy.url.encode() in done.stderr
    assert b"HTTP 407" in done.stderr


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://{LOGIN}@host:port", "it looks like http://host:port"),
        ("", "it looks like http://host:port"),
        (f"socks5h://{LOGIN}@host:1080", "is a SOCKS proxy"),
        (f"ftp://{LOGIN}@host", "it looks like http://host:port"),
    ],
)
def test_one_that_cannot_be_is_a_usage_error(
    tmp_path: Path, url: str, words: str
) -> None:
    out = tmp_path / "out.csv"
    done = run("btcusdt", "--proxy", url, "--out", str(out))
    assert done.returncode == 2
    assert done.stdout == b""
    assert re.fullmatch(rf"klinetail: --proxy .*{words}.*\n", done.stderr.decode())
    assert not out.exists()


def test_a_variable_that_cannot_be_is_named() -> None:
    done = run("btcusdt", HTTPS_PROXY=f"http://{LOGIN}@host:port")
    assert done.returncode == 2
    assert done.stderr.startswith(b"klinetail: HTTPS_PROXY is no proxy's address")
    assert done.stderr.count(b"\n") == 1


def test_login_and_password_are_in_no_output(
    fast_exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    """Whatever goes wrong: wrong login, broken lines, figures, recordings."""
    stats, out = tmp_path / "stats.json", tmp_path / "out.jsonl"
    with ConnectProxy(login=LOGIN) as proxy:
        arguments = [
            *("watch", "btcusdt", "-v", "--stats", str(stats), "--out", str(out)),
            *urls(fast_exchange),
        ]
        env = {"KLINETAIL_PROXY": proxy.url_with(LOGIN), "PYTHONFAULTHANDLER": "1"}
        process = popen(*arguments, env=env)
        said = lines_until(process, "live")
        assert process.stdout is not None
        data = process.stdout.readline()
        proxy.cut()
        said += lines_until(process, "trying again")
        said += lines_until(process, "connected again")
        process.send_signal(signal.SIGUSR1)
        said += lines_until(process, "candles")
        more, rest = interrupt(process)
    files = stats.read_bytes() + out.read_bytes()
    seen = "".join(said).encode() + data + more + rest + files
    assert data in out.read_bytes()
    assert proxy.url.encode() in seen
    assert CANARY.encode() not in seen
    assert b"Basic" not in seen


def test_a_proxy_that_is_down_is_tried_again(exchange: Server, popen: Popen) -> None:
    port = free_port()
    process = popen(
        *("watch", "btcusdt", "-n", "2", "-c", "2", *urls(exchange)),
        *("--proxy", f"127.0.0.1:{port}"),
    )
    said = lines_until(process, "trying again")
    assert said[-1].startswith("klinetail: Connection refused, ")
    assert f"through the proxy http://127.0.0.1:{port}; trying" in said[-1]
    with ConnectProxy(port=port):
        output, rest = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, rest
    assert len(output.splitlines()) == 2
    assert b"REST answers again" in rest


def test_a_proxy_that_hangs_is_given_up_in_time(popen: Popen) -> None:
    with Venue([Request(), Stall()]) as venue:
        began = time.monotonic()
        process = popen(
            *("watch", "btcusdt", "--proxy", venue.rest_url),
            *("--ws-url", f"ws://{ELSEWHERE}", "--rest-url", f"http://{ELSEWHERE}"),
        )
        lines_until(process, "no answer in 10 s")
        assert time.monotonic() - began < 20
        interrupt(process)


def test_a_program_goes_through_one(exchange: Server) -> None:
    async def main(proxy: str) -> int:
        collector = DataCollector(
            ["btcusdt@1m"], lines=3, proxy=proxy, venue=sim_venue(exchange.port)
        )
        await collector.start_streaming()
        await collector.history()
        await collector.stop_streaming()
        return len([c for c in collector.buffer[collector.streams[0]] if c.closed])

    with ConnectProxy(login=LOGIN) as proxy:
        assert asyncio.run(main(proxy.url_with(LOGIN))) >= 3
        assert len(proxy.targets()) >= 2
        with pytest.raises(Refused, match="HTTP 407"):
            asyncio.run(main(proxy.url))


def test_a_program_heeds_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    there = own_venue(f"wss://{ELSEWHERE}", f"https://{ELSEWHERE}")
    DataCollector(["btcusdt@1m"], venue=there)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@host:port")
    with pytest.raises(UsageError, match=r"^HTTPS_PROXY is no proxy's address"):
        DataCollector(["btcusdt@1m"], venue=there)
    DataCollector(["btcusdt@1m"], venue=there, proxy="http://host:3128")
