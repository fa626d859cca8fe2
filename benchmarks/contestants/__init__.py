"""Who takes part: the commands that turn an exchange's frames into lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from klinetail.candle import Stream
from klinetail.protocol import requests
from klinetail.protocol.frames import stream_name
from klinetail.protocol.requests import Method, Request
from klinetail.protocol.venues import LIVE

HERE = Path(__file__).parent

RECORD = (
    ".k|{symbol:.s,interval:.i,open_time:.t,open:(.o|tonumber),high:(.h|tonumber),"
    "low:(.l|tonumber),close:(.c|tonumber),volume:(.v|tonumber),close_time:.T,"
    "quote_volume:(.q|tonumber),count:.n,taker_buy_volume:(.V|tonumber),"
    'taker_buy_quote_volume:(.Q|tonumber),closed:.x,source:"stream"}'
)
"""jq's program for klinetail's record."""


class Target(NamedTuple):
    """What is to be followed, and where."""

    ws_url: str
    rest_url: str
    streams: Sequence[Stream]
    count: int = 0
    """Messages after which to end, for those who do not end with the connection; 0:
    never."""

    @property
    def names(self) -> list[str]:
        """The streams' names on the wire."""
        return [stream_name(stream) for stream in self.streams]


class Contestant(NamedTuple):
    """One that takes part."""

    name: str
    commands: Callable[[Target], list[list[str]]]
    leaves: bool = True
    """Whether it ends when the exchange closes the connection, or by count."""
    speed: int = 20_000
    """Messages a second to expect of a first run, which tells the others' length."""
    records: bool = False
    """Whether its lines are klinetail's record."""


def klinetail(target: Target, *options: str) -> list[str]:
    """The command `klinetail watch` of a target."""
    return [
        *(sys.executable, "-m", "klinetail", "watch"),
        *words(target.streams),
        *("--ws-url", target.ws_url, "--rest-url", target.rest_url),
        *options,
    ]


def words(streams: Sequence[Stream]) -> list[str]:
    """The streams as few words: every symbol in every interval if that is what they
    are."""
    symbols = dict.fromkeys(stream.symbol.lower() for stream in streams)
    intervals = dict.fromkeys(stream.interval for stream in streams)
    if len(symbols) * len(intervals) == len(streams):
        return [*symbols, *intervals]
    return [str(stream) for stream in streams]


def websocat(target: Target) -> list[str]:
    """websocat, which is told on stdin what to subscribe to."""
    return ["websocat", "--exit-on-eof", f"{target.ws_url}/ws"]


def parts(target: Target) -> list[list[str]]:
    """The streams' names, in parts as large as one connection may have."""
    names, most = target.names, LIVE.limits.streams
    return [names[n : n + most] for n in range(0, len(names), most)]


def asks(target: Target) -> list[str]:
    """The request of each part."""
    return [
        requests.encode(Request(Method.SUBSCRIBE, 1, part)) for part in parts(target)
    ]


def _script(name: str, *, counts: bool = False) -> Callable[[Target], list[list[str]]]:
    def commands(target: Target) -> list[list[str]]:
        python = [sys.executable] if target.count else [sys.executable, "-u"]
        count = [str(target.count)] if counts else []
        script = str(HERE / f"{name}.py")
        return [[*python, script, target.ws_url, *count, *target.names]]

    return commands


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant(
            "klinetail",
            lambda target: [klinetail(target, "-n", "0", "-u", "-o", "jsonl")],
            leaves=False,
            speed=150_000,
            records=True,
        ),
        Contestant(
            "websocat-jq",
            lambda target: [websocat(target), ["jq", "-c", ".k"]],
            speed=30_000,
        ),
        Contestant(
            "websocat-jq-record",
            lambda target: [websocat(target), ["jq", "-c", RECORD]],
            speed=20_000,
        ),
        Contestant(
            "websocat",
            lambda target: [websocat(target) for _ in parts(target)],
            speed=100_000,
        ),
        Contestant(
            "websocat-jq-unbuffered",
            lambda target: [websocat(target), ["jq", "--unbuffered", "-c", ".k"]],
            speed=20_000,
        ),
        Contestant("naive-connector", _script("naive_connector"), speed=5_000),
        Contestant(
            "picows-msgspec", _script("picows_msgspec"), speed=100_000, records=True
        ),
        Contestant("unicorn", _script("unicorn", counts=True), speed=10_000),
        Contestant("ccxt", _script("ccxt_pro", counts=True), speed=4_000),
    )
}
