"""`klinetail symbols`, and `watch` of what it lists, against the embedded exchange."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from klinetail.sim.server import Server
from tests.e2e.conftest import DEADLINE, KLINETAIL, environment, urls
from tests.e2e.processes import candles, check_whole, ended, run
from tests.toxic import Toxic
from tests.venue import Answer, Request, Stall, Venue

Popen = Callable[..., subprocess.Popen[bytes]]
TRADED = [
    *("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT"),
    *("币安人生USDT", "ALGOUSDT"),
]


def test_json_lines_in_a_pipe(exchange: Server) -> None:
    done = run("symbols", *urls(exchange))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line, parse_float=str) for line in done.stdout.splitlines()]
    assert [line["symbol"] for line in lines] == TRADED
    assert list(lines[0]) == [
        *("symbol", "status", "contract_type", "base", "quote"),
        *("tick_size", "step_size", "onboard_time"),
    ]
    assert lines[0]["tick_size"] == "0.10"
    assert done.stderr.decode().startswith("klinetail: 7 symbols; from ws://127.")


def test_a_table_on_a_terminal(exchange: Server) -> None:
    command, *arguments = [*KLINETAIL, "symbols", "*USDT", *urls(exchange)]
    terminal = pexpect.spawn(
        command, arguments, env=environment(), encoding="utf-8", timeout=DEADLINE
    )
    terminal.expect("SYMBOL")
    terminal.expect("BTCUSDT +PERPETUAL +BTC +USDT +0.10 +0.001 ")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["btc*"], None),
        (["ethusdt"], None),
        (["ethusd"], "did you mean ETHUSDT"),
        (["*usdx"], "'*usdx' matches nothing that is traded; did you mean '*usdt'?"),
        (["omg*"], "OMGUSDT (SETTLING)"),
        (["omgusdt"], "its status is SETTLING"),
        (["--quote", "usdc"], "there are USDT"),
    ],
)
def test_what_is_not_there_is_exit_2(
    exchange: Server, words: list[str], said: str | None
) -> None:
    done = run("symbols", *words, *urls(exchange))
    assert done.returncode == (0 if said is None else 2)
    if said is not None:
        assert said in done.stderr.decode()
        assert done.stdout == b""
        # `watch` says the same of the same words.
        if words[0] != "--quote":
            watched = run("watch", *words, "-n0", "--no-follow", *urls(exchange))
            assert (watched.returncode, watched.stderr) == (2, done.stderr)


ODD = [
    rb'{"symbol":"\ud800USDT","status":"TRADING","quoteAsset":"USDT"}',
    b'{"symbol":"ONEUSDT","status":"TRADING","contractType":null,"quoteAsset":"USDT"}',
    b'{"symbol":"TWOUSDT","status":"TRADING","filters":null,"quoteAsset":"USDT"}',
    b'{"symbol":"SIXUSDT","status":"TRADING","onboardDate":null,"quoteAsset":"USDT"}',
    b'{"symbol":"TENUSDT","status":"TRADING","baseAsset":5,"quoteAsset":"USDT"}',
    b'{"symbol":"NOTUSDT","quoteAsset":"USDT"}',
    b'{"symbol":"RAWUSDT","status":"TRADING","baseAsset":"\xff","quoteAsset":"USDT"}',
    b"null",
]
USUAL = b'{"symbol":"BTCUSDT","status":"TRADING","quoteAsset":"USDT"}'
SAID = (
    "klinetail: 8 of the 9 symbols that the exchange lists cannot be read in full,"
    r" among them \ud800USDT; 2 left out"
)


def test_odd_entries_cost_no_other_entry_anything(popen: Popen) -> None:
    """Whether they are shown or followed: they are said once."""
    info = Answer(200, b'{"symbols":[' + b",".join([*ODD, USUAL]) + b"]}")
    with Venue([info]) as venue:
        route = ["--ws-url", venue.ws_url, "--rest-url", venue.rest_url]
        done = run("symbols", *route)
        names = [json.loads(line)["symbol"] for line in done.stdout.splitlines()]
        assert names == [f"{n}USDT" for n in ("ONE", "TWO", "SIX", "TEN", "RAW", "BTC")]
        assert done.returncode == 0
        said = done.stderr.decode().splitlines()
        assert said[0] == SAID
        assert said[1].startswith("klinetail: 6 symbols; from ")
        assert len(said) == 2
    refused = [[Answer(451, b"{}")]] * 3
    for options, said_times in (((), 1), (("-q",), 0)):
        with Venue([info], *refused) as venue:
            route = ["--ws-url", venue.ws_url, "--rest-url", venue.rest_url]
            process = popen("watch", "*usdt", "-n0", *options, *route)
            venue.peer(1).requests.get(timeout=DEADLINE)
            process.send_signal(signal.SIGINT)
            code, said = ended(process)
        assert (code, said.splitlines().count(SAID)) == (0, said_times)


def test_a_reader_that_goes_away_is_exit_141(exchange: Server, popen: Popen) -> None:
    process = popen("symbols", *urls(exchange))
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.wait(DEADLINE) == 141


def test_a_refusal_is_exit_3() -> None:
    with Venue([Answer(451, b"{}")]) as venue:
        done = run("symbols", "--ws-url", venue.ws_url, "--rest-url", venue.rest_url)
    assert done.returncode == 3
    assert b"451" in done.stderr


def test_what_is_forbidden_for_now_is_said_and_asked_for_again(
    exchange: Server, popen: Popen
) -> None:
    with Toxic(exchange.port) as toxic:
        toxic.script = [Answer(403, b"<html>no</html>")]
        url = f"127.0.0.1:{toxic.port}"
        process = popen(
            *("symbols", "btcusdt"),
            *("--ws-url", f"ws://{url}/market", "--rest-url", f"http://{url}"),
        )
        assert process.stderr is not None
        said = process.stderr.readline()
        assert b"HTTP 403" in said
        assert b"and on for 30 s more" in said
        toxic.heal()
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert b'"BTCUSDT"' in out
    assert b"REST answers again" in err


def test_everything_in_every_interval(exchange: Server) -> None:
    wanted = ["--all", "--quote", "usdt", "1m", "5m"]
    done = run("watch", *wanted, "-n", "2", "--no-follow", *urls(exchange))
    assert done.returncode == 0, done.stderr
    got = candles(done.stdout)
    assert {str(c.stream) for c in got} == {
        f"{symbol.lower()}@{interval}" for symbol in TRADED for interval in ("1m", "5m")
    }
    assert len(got) == 28
    check_whole(exchange, got)


def test_words_from_a_file_and_from_stdin(exchange: Server, tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("btcusdt  # the first\n\n# not this: ethusdt\n*ogeusdt 5m\n")
    done = subprocess.run(
        [*KLINETAIL, "watch", f"@{names}", "@-", "-n1", "--no-follow", *urls(exchange)],
        input=b"solusdt@1m\n",
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    streams = {str(c.stream) for c in candles(done.stdout)}
    assert streams == {"btcusdt@5m", "dogeusdt@5m", "solusdt@1m"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["@nowhere"], "@nowhere: No such file or directory"),
        (["btcusdt", "--quote", "usdt"], "--quote chooses among --all and globs"),
        (["--all", "--max-streams", "6"], "7 streams are asked for, more than"),
        (["btcusdt", "1m", "5m", "--max-streams", "1"], "2 streams are asked for"),
        (["*usdt", "omgusdt"], "OMGUSDT is not traded: its status is SETTLING"),
    ],
)
def test_what_cannot_be_is_exit_2(
    exchange: Server, arguments: list[str], said: str
) -> None:
    done = run("watch", *arguments, *urls(exchange))
    assert done.returncode == 2
    assert said in done.stderr.decode()


def test_a_quote_in_the_environment_is_no_reason_to_refuse(exchange: Server) -> None:
    asked = ["btcusdt", "-n1", "--no-follow", *urls(exchange)]
    done = run("watch", *asked, KLINETAIL_QUOTE="usdc")
    assert done.returncode == 0, done.stderr


def test_one_answer_serves_to_find_and_to_verify(popen: Popen) -> None:
    info = b'{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","quoteAsset":"USDT"}]}'
    refused = Answer(451, b"{}")
    with Venue([Answer(200, info)], *[[refused] for _ in range(3)]) as v:
        process = popen(
            *("watch", "*usdt", "-n0", "--no-follow"),
            *("--ws-url", v.ws_url, "--rest-url", v.rest_url),
        )
        asked = [v.peer(n).requests.get(timeout=DEADLINE) for n in (0, 1)]
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0
    paths = [head.split()[1].partition("?")[0] for head in asked]
    assert paths[0] == "/fapi/v1/exchangeInfo"
    assert paths[1] in ("/fapi/v1/klines", "/fapi/v1/time")


def test_an_exchange_that_cannot_be_reached_is_waited_for(
    popen: Popen, tmp_path: Path
) -> None:
    """And SIGINT ends the waiting within 2 s."""
    nowhere = ["--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"]
    stats = tmp_path / "stats.json"
    process = popen("watch", "--all", "--stats", str(stats), *nowhere)
    assert process.stderr is not None
    assert b"and on until it works" in process.stderr.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 0
    assert time.monotonic() - began < 15, "stopping takes 2 s at most"
    assert "0 candles" in said
    assert json.loads(stats.read_bytes())["closed"] == 0


@pytest.mark.parametrize("words", [["watch", "--all"], ["symbols"]])
def test_an_exchange_that_never_answers_keeps_nobody(
    popen: Popen, words: list[str]
) -> None:
    with Venue([Request(), Stall()]) as v:
        process = popen(*words, "--ws-url", v.ws_url, "--rest-url", v.rest_url)
        v.peer().requests.get(timeout=DEADLINE)
        assert process.stderr is not None
        told = process.stderr.readline().decode()
        url = f"{v.rest_url}/fapi/v1/exchangeInfo"
        assert told == f"klinetail: still waiting for the answer, asking {url}\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0
        assert time.monotonic() - began < 8, "stopping takes 2 s at most"


def test_a_misspelt_interval_is_told_of_though_the_exchange_never_answers() -> None:
    with Venue([Request(), Stall()]) as v:
        began = time.monotonic()
        route = ["--ws-url", v.ws_url, "--rest-url", v.rest_url]
        done = run("watch", "btcusdt", "60m", *route)
        assert time.monotonic() - began < 8, "one request may take 10 s elsewhere"
    assert done.returncode == 2
    assert b"did you mean 1h?" in done.stderr


def test_symbols_without_a_network_says_why_while_it_tries(popen: Popen) -> None:
    nowhere = ["--ws-url", "ws://127.0.0.1:1", "--rest-url", "http://127.0.0.1:1"]
    process = popen("symbols", *nowhere)
    assert process.stderr is not None
    told = process.stderr.readline().decode()
    assert told.startswith("klinetail: Connection refused, asking http://127.0.0.1:1/")
    assert "; trying again" in told
    assert told.endswith(", and on for 30 s more\n")
    process.kill()


def test_no_follow_gives_up(popen: Popen) -> None:
    """Asked to wait for longer than it would, at once."""
    busy = Answer(429, b"{}", ("Retry-After: 60",))
    with Venue([busy]) as v:
        route = ["--ws-url", v.ws_url, "--rest-url", v.rest_url]
        done = run("watch", "--all", "--no-follow", *route)
        assert done.returncode == 3
        done = run("symbols", *route)
    assert done.returncode == 3
    assert b"429" in done.stderr
