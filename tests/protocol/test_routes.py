"""Addresses: candles flow only where they are routed, and never mix."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import UsageError
from klinetail.protocol.routes import LIVE, TESTNET, Route, chosen, custom, sim_route

REST = "https://example.org"


def refused(ws_url, rest_url=REST):
    with pytest.raises(UsageError) as caught:
        custom(ws_url, rest_url)
    return str(caught.value)


def test_the_exchanges_own_are_routed_to_market():
    assert Route("wss://fstream.binance.com/market", "https://fapi.binance.com") == LIVE
    assert TESTNET.ws_url.startswith("wss://demo-")
    assert TESTNET.ws_url.endswith("/market")
    assert TESTNET.rest_url.startswith("https://demo-")


def test_the_sims_is_on_the_loopback():
    assert sim_route(8123) == Route(
        "ws://127.0.0.1:8123/market", "http://127.0.0.1:8123"
    )


def test_no_addresses_are_no_route():
    assert custom(None, None) is None


def test_a_route_does_not_change():
    with pytest.raises(AttributeError):
        LIVE.ws_url = "wss://example.org"


@pytest.mark.parametrize("route", [LIVE, TESTNET, sim_route(1), sim_route(65535)])
def test_a_route_spelled_out_is_itself(route):
    assert custom(route.ws_url, route.rest_url) == route


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
    expected = Route("wss://example.org/market", REST)
    assert custom(f"wss://example.org/market{pasted}", REST) == expected
    bare = custom(f"wss://example.org:9443{pasted}", f"{REST}/")
    assert bare == Route("wss://example.org:9443", REST)


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
    assert custom(url, LIVE.rest_url) == LIVE


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
    assert custom("ws://[::1]:8000/ws", "http://[::1]:8000") == Route(
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
def test_any_text_is_a_route_or_a_usage_error(ws_url, rest_url):
    for scheme, other in (("", ""), ("wss://", "https://")):
        try:
            route = custom(scheme + ws_url, other + rest_url)
        except UsageError:
            continue
        assert route.ws_url.startswith("ws")
        assert route.rest_url.startswith("http")
        assert not urlsplit(route.ws_url).path.endswith(("/", "/ws", "/stream"))


@pytest.mark.parametrize(
    ("env", "route"), [(None, LIVE), ("live", LIVE), ("testnet", TESTNET)]
)
def test_a_program_names_the_exchange(env, route):
    assert chosen(env, None, None) == route


def test_a_program_gives_the_addresses_by_the_same_rules():
    assert chosen(None, "ws://[::1]:1/ws", "http://[::1]:1/") == Route(
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
