"""`klinetail watch` on a real pseudo-terminal, seen through a terminal emulator."""

from __future__ import annotations

import os
import pty
import re
import signal
from collections.abc import Callable

import pytest

from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import KLINETAIL, START, environment, urls
from tests.e2e.terminals import Terminal, terminal

__all__ = ["terminal"]  # a fixture


def test_the_table_moves_and_gives_the_terminal_back(
    fast_exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    screen = terminal("btcusdt", "1m", "-n", "8", "--tz", "UTC", *urls(fast_exchange))
    first = screen.until(lambda text: "forming" in text and "BTCUSDT 1m" in text)
    screen.until(lambda text: "forming" in text and text != first)
    rows = re.findall(r"^. (\d\d:\d\d)", screen.text(), re.MULTILINE)
    assert rows == sorted(rows), "newest at the bottom"
    assert f"ws://127.0.0.1:{fast_exchange.port}/market" in screen.text()
    screen.child.sendintr()
    assert screen.end() == 0
    assert screen.restored()
    assert re.search(r"klinetail: \d+ candles", screen.text())
    assert "BTCUSDT 1m" in screen.text(), "the last rows stay"


@pytest.mark.skipif(
    not os.path.exists("/usr/share/zoneinfo/Europe/Vienna"), reason="no such zone"
)
def test_candles_of_summer_are_shown_in_summer_time_all_year(
    exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    """The exchange's clock begins on 9 October 2025 at 08:54 UTC."""
    screen = terminal("btcusdt", "-n", "2", *urls(exchange), TZ="Europe/Vienna")
    text = screen.until(lambda text: "10:53" in text and "forming" in text)
    assert "CEST" in text
    assert "09:5" not in text
    screen.child.sendintr()
    assert screen.end() == 0


def test_several_streams_have_a_row_each(
    fast_exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    words = ["btcusdt", "ethusdt", "1m", "5m", "币安人生usdt@1h"]
    screen = terminal(*words, *urls(fast_exchange))
    text = screen.until(lambda text: "live" in text and "BTCUSDT" in text)
    for name in ("BTCUSDT", "ETHUSDT", "5m", "1h"):
        assert name in text
    screen.child.kill(signal.SIGTERM)
    assert screen.end() == 0
    assert screen.restored()


@pytest.mark.parametrize(("columns", "lines"), [(40, 12), (20, 5), (1, 1)])
def test_small_terminals_are_no_trouble(
    columns: int, lines: int, exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    screen = terminal("btcusdt", columns=columns, lines=lines, *urls(exchange))  # noqa: B026
    if columns == 40:
        text = screen.until(lambda text: "forming" in text or "live" in text)
        assert "BTCUSDT" in text
    else:
        while b"\x1b[?1049h" not in screen.raw:
            assert screen.read()
    screen.child.setwinsize(30, 120)
    screen.screen.resize(30, 120)
    screen.until(lambda text: "volume" in text)
    screen.child.sendintr()
    assert screen.end() == 0
    assert screen.restored()


def test_no_color_is_honoured(
    exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    screen = terminal("btcusdt", "-c", "3", *urls(exchange), NO_COLOR="1")
    assert screen.end() == 0
    assert not re.search(rb"\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7])m", screen.raw)


def test_the_sim_says_that_it_is_one(terminal: Callable[..., Terminal]) -> None:
    screen = terminal("btcusdt", "--env", "sim", "-n", "3")
    text = screen.until(lambda text: "forming" in text)
    assert text.splitlines()[0].count("SIM") == 1
    assert "SIM" in text.splitlines()[-1]
    screen.child.sendintr()
    assert screen.end() == 0
    assert "from SIM" in screen.text()


def test_an_interrupt_while_connecting_ends_it(
    terminal: Callable[..., Terminal],
) -> None:
    route = ["--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9"]
    screen = terminal("btcusdt", *route)
    screen.until(lambda text: "waiting" in text and "Connection refused" in text)
    screen.child.sendintr()
    assert screen.end() == 0
    assert screen.restored()


def test_a_quit_gives_the_terminal_back_too(
    exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    screen = terminal("btcusdt", *urls(exchange))
    screen.until(lambda text: "BTCUSDT" in text)
    screen.child.kill(signal.SIGQUIT)
    assert screen.end() == 130
    assert screen.restored()


def test_a_terminal_that_hangs_up_is_no_failed_output(exchange: Server) -> None:
    pid, fd = pty.fork()
    if pid == 0:
        command = [*KLINETAIL, "watch", "btcusdt", *urls(exchange)]
        os.execvpe(command[0], command, environment())
    seen = b""
    while b"BTCUSDT" not in seen:
        seen += os.read(fd, 65_536)
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 129


PLAIN = re.compile(
    rb"(?m)^\d\d:\d\d BTCUSDT 1m close [0-9.]+ (?:up [0-9.]+%|down [0-9.]+%|unchanged)"
    rb" high [0-9.]+ low [0-9.]+ vol [0-9.]+\r?$"
)


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"ACCESSIBLE": "1"}])
def test_a_dumb_terminal_and_a_screen_reader_get_plain_lines(
    env: dict[str, str], exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    words = ["btcusdt", "-n", "2", "-c", "2", "--tz", "UTC", *urls(exchange)]
    screen = terminal(*words, **env)
    assert screen.end() == 0
    assert len(PLAIN.findall(screen.raw)) == 2
    assert b"\x1b" not in screen.raw
    said = [line for line in screen.raw.splitlines() if not PLAIN.match(line)]
    first, receipt = said
    address = f"ws://127.0.0.1:{exchange.port}/market"
    assert first.decode() == (
        f"klinetail: following btcusdt@1m, from {address}, until 2 closed candles came;"
        " one line for each closed candle, times UTC"
    )
    assert receipt.startswith(b"klinetail: 2 candles")


def test_a_dumb_terminal_gets_what_it_is_asked_for(
    exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    words = ["btcusdt", "-n", "2", "-c", "2", *urls(exchange)]
    screen = terminal(*words, "-o", "jsonl", TERM="dumb")
    assert screen.end() == 0
    assert screen.raw.count(b'"symbol":"BTCUSDT"') == 2
    screen = terminal(*words, "-o", "table", TERM="dumb")
    assert screen.end() == 2
    assert b"this terminal cannot show a table; use -o plain" in screen.raw
    screen = terminal(*words, "-o", "table", ACCESSIBLE="1")
    assert screen.end() == 0
    assert b"\x1b[?1049h" in screen.raw


def test_a_candle_that_is_being_confirmed_has_a_row(
    terminal: Callable[..., Terminal],
) -> None:
    with Server(Synthetic(seed=3, start=START - 27_000)) as server:
        screen = terminal("btcusdt", "-n", "3", "--tz", "UTC", *urls(server))
        text = screen.until(lambda text: "s more" in text and "forming" in text)
        screen.child.sendintr()
        assert screen.end() == 0
    times = re.findall(r"^ . (\d\d:\d\d)(.*)", text, re.MULTILINE)
    assert len(times) == 4
    assert re.search("being confirmed, [12]?[0-9] s more", times[2][1])
    assert times[3][1].endswith("forming")
    assert "being confirmed 1" in text.splitlines()[-1]
    assert b"following" not in screen.raw, "who sees a table sees what is followed"


def test_a_stream_that_stays_silent_is_not_shown_as_live(
    terminal: Callable[..., Terminal],
) -> None:
    with Server(Synthetic(seed=3, start=START), speed=60) as server:
        url = f"127.0.0.1:{server.port}"  # without /market it acks and sends nothing
        screen = terminal(
            *("btcusdt", "-n", "2", "--ws-url", f"ws://{url}"),
            *("--rest-url", f"http://{url}"),
        )
        text = screen.until(lambda text: "MUTE" in text)
        screen.child.sendintr()
        assert screen.end() == 0
    assert "REST shows trades of which no frame came: not the latest price" in text
    assert "live" not in text.splitlines()[-1]


def test_who_is_to_type_the_streams_is_told_so(
    exchange: Server, terminal: Callable[..., Terminal]
) -> None:
    screen = terminal("@-", "-n", "1", "-c", "1", *urls(exchange))
    screen.until(lambda text: "klinetail: type the streams to follow; Ctrl-D" in text)
    screen.child.sendline("btcusdt")
    screen.child.sendeof()
    assert screen.end() == 0
    assert "1 candle " in screen.text()
