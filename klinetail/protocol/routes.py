"""Where the exchange is: the WebSocket and REST addresses that belong together.

Since 2026-04-23 klines flow only below `/market`: the unrouted addresses of
fstream.binance.com, the connector's default, ack a subscription and stay silent
(Important WebSocket Change Notice of the USDⓈ-M futures documentation).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from klinetail.errors import UsageError


class Route(msgspec.Struct, frozen=True):
    """A pair of addresses.

    `ws_url` is what the connector gets as `stream_url`: it appends `/ws`.
    """

    ws_url: str
    rest_url: str


LIVE: Final = Route("wss://fstream.binance.com/market", "https://fapi.binance.com")
TESTNET: Final = Route(
    "wss://demo-fstream.binance.com/market", "https://demo-fapi.binance.com"
)


def sim_route(port: int) -> Route:
    """The route to the embedded exchange on a loopback port."""
    return Route(f"ws://127.0.0.1:{port}/market", f"http://127.0.0.1:{port}")


def custom(ws_url: str | None, rest_url: str | None) -> Route | None:
    """The route that a user's own addresses name, or None if there are none.

    A pasted trailing `/ws` or `/stream` is taken off.

    Raises:
        UsageError: one without the other (real and made-up data must never mix),
            an address of another kind, or the exchange's silent unrouted one.
    """
    if ws_url is None and rest_url is None:
        return None
    if ws_url is None or rest_url is None:
        given, lacking = ("ws", "rest") if rest_url is None else ("rest", "ws")
        raise UsageError(
            f"--{given}-url without --{lacking}-url: give both, so that candles of"
            " two exchanges never mix"
        )
    ws = _checked(ws_url, "--ws-url", ("ws", "wss"))
    rest = _checked(rest_url, "--rest-url", ("http", "https"))
    path = ws.path.rstrip("/")
    while path.endswith(("/ws", "/stream")):
        path = path.rpartition("/")[0].rstrip("/")
    if (ws.hostname or "").rstrip(".") == "fstream.binance.com" and path != "/market":
        raise UsageError(
            f"--ws-url {ws_url} acks and then never sends a candle;"
            f" the right address is {LIVE.ws_url}"
        )
    return Route(
        urlunsplit(ws._replace(path=path)),
        urlunsplit(rest._replace(path=rest.path.rstrip("/"))),
    )


def _checked(url: str, option: str, schemes: tuple[str, str]) -> SplitResult:
    form = f"it looks like {schemes[1]}://host:port"
    try:
        parts = urlsplit(url)
    except ValueError:  # not repeated in the message: it may hold a password
        raise UsageError(f"{option} is no address; {form}") from None
    if "@" in parts.netloc:
        raise UsageError(f"{option} must hold no user name or password")
    try:
        valid = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or _UNSEEMLY(url):
        raise UsageError(f"{option} {url!r} is no address; {form}")
    return parts


_UNSEEMLY: Final = re.compile(r"[\s\x00-\x1f\x7f]").search
