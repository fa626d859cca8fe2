"""What becomes of a WebSocket handshake. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.table import FAULTS

_REFUSALS: Final = (403, 404, 418, 429, 451, 500, 503)


class Way(enum.Enum):
    """How a handshake fails."""

    ANSWERED = enum.auto()
    """With an HTTP answer instead."""
    CUT = enum.auto()
    SILENT = enum.auto()
    MISKEYED = enum.auto()
    """With another's Sec-WebSocket-Accept."""
    DRIPPING = enum.auto()
    CUT_AFTER = enum.auto()
    """It succeeds, and that is all."""


_STRANGE: Final = (Way.SILENT, Way.DRIPPING, Way.MISKEYED)


class Failure(NamedTuple):
    """A handshake that fails, by which fault, and how."""

    fault: str
    way: Way
    status: int = 0
    headers: Mapping[str, str] = {}


def failure_of(
    chaos: Chaos, number: int, address: str, *, served: bool
) -> Failure | None:
    """How the handshake of this number fails, or None if it does not.

    Args:
        chaos: what strikes.
        number: counted from 1.
        address: `host:port` of the exchange.
        served: whether a client has had candles already.
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
