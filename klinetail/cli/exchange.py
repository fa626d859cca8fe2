"""Which exchange: the options that say it, and the way there."""

from __future__ import annotations

import enum
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from klinetail.exchange.proxy import Proxy
    from klinetail.protocol.routes import Route


class Env(enum.StrEnum):
    """Which exchange."""

    LIVE = "live"
    TESTNET = "testnet"
    SIM = "sim"


EnvOption = Annotated[
    Env,
    typer.Option(
        "--env",
        envvar="KLINETAIL_ENV",
        help="Which exchange; sim is a made-up market on this machine.",
    ),
]
WsUrlOption = Annotated[
    str | None,
    typer.Option(
        "--ws-url",
        metavar="URL",
        envvar="KLINETAIL_WS_URL",
        help="Another exchange's WebSocket, with --rest-url.",
    ),
]
RestUrlOption = Annotated[
    str | None,
    typer.Option(
        "--rest-url",
        metavar="URL",
        envvar="KLINETAIL_REST_URL",
        help="Another exchange's REST, with --ws-url.",
    ),
]
ProxyOption = Annotated[
    str | None,
    typer.Option(
        "--proxy",
        metavar="URL",
        envvar="KLINETAIL_PROXY",
        help="http://[USER:PASSWORD@]HOST:PORT, or https://; for WebSocket and "
        "REST. Otherwise HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY tell.",
    ),
]


class Exchange(NamedTuple):
    """The way to an exchange."""

    route: Route
    source: str
    """What it is, in a few words."""
    ws_proxy: Proxy | None
    rest_proxy: Proxy | None


def check_exchange(env: Env, ws_url: str | None, rest_url: str | None) -> Route | None:
    """The user's own addresses, if any.

    Raises:
        UsageError: they cannot be, or name another exchange than `env`.
    """
    from klinetail.errors import UsageError
    from klinetail.protocol import routes

    custom = routes.custom(ws_url, rest_url)
    if custom is not None and env is not Env.LIVE:
        raise UsageError(f"--env {env} and --ws-url name two exchanges; give one")
    return custom


def exchange_of(
    stack: ExitStack,
    env: Env,
    ws_url: str | None,
    rest_url: str | None,
    proxy: str | None,
) -> Exchange:
    """The exchange that the options name; the embedded one starts, to be left with
    the stack.

    Raises:
        UsageError: they cannot be.
    """
    import os

    from klinetail.exchange.proxy import proxy_for
    from klinetail.protocol import routes

    custom = check_exchange(env, ws_url, rest_url)
    if env is Env.SIM:
        route, source = _sim(stack), "SIM (synthetic market)"
    elif custom is not None:
        route, source = custom, custom.ws_url
    elif env is Env.LIVE:
        route, source = routes.LIVE, "binance live"
    else:
        route, source = routes.TESTNET, "binance testnet"
    given = None if env is Env.SIM else proxy  # the sim is in this process
    return Exchange(
        route,
        source,
        proxy_for(route.ws_url, given, os.environ),
        proxy_for(route.rest_url, given, os.environ),
    )


def _sim(stack: ExitStack) -> Route:
    from klinetail.protocol.routes import sim_route
    from klinetail.sim import embedded_exchange

    return sim_route(stack.enter_context(embedded_exchange()).port)
