"""Which exchange: the options that say it, and the way there."""

from __future__ import annotations

import enum
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from klinetail.exchange.proxy import Proxy
    from klinetail.protocol.venues import Venue


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

    venue: Venue
    ws_proxy: Proxy | None
    rest_proxy: Proxy | None


class Origin(enum.Enum):
    """Where an option's value comes from; what comes first goes before what follows."""

    FLAG = enum.auto()
    ENVIRONMENT = enum.auto()
    DEFAULT = enum.auto()


class Said(NamedTuple):
    """An option's value, and where it comes from."""

    value: str | None
    origin: Origin


class Asked(NamedTuple):
    """Which exchange is asked for."""

    env: Env
    venue: Venue | None
    """The user's own addresses, in place of those of `env`."""
    ignored: str | None
    """What to say about variables of the environment that a flag overrules."""


def decide(env: Said, ws_url: Said, rest_url: Said) -> Asked:
    """The exchange that the options ask for: a flag goes before the environment, on
    either side. Flags that name two exchanges are refused, and so are variables.

    Raises:
        UsageError: they name two exchanges, one address without the other of the same
            origin, or what is no address.
    """
    from klinetail.errors import UsageError
    from klinetail.protocol import venues

    chosen = Env(env.value or Env.LIVE)
    urls = {"KLINETAIL_WS_URL": ws_url, "KLINETAIL_REST_URL": rest_url}
    given = {name: url.origin for name, url in urls.items() if url.value is not None}
    origins = set(given.values())
    if env.origin is Origin.FLAG and origins == {Origin.ENVIRONMENT}:
        are = "are" if len(given) > 1 else "is"
        said = f"{' and '.join(given)} {are} ignored: --env {chosen} goes first"
        return Asked(chosen, None, said)
    if len(origins) > 1:
        flag, other = ("ws", "rest") if ws_url.origin is Origin.FLAG else ("rest", "ws")
        variable = f"KLINETAIL_{other.upper()}_URL"
        raise UsageError(
            f"--{flag}-url without --{other}-url: {variable} could be another"
            " exchange's; give both"
        )
    custom = venues.custom(ws_url.value, rest_url.value)
    if custom is None or env.origin is Origin.DEFAULT:
        return Asked(chosen, custom, None)
    if env.origin not in origins:
        said = f"KLINETAIL_ENV={chosen} is ignored: --ws-url and --rest-url go first"
        return Asked(Env.LIVE, custom, said)
    names = ("--env ", "--ws-url")
    if env.origin is Origin.ENVIRONMENT:
        names = ("KLINETAIL_ENV=", "KLINETAIL_WS_URL")
    raise UsageError(f"{names[0]}{chosen} and {names[1]} name two exchanges; give one")


def asked(context: typer.Context) -> Asked:
    """The exchange that a command's options ask for; errors as `decide`."""
    return decide(*(_said(context, name) for name in ("env", "ws_url", "rest_url")))


def _said(context: typer.Context, name: str) -> Said:
    source = context.get_parameter_source(name)
    known = "" if source is None else source.name
    origin = {"COMMANDLINE": Origin.FLAG, "ENVIRONMENT": Origin.ENVIRONMENT}.get(known)
    return Said(context.params[name], origin or Origin.DEFAULT)


def exchange_of(stack: ExitStack, asked: Asked, proxy: str | None) -> Exchange:
    """The exchange that is asked for; the embedded one starts, to be left with the
    stack.

    Raises:
        UsageError: the proxy cannot be.
    """
    import os

    from klinetail.exchange.proxy import proxy_for
    from klinetail.protocol import venues

    if asked.venue is not None:
        venue = asked.venue
    elif asked.env is Env.SIM:
        venue = _sim(stack)
        proxy = None  # the sim is in this process
    else:
        venue = venues.OF_ENV[asked.env]
    return Exchange(
        venue,
        proxy_for(venue.ws_url, proxy, os.environ),
        proxy_for(venue.rest_url, proxy, os.environ),
    )


def _sim(stack: ExitStack) -> Venue:
    from klinetail.protocol.venues import sim_venue
    from klinetail.sim import embedded_exchange

    return sim_venue(stack.enter_context(embedded_exchange()).port)
