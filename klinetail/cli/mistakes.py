"""The messages about a command line that klinetail does not understand. Pure.

The tables hold the words that users bring from other programs (ccxt, freqtrade, tail,
curl), each with klinetail's own way to the same result.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from klinetail.candle import Interval, symbol_fault
from klinetail.formats.registry import either, output_names, suffixes
from klinetail.pattern import is_glob
from klinetail.spelling import intervals_like, spelled

_INTERVAL: Final = "an interval is a word of its own: klinetail watch btcusdt 5m"
_SYMBOL: Final = "a symbol is a word of its own: klinetail watch btcusdt 5m"
_LINES: Final = "-n N (--lines) is how many closed candles come before the live ones"
_PAST: Final = (
    "the past is counted in candles: -n N gives the last N closed ones,"
    " with --no-follow these alone"
)
_JSON: Final = "-o jsonl writes a JSON object a line"
_FOLLOW: Final = "watch follows anyway; --no-follow ends after the history"
_CLOSED: Final = "only closed candles are written anyway; -u adds the forming ones"
_OUT: Final = (
    f"--out FILE records beside stdout; its suffix, {either(suffixes())}, is the format"
)
_TESTNET: Final = "--env testnet is the exchange's testnet"
_SIM: Final = "--env sim is a made-up market on this machine"
_CHECK_JSON: Final = "--json writes JSON lines; in a pipe, check writes plain lines"
_LOOPBACK: Final = "serve listens on 127.0.0.1 alone; --port chooses the port"

OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "watch": {
        **dict.fromkeys(
            ("--interval", "--intervals", "--timeframe", "--timeframes", "--tf", "-i"),
            _INTERVAL,
        ),
        **dict.fromkeys(
            ("--symbol", "--symbols", "--pair", "--pairs", "--market", "-s", "-p"),
            _SYMBOL,
        ),
        **dict.fromkeys(("--limit", "--tail", "--last", "--history"), _LINES),
        **dict.fromkeys(
            (
                *("--since", "--start", "--start-time", "--from", "--days"),
                *("--timerange", "--until", "--end", "--end-time", "--to"),
            ),
            _PAST,
        ),
        **dict.fromkeys(("--json", "--jsonl", "--ndjson"), _JSON),
        "--csv": "-o csv writes CSV with one header line",
        "--format": f"-o FORMAT (--output) is {either(['table', *output_names()])}",
        **dict.fromkeys(("--follow-name", "-f", "-F"), _FOLLOW),
        **dict.fromkeys(("--closed", "--closed-only", "--closed_only"), _CLOSED),
        **dict.fromkeys(("--output-file", "--file", "--save", "--record", "-w"), _OUT),
        **dict.fromkeys(("--testnet", "--sandbox", "--demo"), _TESTNET),
        **dict.fromkeys(("--sim", "--fake", "--dry-run"), _SIM),
        "--live": "--env live is the default",
        **dict.fromkeys(("--timezone", "--utc"), "--tz UTC is the table's time zone"),
        **dict.fromkeys(
            ("--no-color", "--no-colour"), "--color never takes the colours away"
        ),
        "--silent": "-q (--quiet) leaves only errors and gaps on stderr",
        "--debug": "-v (--verbose) says each change of a link",
        "--url": "--ws-url URL with --rest-url URL is another exchange",
    },
    "symbols": {
        **dict.fromkeys(
            ("--filter", "--grep", "--search", "--pattern"),
            "a pattern is a word of its own: klinetail symbols '*usdc'",
        ),
        **dict.fromkeys(("--testnet", "--sandbox", "--demo"), _TESTNET),
        **dict.fromkeys(
            ("--json", "--jsonl", "-o", "--output"),
            "in a pipe, symbols writes JSON lines",
        ),
    },
    "check": {
        **dict.fromkeys(("-o", "--output", "--format", "--jsonl"), _CHECK_JSON),
        **dict.fromkeys(
            ("-j", "--threads", "--parallel", "--workers", "--processes", "-P"),
            "--jobs N lets N processes share the work",
        ),
        **dict.fromkeys(
            ("--pair", "--pairs", "--symbols", "-s", "-p"),
            "--symbol BTCUSDT is the symbol of files that do not tell it",
        ),
        **dict.fromkeys(
            ("--timeframe", "--timeframes", "--tf", "-i", "--intervals"),
            "--interval 1m is the interval of files that do not tell it",
        ),
        **dict.fromkeys(
            ("--start", "--start-time", "--from", "--timerange", "--days"),
            "--since WHEN leaves out the candles before",
        ),
        **dict.fromkeys(
            ("--end", "--end-time", "--to"),
            "--until WHEN leaves out the candles from there on",
        ),
        **dict.fromkeys(
            ("--names", "--header", "--mapping", "--map", "--usecols"),
            "--columns open_time=ts,open=o tells which column is which",
        ),
        **dict.fromkeys(
            ("--fix", "--repair", "--fill", "--dry-run"), "check changes no file"
        ),
    },
    "serve": {
        **dict.fromkeys(("--host", "--bind", "--address", "-H"), _LOOPBACK),
        "-p": "--port chooses the port",
        "--fast": "--speed 60 is a minute a second",
    },
}
"""By command: the options of other programs, each with the advice to give for the
option."""

COMMANDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("tail", "follow", "stream", "live", "get", "run", "subscribe"),
        "klinetail watch btcusdt 1m",
    ),
    **dict.fromkeys(
        ("history", "klines", "candles", "ohlcv", "fetch", "download"),
        "klinetail watch btcusdt 1m -n 100 --no-follow",
    ),
    "record": "klinetail watch btcusdt 1m --out candles.csv",
    **dict.fromkeys(("list", "ls", "markets", "pairs", "symbol"), "klinetail symbols"),
    **dict.fromkeys(("replay", "sim", "server", "simulate"), "klinetail serve"),
    **dict.fromkeys(
        ("verify", "validate", "lint", "audit", "gaps", "holes"),
        "klinetail check candles.csv",
    ),
    "version": "klinetail --version",
}
"""Words that name no command, each with the klinetail command line for the purpose."""

VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "output": {
        **dict.fromkeys(("json", "ndjson", "jsonlines", "jsonl.gz", "raw"), "jsonl"),
        **dict.fromkeys(("text", "pretty", "tui", "wide"), "table"),
        **dict.fromkeys(("tsv", "excel"), "csv"),
    },
    "env": {
        **dict.fromkeys(("prod", "production", "mainnet", "main", "real"), "live"),
        **dict.fromkeys(("test", "demo", "sandbox"), "testnet"),
        **dict.fromkeys(("simulation", "simulator", "fake", "mock", "local"), "sim"),
    },
    "color": {
        **dict.fromkeys(("on", "yes", "true", "force"), "always"),
        **dict.fromkeys(("off", "no", "false", "none"), "never"),
    },
}
"""By parameter: the values of other programs, each with klinetail's own value."""


