"""Venues: everything that differs between markets, and between hosts of one market.

A second market is one more `Venue` here. A `Venue` says

- the addresses: the WebSocket's in the connector's form, without `/ws`, REST's, and
  the address of the public dumps, if the market has dumps;
- `official_ws_url`, the only address where the exchange sends the market's candles;
- the paths of REST, and the key of a symbol's status in the list of symbols;
- the limits, each with its source;
- a symbol with trades in every minute;
- the units of the two volumes of a candle;
- whether the candles are the real market's.

`OF_ENV` and `klinetail.cli.exchange.Env` name the venues that can be chosen by a word.
Nothing else has to change, if the market has the frames of `frames` and `requests` and
the rows of `rest`. COIN-M futures have the same frames and rows: their paths begin with
`/dapi/v1`, their WebSocket `wss://dstream.binance.com` is not routed, the status is a
`contractStatus`, the busiest symbol is BTCUSD_PERP, and `volume` counts contracts while
`quote_volume` counts the base asset. No view names the two units yet,
and `klinetail.spelling` completes other spellings of symbols to those of USDⓈ-M.
"""

from __future__ import annotations

import enum
import re
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec
from msgspec.structs import replace

from klinetail.errors import UsageError
from klinetail.protocol.limits import Limits

StatusKey = Literal["status", "contractStatus"]
"""The key of a symbol's status in the list of symbols: `contractStatus` at COIN-M."""


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """The paths of a venue's REST side, by question."""

    ping: str
    """The empty answer."""
    time: str
    """The exchange's time."""
    klines: str
    """Candles of one stream."""
    exchange_info: str
    """The list of symbols."""
    archive: str
    """The folder of the market's public dumps, on the host of the dumps."""


class Unit(enum.StrEnum):
    """The unit of a volume."""

    BASE = "base"
    """Units of the base asset."""
    QUOTE = "quote"
    """Units of the quote asset."""
    CONTRACTS = "contracts"
    """Contracts, each worth the same amount of the quote asset."""


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """A market at a host: everything that klinetail has to know beforehand."""

    name: str
    """The name of the venue in title and receipt, in a few words."""

    ws_url: str
    """Address of the WebSocket. The connector gets the address as `stream_url` and
    appends `/ws`."""

    rest_url: str
    """Address of REST, without a path of `paths`."""

    official_ws_url: str
    """The address at which the exchange itself sends the market's candles. Another path
    of the same host is refused, and a user whose own address stays silent is told the
    official address."""

    archive_url: str | None = None
    """Address of the host of the exchange's public dumps, or None for a market without
    dumps: the exchange publishes dumps of the real market alone."""

    paths: Paths
    """Paths of REST and of the dumps."""

    status_key: StatusKey
    """The key of a symbol's status in the list of symbols."""

    limits: Limits
    """The limits of the exchange for an address and a connection."""

    busiest_symbol: str
    """A symbol with trades in every minute: the symbol's newest candle bears witness to
    the exchange's time."""

    volume_unit: Unit
    """The unit of `volume` and `taker_buy_volume` of a candle."""

    quote_volume_unit: Unit
    """The unit of `quote_volume` and `taker_buy_quote_volume` of a candle."""

    real: bool
    """Whether the candles are certainly the real market's. All candles without that
    certainty are named loudly wherever a person looks at the candles."""


LIVE: Final = Venue(
    name="binance live",
    # Since 2026-04-23 candles flow only below `/market`: the unrouted addresses, the
    # connector's default, ack a subscription and stay silent (Important WebSocket
    # Change Notice of the USDⓈ-M futures documentation).
    ws_url="wss://fstream.binance.com/market",
    rest_url="https://fapi.binance.com",
    official_ws_url="wss://fstream.binance.com/market",
    archive_url="https://data.binance.vision",
    paths=Paths(
        ping="/fapi/v1/ping",
        time="/fapi/v1/time",
        klines="/fapi/v1/klines",
        exchange_info="/fapi/v1/exchangeInfo",
        archive="/data/futures/um",  # https://github.com/binance/binance-public-data
    ),
    status_key="status",
    # WebSocket Market Streams, General Info and change log of the USDⓈ-M futures
    # documentation; names and weights as measured 2026-10-07.
    limits=Limits(
        streams=1024,
        names=200,
        messages_per_second=10,
        rows=1500,
        page=499,  # the documentation lets the weight of 2 end before 500 rows
        rows_by_default=500,
        weight_per_minute=2400,
        time_weight=1,
        listings_weight=1,
        klines_weights=((100, 1), (500, 2), (1000, 5), (1500, 10)),
        klines_weight_by_default=5,
    ),
    busiest_symbol="BTCUSDT",
    volume_unit=Unit.BASE,
    quote_volume_unit=Unit.QUOTE,
    real=True,
)
"""The exchange's USDⓈ-M futures."""

