"""Faults of REST answers: the choice of a fault, and the spoilt answer. Pure."""

from __future__ import annotations

import email.utils
import enum
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from klinetail.errors import BadMessage
from klinetail.protocol.rest_errors import TOO_MANY_REQUESTS
from klinetail.protocol.server_time import decode_time
from klinetail.protocol.venues import LIVE
from klinetail.sim.faults import clocks
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.table import FAULTS, Group

HELD: Final = 15.0
"""Real seconds for which an answer is withheld or drips."""

DRIP: Final = 0.25
"""Real seconds between two bytes of a dripping answer."""


class Manner(enum.Enum):
    """The manner of sending an answer."""

    WHOLE = enum.auto()
    """At once and whole."""
    NEVER = enum.auto()
    """Not at all."""
    DRIPPING = enum.auto()
    """Byte by byte."""
    RESET = enum.auto()
    """In part, followed by a reset of the connection."""


class Delivery(NamedTuple):
    """An answer with the manner of sending."""

    status: int
    """The HTTP status."""
    body: bytes
    """The body, uncompressed."""
    headers: Mapping[str, str] = {}
    """Headers in addition to the usual headers."""
    manner: Manner = Manner.WHOLE
    """The manner of sending."""


_LAGS: Final = ("lag", "absent")
"""The faults of late rows, injected by `lags`."""
_ROWS: Final = (
    "unsorted",
    "doubled",
    "short",
    "hole",
    "longer",
    "differing",
    "impossible",
)
"""The faults of the rows in a sound answer."""
_STRIKING: Final = [
    fault.name
    for fault in FAULTS.values()
    if fault.group is Group.REST and fault.name not in _LAGS
]
"""The faults decided for each request."""


def fault_of(
    chaos: Chaos, key: str, number: int, *, served: bool
) -> tuple[str, Random] | None:
    """Return the fault that strikes a request, with a random generator for the details;
    None for a request spared.

    Args:
        chaos: the faults to inject.
        key: the subject of the request.
        number: the number of earlier requests with the same key.
        served: whether any client has received candles already.
    """
    for name in _STRIKING:
        random = chaos.strikes(name, key, number)
        if random is None:
            continue
        spared = number % 3 == 2 or (FAULTS[name].fatal and not served)
        if not (spared and chaos.gentle(name)):
            return name, random
    return None


def disturbed(
    name: str,
    random: Random,
    status: int,
    body: bytes,
    now: int,
    *,
    gentle: bool,
    per_minute: int = LIVE.limits.weight_per_minute,
) -> Delivery | None:
    """Return the answer spoilt by a fault, or None if the fault cannot apply.

    Args:
        name: the fault.
        random: decides the details.
        status: the status of the true answer.
        body: the body of the true answer.
        now: exchange time, ms.
        gentle: whether to spare the client a pause of a minute.
        per_minute: the REST weight allowed in a minute.
    """
    if name in _ROWS:
        return _rows(name, random, status, body)
    if name in ("busy", "banned"):
        return _limited(name, random, now, per_minute, gentle=gentle)
    return _SPOILT[name](random, status, body)


def _limited(
    name: str, random: Random, now: int, per_minute: int, *, gentle: bool
) -> Delivery:
    """Return an answer of too many requests or of a ban."""
    seconds = random.randint(1, 3)
    until = now + 1000 * seconds
    ways: list[dict[str, str]] = [{"Retry-After": str(seconds)}]
    if name == "banned":
        ways.append({})
        words = f"Way too many requests; IP(127.0.0.1) banned until {until}. {_ADVICE}"
        return Delivery(418, _error(TOO_MANY_REQUESTS, words), random.choice(ways))
    ways.append({"Retry-After": email.utils.formatdate(until / 1000, usegmt=True)})
    if not gentle:
        ways.append({})
    return Delivery(429, too_many(per_minute), random.choice(ways))


def too_many(per_minute: int) -> bytes:
    """Return the body of an answer with status 429.

    Args:
        per_minute: the REST weight allowed in a minute.
    """
    words = (
        f"Too many requests; current limit of IP(127.0.0.1) is {per_minute} requests"
        f" per minute. {_ADVICE}"
    )
    return _error(TOO_MANY_REQUESTS, words)


def banned(until: int) -> bytes:
    """Return the body of an answer with status 418.

    Args:
        until: exchange time of the ban's end, ms.
    """
    words = f"Way too many requests; IP(127.0.0.1) banned until {until}. {_ADVICE}"
    return _error(TOO_MANY_REQUESTS, words)