def no_command(words: Sequence[str], commands: Sequence[str]) -> str:
    """Return the message about a command line whose first word is no command.

    Args:
        words: all words of the command line.
        commands: the names of klinetail's commands.
    """
    word, *rest = words
    said = f"there is no command {_cut(word)!r}"
    if (known := COMMANDS.get(word.lower())) is not None:
        return f"{said}; did you mean: {known}"
    if alike := difflib.get_close_matches(word.lower(), commands, n=1, cutoff=0.7):
        return f"{said}; did you mean: {_line(alike[0], *rest)}"
    if _names_a_stream(word):
        return f"{said}; did you mean: {_line('watch', *words)}"
    return f"{said}; there are {', '.join(commands)}"


def no_option(
    command: str,
    option: str,
    known: Sequence[str],
    others: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Return the message about an option that a command does not have.

    Args:
        command: the command's name; "" for an option before any command.
        option: the option as the user wrote it, without a value.
        known: the options of the command, as a user writes them.
        others: the options of the other commands, by command name.
    """
    at = f"klinetail {command}".rstrip()
    said = f"{at} has no option {_cut(option)}"
    if (instead := OPTIONS.get(command, {}).get(option)) is not None:
        return f"{said}; {instead}"
    for other, options in others.items():
        if option in (*options, *OPTIONS.get(other, ())):
            return f"{said}; give the command before it: klinetail {other} {option}"
    alike = difflib.get_close_matches(option, known, n=2, cutoff=0.7)
    if option.startswith("--"):
        begin = [name for name in known if name.startswith(option)]
        alike = list(dict.fromkeys([*begin, *alike]))[:2]
    if alike:
        return f"{said}; did you mean {' or '.join(alike)}?"
    return f"{said}; {at} -h lists the options"


def no_value(parameter: str, option: str, value: str, known: Sequence[str]) -> str:
    """Return the message about a value that an option does not take.

    Args:
        parameter: the option's name in the tables.
        option: the option as the user wrote it.
        value: the value as the user wrote it.
        known: the values that the option takes.
    """
    meant = VALUES.get(parameter, {}).get(value.lower())
    if meant is None and value.lower() in known:
        meant = value.lower()
    alike = difflib.get_close_matches(value.lower(), known, n=1, cutoff=0.6)
    meant = meant or next(iter(alike), None)
    hint = f"did you mean {meant}? The" if meant else "the"
    return f"{option} cannot be {_cut(value)!r}; {hint} values are {_list(known)}"


def _names_a_stream(word: str) -> bool:
    """Return whether a word could be one of STREAMS."""
    name = word.partition("@")[0].partition(",")[0]
    if word.startswith("-"):
        return False
    if not name or is_glob(name) or intervals_like(name, Interval) is not None:
        return True
    return symbol_fault(spelled(name).symbol.upper()) is None


_LONGEST: Final = 120
"""Characters of a suggested command line; a longer command line is cut off."""


def _line(command: str, *words: str) -> str:
    line = shlex.join(["klinetail", command, *words])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def _cut(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:40]}..."


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
