"""The options that choose an exchange, and the connection data of the exchange."""

from __future__ import annotations

import enum
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from klinetail.exchange.proxy import Proxy
    from klinetail.protocol.venues import Venue


class Env(enum.StrEnum):
    """The exchanges that `--env` can choose."""

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
        "REST. By default HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY decide.",
    ),
]


class Exchange(NamedTuple):
    """An exchange, and the proxies on the way to the exchange."""

    venue: Venue
    """The addresses, the paths and the limits of the exchange."""
    ws_proxy: Proxy | None
    """The proxy for WebSocket connections; None without a proxy."""
    rest_proxy: Proxy | None
    """The proxy for REST requests; None without a proxy."""


class Origin(enum.Enum):
    """The origin of an option's value, from the strongest origin to the weakest."""

    FLAG = enum.auto()
    ENVIRONMENT = enum.auto()
    DEFAULT = enum.auto()


class Said(NamedTuple):
    """An option's value, with the origin of the value."""

    value: str | None
    """The text of the value; None for an option without a value."""
    origin: Origin
    """The command line, the environment or the default."""


class Asked(NamedTuple):
    """The exchange named by the options."""

    env: Env
    """The value of `--env`; unused if `venue` is set."""
    venue: Venue | None
    """The exchange at the user's own addresses; None if `env` decides."""
    ignored: str | None
    """A notice about environment variables overruled by a flag; None if there are no
    such variables."""


def decide(env: Said, ws_url: Said, rest_url: Said) -> Asked:
    """Return the exchange named by the options.

    A flag goes before an environment variable, both for `--env` and for the addresses.
    Two flags that name two exchanges are refused, and two variables likewise.

    Raises:
        UsageError: the options name two exchanges, an address lacks the other address
            of the same origin, or an address is malformed.
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
    """Return the exchange named by a command's options; the errors are those of
    `decide`."""
    return decide(*(_said(context, name) for name in ("env", "ws_url", "rest_url")))


def _said(context: typer.Context, name: str) -> Said:
    source = context.get_parameter_source(name)
    known = "" if source is None else source.name
    origin = {"COMMANDLINE": Origin.FLAG, "ENVIRONMENT": Origin.ENVIRONMENT}.get(known)
    return Said(context.params[name], origin or Origin.DEFAULT)


def exchange_of(stack: ExitStack, asked: Asked, proxy: str | None) -> Exchange:
    """Return the exchange for the options; the embedded exchange is started.

    Args:
        stack: the embedded exchange stops when the stack is closed.
        asked: the exchange named by the options.
        proxy: the value of `--proxy`; None if the environment decides.

    Raises:
        UsageError: the proxy's address is malformed, or of an unsupported kind.
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