_ADVICE: Final = "Please use the websocket for live updates to avoid bans."
_HTML: Final = b"<!DOCTYPE html><html><body><h1>Not now</h1></body></html>"
_AS_HTML: Final = {"Content-Type": "text/html"}


def _error(code: int, message: str) -> bytes:
    """Return an error in the exchange's form."""
    return msgspec.json.encode({"code": code, "msg": message})


_RESTRICTED: Final = Delivery(
    451,
    _error(
        0,
        "Service unavailable from a restricted location according to 'b. Eligibility'"
        " in https://www.binance.com/en/terms.",
    ),
)
_UNAVAILABLE: Final = (
    Delivery(408, _error(-1007, "Timeout waiting for response from backend server.")),
    Delivery(500, _HTML, _AS_HTML),
    Delivery(502, _HTML, _AS_HTML),
    Delivery(503, _error(-1008, "Server is currently overloaded.")),
    Delivery(503, _error(-1016, "This service is no longer available.")),
    Delivery(503, b"Service Unavailable.", {"Content-Type": "text/plain"}),
    Delivery(504, b"", {}),
)
"""Answers of an exchange that cannot serve a request."""

_Spoil = Callable[[Random, int, bytes], Delivery | None]
_SPOILT: Final[Mapping[str, _Spoil]] = {
    "forbidden": lambda random, *_: random.choice(
        (Delivery(403, _HTML, _AS_HTML), _RESTRICTED)
    ),
    "unavailable": lambda random, *_: random.choice(_UNAVAILABLE),
    "challenge": lambda *_: Delivery(202, b"", {"x-amzn-waf-action": "challenge"}),
    "timeout": lambda _, status, body: Delivery(status, body, {}, Manner.NEVER),
    "drip": lambda _, status, body: Delivery(status, body, {}, Manner.DRIPPING),
    "reset": lambda _, status, body: Delivery(status, body, {}, Manner.RESET),
    "html": lambda *_: Delivery(200, _HTML, _AS_HTML),
    "truncated": lambda random, _, body: Delivery(
        200, random.choice((body[: len(body) // 2], b"{}"))
    ),
    "clock": lambda random, _, body: _mistimed(random, body),
}
"""The function that spoils an answer, by fault; None as a result spares the answer."""


def _mistimed(random: Random, body: bytes) -> Delivery | None:
    """Return the answer of a wrong clock, with an equally wrong header `Date`; None if
    the answer tells no time."""
    try:
        told = decode_time(body) + clocks.error(random)
    except BadMessage:
        return None
    date = email.utils.formatdate(told / 1000, usegmt=True)
    return Delivery(200, msgspec.json.encode({"serverTime": told}), {"Date": date})


def _rows(name: str, random: Random, status: int, body: bytes) -> Delivery | None:
    """Return an answer with spoilt rows, or None without enough rows."""
    if status != 200:
        return None
    rows = msgspec.json.decode(body)
    if not isinstance(rows, list) or len(rows) < (3 if name == "hole" else 2):
        return None
    return Delivery(200, msgspec.json.encode(_shuffled(name, random, rows)))


def _shuffled(name: str, random: Random, rows: Sequence[Any]) -> list[Any]:
    """Return the rows spoilt by a fault."""
    match name:
        case "unsorted":
            return [*reversed(rows)]
        case "doubled":
            at = random.randrange(len(rows))
            return [*rows[: at + 1], *rows[at:]]
        case "short":
            return [*rows[: random.randint(1, len(rows) - 1)]]
        case "longer":
            return [[*row, random.choice((0, "0", None, {"x": []}))] for row in rows]
        case "differing":
            at = random.randrange(len(rows))
            other = _with(rows[at], 8, rows[at][8] + 1)
            return [*rows[:at], *random.sample([rows[at], other], 2), *rows[at + 1 :]]
        case "impossible":
            at = random.randrange(len(rows))
            return [*rows[:at], random.choice(_WAYS)(rows[at]), *rows[at + 1 :]]
        case _:  # a missing first row would look like a late listing
            at = random.randint(1, len(rows) - 2)
            return [*rows[:at], *rows[at + 1 :]]


def _with(row: Sequence[Any], at: int, value: object) -> list[Any]:
    """Return a row with another value."""
    return [*row[:at], value, *row[at + 1 :]]


_WAYS: Final[Sequence[Callable[[Sequence[Any]], object]]] = (
    lambda row: _with(row, 5, f"-{row[5]}"),  # volume
    lambda row: _with(row, 2, "0"),  # high
    lambda row: _with(row, 6, row[6] + 1),  # close time
    lambda row: row[:8],
    lambda _: None,
)
"""Ways to make a row impossible."""
