"""Faults of WebSocket handshakes. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.table import FAULTS

_REFUSALS: Final = (403, 404, 418, 429, 451, 500, 503)
"""The HTTP statuses of refused handshakes."""


class Way(enum.Enum):
    """The way in which a handshake fails."""

    ANSWERED = enum.auto()
    """The server sends an HTTP answer instead."""
    CUT = enum.auto()
    """The connection ends."""
    SILENT = enum.auto()
    """The server sends nothing."""
    MISKEYED = enum.auto()
    """The server sends a wrong Sec-WebSocket-Accept."""
    DRIPPING = enum.auto()
    """The server sends byte by byte."""
    CUT_AFTER = enum.auto()
    """The connection ends right after a successful handshake."""


_STRANGE: Final = (Way.SILENT, Way.DRIPPING, Way.MISKEYED)
"""The ways of the fault `handshake`."""


class Failure(NamedTuple):
    """A failing handshake."""

    fault: str
    """The fault."""
    way: Way
    """The way in which the handshake fails."""
    status: int = 0
    """The HTTP status of an answer."""
    headers: Mapping[str, str] = {}
    """The headers of an answer."""


def failure_of(
    chaos: Chaos, number: int, address: str, *, served: bool
) -> Failure | None:
    """Return the failure of a handshake, or None for a sound handshake.

    Args:
        chaos: the faults to inject.
        number: the number of the handshake, counted from 1.
        address: `host:port` of the exchange.
        served: whether any client has received candles already.
    """
    for name in ("refused", "redirect", "hangup", "handshake"):
        random = chaos.strikes(name, number)
        if random is None:
            continue
        if FAULTS[name].fatal and chaos.gentle(name) and not served:
            continue
        match name:
            case "refused":
                status = random.choice(_REFUSALS)
                wait = {"Retry-After": "2"} if status in (418, 429) else {}
                return Failure(name, Way.ANSWERED, status, wait)
            case "redirect":
                to = {"Location": f"http://{address}/elsewhere"}
                return Failure(name, Way.ANSWERED, 302, to)
            case "hangup":
                return Failure(name, random.choice((Way.CUT, Way.CUT_AFTER)))
            case _:
                return Failure(name, random.choice(_STRANGE))
    return None
