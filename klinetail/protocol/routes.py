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


OF_ENV: Final = {"live": LIVE, "testnet": TESTNET}
"""The exchange's own routes, by the names that they are chosen by."""


def chosen(env: str | None, ws_url: str | None, rest_url: str | None) -> Route:
    """The route that a program asks for: by name, or by addresses, as `custom` takes
    them; the live exchange's if it does not say.

    Raises:
        UsageError: both are given, there is no such name, or errors as of `custom`.
    """
    own = custom(ws_url, rest_url, ("ws_url", "rest_url"))
    if own is not None and env is not None:
        raise UsageError(f"env={str(env)!r} and ws_url name two exchanges; give one")
    if own is not None:
        return own
    if env == "sim":
        raise UsageError(
            "the embedded exchange is a program's own to start and to stop:"
            " `with klinetail.sim.embedded_exchange() as exchange:` gives the addresses"
            " for ws_url=exchange.ws_url, rest_url=exchange.rest_url"
        )
    if env is None:
        return LIVE
    if (route := OF_ENV.get(env)) is None:
        raise UsageError(f"there is no env {env!r:.60}; there are {', '.join(OF_ENV)}")
    return route


def custom(
    ws_url: str | None,
    rest_url: str | None,
    names: tuple[str, str] = ("--ws-url", "--rest-url"),
) -> Route | None:
    """The route that a user's own addresses name, or None if there are none.

    A pasted trailing `/ws` or `/stream` is taken off.

    Args:
        ws_url: the address that the connector gets as `stream_url`.
        rest_url: the address of REST.
        names: what the user knows the two as.

    Raises:
        UsageError: one without the other (real and made-up data must never mix),
            an address of another kind, or the exchange's silent unrouted one.
    """
    if ws_url is None and rest_url is None:
        return None
    if ws_url is None or rest_url is None:
        given, lacking = names if rest_url is None else reversed(names)
        raise UsageError(
            f"{given} without {lacking}: give both, so that candles of"
            " two exchanges never mix"
        )
    ws = _checked(ws_url, names[0], ("ws", "wss"))
    rest = _checked(rest_url, names[1], ("http", "https"))
    path = ws.path.rstrip("/")
    while path.endswith(("/ws", "/stream")):
        path = path.rpartition("/")[0].rstrip("/")
    if (ws.hostname or "").rstrip(".") == "fstream.binance.com" and path != "/market":
        raise UsageError(
            f"{names[0]} {ws_url} acks and then never sends a candle;"
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