TESTNET: Final = replace(
    LIVE,
    name="binance testnet",
    ws_url="wss://demo-fstream.binance.com/market",
    rest_url="https://demo-fapi.binance.com",
    archive_url=None,
    real=False,
)
"""The testnet of the exchange's USDⓈ-M futures. The testnet's limits are
kept like the live exchange's, though the testnet allows 6000 of weight a minute
(measured 2026-09-15)."""

OF_ENV: Final = {"live": LIVE, "testnet": TESTNET}
"""The exchange's own venues, by the names for choosing a venue."""


def sim_venue(port: int, like: Venue = LIVE, market: str = "synthetic market") -> Venue:
    """Return the venue of the embedded exchange on a loopback port.

    Args:
        port: the TCP port.
        like: the venue whose paths, limits and units the embedded exchange has.
        market: the traded market, in a few words.
    """
    return replace(
        like,
        name=f"SIM ({market})",
        ws_url=f"ws://127.0.0.1:{port}{ws_path(like)}",
        rest_url=f"http://127.0.0.1:{port}",
        archive_url=f"http://127.0.0.1:{port}",
        real=False,
    )


def ws_path(venue: Venue) -> str:
    """Return the path at which a venue's candles flow, without `/ws`: `/market`, or ""
    at a venue without routing."""
    return urlsplit(venue.official_ws_url).path


def own_venue(ws_url: str, rest_url: str, like: Venue = LIVE) -> Venue:
    """Return the venue at a user's own addresses. Nothing is known of the venue except
    that the venue speaks as `like` does.

    Dumps are looked for at the address of REST alone, so that candles of two exchanges
    never mix; `with_archive` names another address.
    """
    return replace(
        like,
        name=ws_url,
        ws_url=ws_url,
        rest_url=rest_url,
        archive_url=rest_url,
        real=False,
    )


def with_archive(venue: Venue, url: str, name: str = "--archive-url") -> Venue:
    """Return the venue with its dumps at a user's own address.

    Args:
        venue: the venue.
        url: the address of the host of the dumps.
        name: the user's name of the address.

    Raises:
        UsageError: the address is malformed or no address of HTTP.
    """
    parts = _checked(url, name, ("http", "https"))
    path = parts.path.rstrip("/")
    return replace(venue, archive_url=urlunsplit(parts._replace(path=path)))


def chosen(env: str | None, ws_url: str | None, rest_url: str | None) -> Venue:
    """Return the venue that a program asks for: by name, or by addresses in the form
    of `custom`; the live exchange if the program gives neither.

    Raises:
        UsageError: both are given, no venue has the name, or errors as of `custom`.
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
    if (venue := OF_ENV.get(env)) is None:
        raise UsageError(f"there is no env {env!r:.60}; there are {', '.join(OF_ENV)}")
    return venue


def custom(
    ws_url: str | None,
    rest_url: str | None,
    names: tuple[str, str] = ("--ws-url", "--rest-url"),
) -> Venue | None:
    """Return the venue at a user's own addresses; None if no address is given.

    A pasted trailing `/ws` or `/stream` is taken off.

    Args:
        ws_url: the address that the connector gets as `stream_url`.
        rest_url: the address of REST.
        names: the user's names of the two addresses.

    Raises:
        UsageError: only one of the two addresses is given (real and made-up data must
            never mix), an address is of another kind, or an address is of the
            exchange's own host and never sends a candle.
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
    official = urlsplit(LIVE.official_ws_url)
    host = (ws.hostname or "").rstrip(".")
    if host == official.hostname and path != official.path:
        raise UsageError(
            f"{names[0]} {ws_url} acks and then never sends a candle;"
            f" the right address is {LIVE.official_ws_url}"
        )
    return own_venue(
        urlunsplit(ws._replace(path=path)),
        urlunsplit(rest._replace(path=rest.path.rstrip("/"))),
    )


def _checked(url: str, option: str, schemes: tuple[str, str]) -> SplitResult:
    form = f"it looks like {schemes[1]}://host:port"
    try:
        parts = urlsplit(url)
    except ValueError:  # not in the message: the address may hold a password
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
