"""Venues: candles flow only where they are routed, and never mix; and what a venue
says stands nowhere else."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import klinetail
from klinetail.errors import UsageError
from klinetail.protocol.venues import (
    LIVE,
    OF_ENV,
    TESTNET,
    Unit,
    chosen,
    custom,
    own_venue,
    sim_venue,
    with_archive,
    ws_path,
)

REST = "https://example.org"


def refused(ws_url, rest_url=REST):
    with pytest.raises(UsageError) as caught:
        custom(ws_url, rest_url)
    return str(caught.value)


def test_the_exchanges_own_are_routed_to_market():
    assert LIVE.ws_url == LIVE.official_ws_url == "wss://fstream.binance.com/market"
    assert LIVE.rest_url == "https://fapi.binance.com"
    assert TESTNET.ws_url.startswith("wss://demo-")
    assert TESTNET.ws_url.endswith("/market")
    assert TESTNET.rest_url.startswith("https://demo-")


def test_the_sims_is_on_the_loopback():
    sim = sim_venue(8123)
    assert sim.ws_url == "ws://127.0.0.1:8123/market"
    assert sim.rest_url == "http://127.0.0.1:8123"
    assert sim.name == "SIM (synthetic market)"


def test_the_sim_serves_candles_where_the_venue_that_it_is_like_does():
    like = replace(LIVE, official_ws_url="wss://dstream.example")
    assert ws_path(like) == ""
    assert sim_venue(8123, like).ws_url == "ws://127.0.0.1:8123"


def test_dumps_are_the_real_markets_or_of_the_same_host_as_rest():
    assert LIVE.archive_url == "https://data.binance.vision"
    assert LIVE.paths.archive == "/data/futures/um"
    assert TESTNET.archive_url is None
    assert sim_venue(8123).archive_url == "http://127.0.0.1:8123"
    own = own_venue("wss://example.org", REST)
    assert own.archive_url == REST
    assert with_archive(own, "http://a.example/x/").archive_url == "http://a.example/x"
    with pytest.raises(UsageError, match="--archive-url"):
        with_archive(own, "ftp://a.example")


def test_the_limits_are_those_of_the_exchange():
    limits = LIVE.limits
    assert (limits.streams, limits.names, limits.messages_per_second) == (1024, 200, 10)
    assert (limits.rows, limits.page, limits.rows_by_default) == (1500, 499, 500)
    assert limits.weight_per_minute == 2400
    assert (limits.time_weight, limits.listings_weight) == (1, 1)


def test_all_speak_alike_and_only_one_is_certainly_real():
    own = own_venue("wss://example.org", REST)
    for venue in (*OF_ENV.values(), sim_venue(1), own):
        assert (venue.paths, venue.limits) == (LIVE.paths, LIVE.limits)
        assert venue.official_ws_url == LIVE.ws_url
        assert (venue.volume_unit, venue.quote_volume_unit) == (Unit.BASE, Unit.QUOTE)
        assert venue.real is (venue is LIVE)
    assert own.name == own.ws_url


def test_what_a_venue_says_stands_nowhere_else():
    """A second market is one value: no module besides knows a path or a name."""
    package = Path(klinetail.__file__).parent
    own = {LIVE.name, TESTNET.name, "/fapi/", "fapi.binance", "fstream.binance"}
    found = {
        f"{path.relative_to(package)}: {word}"
        for path in package.rglob("*.py")
        if path.parent != package / "protocol"
        for word in own
        if word in path.read_text()
    }
    assert found == set()


def test_no_addresses_are_no_venue():
    assert custom(None, None) is None


def test_a_venue_does_not_change():
    with pytest.raises(AttributeError):
        LIVE.ws_url = "wss://example.org"


@pytest.mark.parametrize("venue", [LIVE, TESTNET, sim_venue(1), sim_venue(65535)])
def test_addresses_spelled_out_stay_as_they_are(venue):
    found = custom(venue.ws_url, venue.rest_url)
    assert found == own_venue(venue.ws_url, venue.rest_url)


@pytest.mark.parametrize(
    ("ws_url", "rest_url", "lacking"),
    [
        (LIVE.ws_url, None, "--rest-url"),
        (None, LIVE.rest_url, "--ws-url"),
        ("", None, "--rest-url"),
    ],
)
def test_one_without_the_other_is_refused(ws_url, rest_url, lacking):
    message = refused(ws_url, rest_url)
    assert f"without {lacking}" in message


@pytest.mark.parametrize(
    "pasted",
    ["", "/", "/ws", "/ws/", "/stream", "/stream/", "//", "/ws//", "/ws/stream"],
)
def test_a_pasted_mode_is_taken_off(pasted):
    expected = own_venue("wss://example.org/market", REST)
    assert custom(f"wss://example.org/market{pasted}", REST) == expected
    bare = custom(f"wss://example.org:9443{pasted}", f"{REST}/")
    assert bare == own_venue("wss://example.org:9443", REST)


@pytest.mark.parametrize("path", ["/news", "/upstream", "/ws2", "/wss", "/x/public"])
def test_another_path_is_left_alone(path):
    assert custom(f"wss://example.org{path}", REST).ws_url.endswith(path)


@pytest.mark.parametrize("path", ["", "/", "/ws", "/stream", "/public", "/private/ws"])
@pytest.mark.parametrize(
    "host",
    [
        "fstream.binance.com",
        "FSTREAM.Binance.com",
        "fstream.binance.com.",
        "fstream.binance.com:443",
    ],
)
def test_the_silent_address_is_refused_with_the_right_one(host, path):
    assert LIVE.ws_url in refused(f"wss://{host}{path}", LIVE.rest_url)


@pytest.mark.parametrize(
    "path", ["/market", "/market/", "/market/ws", "/market/stream"]
)
def test_the_routed_address_is_taken(path):
    url = f"wss://fstream.binance.com{path}"
    assert custom(url, LIVE.rest_url) == own_venue(LIVE.ws_url, LIVE.rest_url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org",
        "wss:example.org",
        "wss://",
        "wss:///market",
        "https://example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "wss://example.org:0",
        "wss://example.org:65536",
        "wss://example.org:port",
        "wss://[::1",
        "wss://[zz]",
        "wss://example.org/stream?streams=btcusdt@kline_1m",
        "wss://example.org#x",
        "wss://example org",
        " wss://example.org",
        "wss://example.org\n",
        "wss://exam\tple.org",
        "wss://example.org/\x1b[2J",
        "wss://example.org/\x00",
        "wss://ex\u2100mple.org",
    ],
)
def test_what_is_no_address_is_refused(url):
    assert "--ws-url" in refused(url)
    swapped = url.replace("wss:", "http:") if "wss:" in url else f"x{url}"
    assert "--rest-url" in refused("wss://example.org", swapped)


def test_what_an_address_looks_like_is_said_with_the_safe_scheme():
    assert refused("x").endswith("it looks like wss://host:port")
    swapped = refused("wss://example.org", "x")
    assert swapped.endswith("it looks like https://host:port")


def test_an_ipv6_address_is_one():
    assert custom("ws://[::1]:8000/ws", "http://[::1]:8000") == own_venue(
        "ws://[::1]:8000", "http://[::1]:8000"
    )


@pytest.mark.parametrize(
    "url",
    [
        "{}://me:secret@example.org",
        "{}://me:secret@example.org/market?x=1",
        "{}://me:secret@example.org:99999",
        "{}://me:secret@example.org:port",
        "{}://me:secret@[::1",
        "{}://me:secret@",
        "ftp://me:secret@example.org",
        "{}://secret@example.org",
        "{}://@example.org",
        "{}://me:secret@example.org\n",
    ],
)
def test_a_name_or_password_is_refused_and_not_repeated(url):
    ws = refused(url.format("wss"))
    rest = refused("wss://example.org", url.format("https"))
    assert "secret" not in ws + rest


@given(st.text(), st.text())
def test_any_text_is_a_venue_or_a_usage_error(ws_url, rest_url):
    for scheme, other in (("", ""), ("wss://", "https://")):
        try:
            venue = custom(scheme + ws_url, other + rest_url)
        except UsageError:
            continue
        assert venue.ws_url.startswith("ws")
        assert venue.rest_url.startswith("http")
        assert not urlsplit(venue.ws_url).path.endswith(("/", "/ws", "/stream"))


@pytest.mark.parametrize(
    ("env", "venue"), [(None, LIVE), ("live", LIVE), ("testnet", TESTNET)]
)
def test_a_program_names_the_exchange(env, venue):
    assert chosen(env, None, None) == venue


def test_a_program_gives_the_addresses_by_the_same_rules():
    assert chosen(None, "ws://[::1]:1/ws", "http://[::1]:1/") == own_venue(
        "ws://[::1]:1", "http://[::1]:1"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, LIVE.ws_url, None), "^ws_url without rest_url: give both"),
        ((None, None, LIVE.rest_url), "^rest_url without ws_url: give both"),
        ((None, "x", REST), "^ws_url 'x' is no address"),
        ((None, "wss://a", "x"), "^rest_url 'x' is no address"),
        ((None, "wss://fstream.binance.com", REST), "^ws_url .* never sends a candle"),
        (("live", LIVE.ws_url, LIVE.rest_url), "^env='live' and ws_url name two"),
        (("sim", None, None), "embedded_exchange.*ws_url=exchange.ws_url"),
        (("prod", None, None), "^there is no env 'prod'; there are live, testnet$"),
        (("LIVE", None, None), "there is no env"),
        ((3, None, None), "there is no env 3"),
    ],
)
def test_what_a_program_cannot_choose(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        chosen(*arguments)
    assert "--" not in str(caught.value)
