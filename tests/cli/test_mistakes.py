"""Mistakes of typing, and what a person is told: the command in this process."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
import typer.main

from klinetail.candle import Interval
from klinetail.cli.app import app
from klinetail.cli.mistakes import COMMANDS, OPTIONS, VALUES, no_command
from klinetail.errors import KlinetailError
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import START

ALL = "There are 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w, 1M"
PAST = (
    "the past is counted in candles: -n N gives the last N closed ones, with"
    " --no-follow these alone"
)
WORD = "is a word of its own: klinetail watch btcusdt 5m"
BARE = "cannot be a symbol: letters, digits and _ only"

MISTAKES = [
    # An interval by another name.
    ("watch btcusdt 1min", f"there is no interval '1min'; did you mean 1m? {ALL}"),
    ("watch btcusdt 60", f"there is no interval '60'; did you mean 1h? {ALL}"),
    ("watch btcusdt 60m", f"there is no interval '60m'; did you mean 1h? {ALL}"),
    ("watch btcusdt m1", f"there is no interval 'm1'; did you mean 1m? {ALL}"),
    ("watch btcusdt M1", f"there is no interval 'M1'; did you mean 1m or 1M? {ALL}"),
    ("watch btcusdt daily", f"there is no interval 'daily'; did you mean 1d? {ALL}"),
    ("watch btcusdt 1H", f"there is no interval '1H'; did you mean 1h? {ALL}"),
    ("watch btcusdt 5M", f"there is no interval '5M'; did you mean 5m? {ALL}"),
    ("watch btcusdt 1mo", f"there is no interval '1mo'; did you mean 1M? {ALL}"),
    ("watch btcusdt 7m", f"there is no interval '7m'; did you mean 5m or 15m? {ALL}"),
    ("watch btcusdt 1s", f"there is no interval '1s'; did you mean 1m? {ALL}"),
    ("watch btcusdt 9x", f"there is no interval '9x'. {ALL}"),
    ("watch btcusdt@60m", f"there is no interval '60m'; did you mean 1h? {ALL}"),
    (
        "watch btcusdt@kline_1m",
        f"there is no interval 'kline_1m'; did you mean 1m? {ALL}",
    ),
    ("watch btcusdt@", "btcusdt@ lacks its interval, as in btcusdt@1m"),
    ("watch 5m", "which symbol? for example: klinetail watch btcusdt 1m"),
    ("watch btcusdt@1m 5m", "5m of which symbol? btcusdt@5m has its own"),
    # A symbol by another name.
    ("watch btcusd", "the exchange does not list BTCUSD; did you mean BTCUSDT?"),
    ("watch btc 1m", "the exchange does not list BTC; did you mean BTCUSDT?"),
    ("watch btcustd", "the exchange does not list BTCUSTD; did you mean BTCUSDT?"),
    ("watch btc_usdt", "the exchange does not list BTC_USDT; did you mean BTCUSDT?"),
    (
        "watch btcusd_perp",
        "the exchange does not list BTCUSD_PERP; did you mean BTCUSDT?",
    ),
    (
        "watch 币安人生usd",
        "the exchange does not list 币安人生USD; did you mean 币安人生USDT?",
    ),
    ("watch btc-usdt-swap", f"'BTC-USDT-SWAP' {BARE}; did you mean btcusdt?"),
    ("watch btc-perp", f"'BTC-PERP' {BARE}; did you mean btcusdt?"),
    ("watch BTC/USD:BTC", f"'BTC/USD:BTC' {BARE}; did you mean btcusdt?"),
    ("watch btcusdt:5m", f"'BTCUSDT:5M' {BARE}; did you mean btcusdt@5m?"),
    ("watch btcusdt/60", f"'BTCUSDT/60' {BARE}; did you mean btcusdt@1h?"),
    ("watch '*usdx'", "'*usdx' matches nothing that is traded; did you mean '*usdt'?"),
    ("watch omgusdt", "OMGUSDT is not traded: its status is SETTLING"),
    ("symbols ethusd", "the exchange does not list ETHUSD; did you mean ETHUSDT?"),
    ("symbols btc-perp", f"'BTC-PERP' {BARE}; did you mean btcusdt?"),
    # No command, or another one.
    (
        "btcusdt 1m",
        "there is no command 'btcusdt'; did you mean: klinetail watch btcusdt 1m",
    ),
    (
        "'*usdc' 5m",
        "there is no command '*usdc'; did you mean: klinetail watch '*usdc' 5m",
    ),
    (
        "wacth btcusdt",
        "there is no command 'wacth'; did you mean: klinetail watch btcusdt",
    ),
    (
        "history btcusdt",
        (
            "there is no command 'history'; did you mean: klinetail watch btcusdt 1m"
            " -n 100 --no-follow"
        ),
    ),
    (
        "record btcusdt",
        (
            "there is no command 'record'; did you mean: klinetail watch btcusdt 1m"
            " --out candles.csv"
        ),
    ),
    ("ls", "there is no command 'ls'; did you mean: klinetail symbols"),
    ("version", "there is no command 'version'; did you mean: klinetail --version"),
    ("help wacth", "there is no command 'wacth'; did you mean: klinetail watch"),
    ("...", "there is no command '...'; there are watch, symbols, check, serve, help"),
    (
        "-n 5 btcusdt",
        "klinetail has no option -n; give the command before it: klinetail watch -n",
    ),
    # No option, or another one.
    (
        "watch btcusdt --interval 5m",
        f"klinetail watch has no option --interval; an interval {WORD}",
    ),
    (
        "watch -s btcusdt",
        f"klinetail watch has no option -s; a symbol {WORD}",
    ),
    (
        "watch btcusdt --limit 5",
        (
            "klinetail watch has no option --limit; -n N (--lines) is how many closed"
            " candles come before the live ones"
        ),
    ),
    (
        "watch btcusdt --since 2026-01-01",
        f"klinetail watch has no option --since; {PAST}",
    ),
    (
        "watch btcusdt --json",
        "klinetail watch has no option --json; -o jsonl writes a JSON object a line",
    ),
    (
        "watch btcusdt -f",
        (
            "klinetail watch has no option -f; watch follows anyway; --no-follow ends"
            " after the history"
        ),
    ),
    (
        "watch btcusdt --testnet",
        (
            "klinetail watch has no option --testnet; --env testnet is the exchange's"
            " testnet"
        ),
    ),
    (
        "watch btcusdt --lnes 5",
        "klinetail watch has no option --lnes; did you mean --lines?",
    ),
    (
        "watch btcusdt --xyz",
        "klinetail watch has no option --xyz; klinetail watch -h lists the options",
    ),
    (
        "serve --host 0.0.0.0",
        (
            "klinetail serve has no option --host; serve listens on 127.0.0.1 alone;"
            " --port chooses the port"
        ),
    ),
    # No value, or another one.
    (
        "watch btcusdt -o json",
        (
            "--output cannot be 'json'; did you mean jsonl? The values are"
            " table, jsonl, csv, plain"
        ),
    ),
    (
        "watch btcusdt --env prod",
        (
            "--env cannot be 'prod'; did you mean live? The values are live,"
            " testnet, sim"
        ),
    ),
    (
        "watch btcusdt --color off",
        (
            "--color cannot be 'off'; did you mean never? The values are auto,"
            " always, never"
        ),
    ),
    (
        "watch btcusdt -n all",
        (
            "--lines: 'all' is not a whole number;"
            " klinetail watch -h shows the possible values"
        ),
    ),
    ("watch btcusdt -n", "Option '-n' requires an argument"),
    (
        "watch btcusdt --hold soon",
        "--hold: 'soon' is not a number; klinetail watch -h shows the possible values",
    ),
    (
        "watch btcusdt --tz Mars",
        "there is no time zone 'Mars'; try local, UTC or one like Europe/Vienna",
    ),
    (
        "watch btcusdt --out candles.json",
        "candles.json: name it .jsonl or .csv, the suffix tells the format",
    ),
    (
        "symbols btc* eth*",
        (
            "Got unexpected extra argument(s) (eth*);"
            " klinetail symbols -h shows how the command is used"
        ),
    ),
]
"""A command line, and the one line that answers it, with exit code 2."""


@pytest.fixture(scope="module")
def exchange() -> Iterator[Server]:
    with Server(Synthetic(seed=3, start=START)) as server:
        yield server


def ran(line: str) -> tuple[int, str]:
    """The exit code of a command line, and what is left for `main` to say about it."""
    with pytest.raises((SystemExit, KlinetailError)) as caught:
        app(shlex.split(line), prog_name="klinetail")
    if isinstance(caught.value, KlinetailError):
        return int(caught.value.exit_code), str(caught.value)
    return int(caught.value.code or 0), ""


@pytest.fixture(autouse=True)
def pointed(exchange: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLINETAIL_WS_URL", f"ws://127.0.0.1:{exchange.port}/market")
    monkeypatch.setenv("KLINETAIL_REST_URL", f"http://127.0.0.1:{exchange.port}")


@pytest.mark.parametrize(
    ("line", "answer"), MISTAKES, ids=[line for line, _ in MISTAKES]
)
def test_a_mistake_of_typing_is_answered_in_one_line(
    line: str, answer: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, left = ran(line)
    out, said = capfd.readouterr()
    lines = [*said.splitlines(), *([f"klinetail: {left}"] if left else [])]
    assert (code, out, lines) == (2, "", [f"klinetail: {answer}"])


def test_there_are_fifty_of_them() -> None:
    assert len({line for line, _ in MISTAKES}) == len(MISTAKES) >= 50


def test_no_command_at_all_is_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert ran("watch")[0] == 2
    assert "Usage: klinetail watch" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["", "watch", "symbols", "serve", "help"])
def test_help_is_a_command(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert ran(f"help {command}") == (0, "")
    said, complaints = capfd.readouterr()
    assert complaints == ""
    assert ran(f"{command} -h") == (0, "")
    assert capfd.readouterr().out == said
    assert said.startswith(f"Usage: klinetail {command}".rstrip())


def test_the_tables_speak_of_what_is_not_there_and_name_what_is() -> None:
    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    assert not COMMANDS.keys() & commands.keys()
    assert OPTIONS.keys() <= commands.keys()
    for command, table in OPTIONS.items():
        known = {
            n for p in commands[command].params for n in (*p.opts, *p.secondary_opts)
        }
        assert not table.keys() & known
        for said in table.values():
            named = {
                word.strip("(),;:") for word in said.split() if word.startswith("-")
            }
            assert named <= known, said
    for name, values in VALUES.items():
        (parameter,) = (p for p in commands["watch"].params if p.name == name)
        choices = {str(choice) for choice in parameter.type.choices}
        assert set(values.values()) <= choices
        assert not values.keys() & choices


def test_what_is_suggested_has_an_end() -> None:
    said = no_command(["btcusdt", *(f"s{n}usdt" for n in range(1000))], ["watch"])
    assert len(said) < 250


def test_every_interval_is_taken_and_no_minute_for_a_month() -> None:
    for one in Interval:
        for other in Interval:
            assert (one == other) == (Interval.of(one) is other)
