import base64
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import Refused, Unreachable, UsageError
from klinetail.exchange.proxy import Proxy, proxy_for, refusal, through
from tests.cases import Case

CANARY = "c4n4ry"
WSS = "wss://fstream.binance.com/market"
HTTPS = "https://fapi.binance.com"
PROXY = "http://proxy.example:3128"

labels = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
names = st.lists(labels, min_size=2, max_size=4).map(".".join)
ports = st.integers(1, 65_535)
schemes = st.sampled_from(["ws", "wss", "http", "https"])
secrets = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


def header(proxy):
    """What its request has to say about who asks."""
    lines = proxy.request("host", 443).decode().split("\r\n")
    found = [line for line in lines if line.startswith("Proxy-Authorization: Basic ")]
    return base64.b64decode(found[0].split()[-1]) if found else None


class TestParse:
    @pytest.mark.parametrize(
        ("url", "text"),
        [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("proxy.example", "http://proxy.example:80"),
            ("https://proxy.example/", "https://proxy.example:443"),
            ("HTTP://Proxy.Example:8080", "http://proxy.example:8080"),
            ("http://[::1]:3128", "http://[::1]:3128"),
            ("http://10.0.0.1:3128", "http://10.0.0.1:3128"),
            ("http://user:word@proxy_1:3128", "http://proxy_1:3128"),
        ],
    )
    def test_an_address(self, url, text):
        proxy = Proxy.parse(url)
        assert str(proxy) == text
        assert through(proxy) == f" through the proxy {text}"
        assert proxy.secure == text.startswith("https")

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "http://",
            "http://:3128",
            "http://host:0",
            "http://host:x",
            "http://host:99999",
            "http://host:3128/path",
            "http://host:3128?query",
            "http://host:3128#fragment",
            "ftp://host:21",
            "ws://host:80",
            "http://ho st",
            "http://[::1",
            "http://[nothing]:80",
            f"http://user:{CANARY}/x@host:80",
            f"http://user:12/{CANARY}@host:80",
            f"http://{CANARY}#x@host:80",
            f"http://user%3A{CANARY}%40host:80",
            f"http://user:{CANARY}\udcff@host:80",
            f"http://{CANARY}\u2100@host",
            f"user:{CANARY}@host:port",
        ],
    )
    def test_none_at_all(self, url):
        with pytest.raises(UsageError) as caught:
            Proxy.parse(url)
        assert "http://host:port" in str(caught.value)
        assert CANARY not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.__suppress_context__ or not caught.value.__context__

    @pytest.mark.parametrize("kind", ["socks5", "socks5h", "SOCKS4", "socks"])
    def test_socks_is_refused_with_what_to_do(self, kind):
        with pytest.raises(UsageError, match="http:// address of a proxy") as caught:
            Proxy.parse(f"{kind}://me:{CANARY}@host:1080", "ALL_PROXY")
        assert str(caught.value).startswith("ALL_PROXY is a SOCKS proxy")
        assert CANARY not in str(caught.value)

    @given(secrets, secrets, st.booleans())
    def test_who_asks_is_in_the_request_and_nowhere_else(self, user, word, only_user):
        from urllib.parse import quote

        login = quote(user, safe="") + ("" if only_user else ":" + quote(word, safe=""))
        proxy = Proxy.parse(f"http://{login}@h:1")
        wanted = f"{user}:{'' if only_user else word}".encode()
        assert header(proxy) == wanted
        assert str(proxy) == "http://h:1"
        assert repr(proxy) == "Proxy(secure=False, host='h', port=1)"
        assert through(proxy) == " through the proxy http://h:1"

    def test_without_a_user_nothing_is_said_of_one(self):
        assert header(Proxy.parse(PROXY)) is None

    @given(st.text())
    def test_any_text_is_a_proxy_or_a_usage_error(self, url):
        try:
            proxy = Proxy.parse(url)
        except UsageError:
            return
        assert Proxy.parse(str(proxy)) == Proxy(proxy.secure, proxy.host, proxy.port)


class TestRequest:
    @pytest.mark.parametrize(
        ("host", "target"),
        [
            ("fapi.binance.com", b"fapi.binance.com:443"),
            ("::1", b"[::1]:443"),
            ("b\u00fccher.example", b"xn--bcher-kva.example:443"),
        ],
    )
    def test_names_its_target_twice(self, host, target):
        lines = Proxy.parse(PROXY).request(host, 443).split(b"\r\n")
        assert lines == [
            b"CONNECT " + target + b" HTTP/1.1",
            b"Host: " + target,
            b"",
            b"",
        ]


class TestProxyFor:
    def test_nothing_said_is_a_direct_connection(self):
        assert proxy_for(WSS, None, {}) is None
        assert proxy_for(WSS, None, {"HTTPS_PROXY": "", "ALL_PROXY": ""}) is None

    @given(schemes, names, ports, st.dictionaries(st.text(), st.text()))
    def test_a_given_one_is_for_everything(self, scheme, host, port, environ):
        environ |= {"NO_PROXY": "*", "HTTPS_PROXY": "nonsense://"}
        for name in (host, "127.0.0.1", "localhost"):
            found = proxy_for(f"{scheme}://{name}:{port}", PROXY, environ)
            assert str(found) == PROXY

    def test_a_given_one_must_be_one(self):
        with pytest.raises(UsageError, match=r"^--proxy is no proxy's address"):
            proxy_for(WSS, "", {})

    @given(schemes, names, st.randoms(use_true_random=False))
    def test_which_variable(self, scheme, host, random):
        secure = scheme in ("wss", "https")
        ranks = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        if secure:
            ranks[:2] = ["https_proxy", "HTTPS_PROXY"]
        others = ["http_proxy" if secure else "https_proxy", "KLINETAIL_PROXY"]
        values = {name: f"http://{name.replace('_', '-')}:1" for name in ranks + others}
        environ = {name: values[name] for name in values if random.random() < 0.5}
        environ |= {name: "" for name in ranks if random.random() < 0.2}
        found = proxy_for(f"{scheme}://{host}", None, environ)
        best = next((environ[name] for name in ranks if environ.get(name)), None)
        assert (None if found is None else str(found)) == (best and best.lower())

    @pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
    def test_a_bad_variable_is_named_and_not_repeated(self, name):
        environ = {name: f"http://me:{CANARY}@host:port"}
        with pytest.raises(
            UsageError, match=f"^{name} is no proxy's address"
        ) as caught:
            proxy_for(WSS, None, environ)
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST", "a.localhost"],
    )
    def test_this_machine_is_reached_directly(self, host):
        environ = {"HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": "bad://"}
        for scheme in ("ws", "wss", "http", "https"):
            assert proxy_for(f"{scheme}://{host}:8776", None, environ) is None

    @pytest.mark.parametrize(
        ("no_proxy", "url", "direct"),
        [
            ("*", WSS, True),
            ("*:443", WSS, True),
            ("*:80", WSS, False),
            ("binance.com", WSS, True),
            (".binance.com", WSS, True),
            ("*.binance.com", WSS, True),
            ("BINANCE.com", WSS, True),
            ("inance.com", WSS, False),
            ("fapi.binance.com", WSS, False),
            ("fapi.binance.com", HTTPS, True),
            ("fapi.binance.com:443", HTTPS, True),
            ("fapi.binance.com:8443", HTTPS, False),
            ("fapi.binance.com:443", "https://fapi.binance.com.:443", True),
            ("fapi.binance.com:80", "http://fapi.binance.com", True),
            ("a, b\tbinance.com", WSS, True),
            (" , ,. *. : :443", WSS, False),
            ("10.0.0.0/8", "ws://10.1.2.3:80", True),
            ("10.0.0.0/8", "ws://11.1.2.3:80", False),
            ("10.1.2.3", "ws://10.1.2.3:80", True),
            ("10.1.2.3:81", "ws://10.1.2.3:80", False),
            ("2.3", "ws://10.1.2.3:80", False),
            ("fd00::/8", "ws://[fd00::1]:80", True),
            ("fd00::1", "ws://[fd00::1]:80", True),
            ("[fd00::1]", "ws://[fd00::1]:80", True),
            ("[fd00::1]:80", "ws://[fd00::1]:80", True),
            ("[fd00::1]:81", "ws://[fd00::1]:80", False),
            ("10.0.0.0/8", "ws://[fd00::1]:80", False),
            ("10.0.0.0/99", "ws://10.1.2.3:80", False),
        ],
    )
    def test_what_no_proxy_names(self, no_proxy, url, direct):
        for name in ("no_proxy", "NO_PROXY"):
            environ = {"ALL_PROXY": PROXY, name: no_proxy}
            with Case(name):
                assert (proxy_for(url, None, environ) is None) == direct

    @given(schemes, names, names, ports, st.text(",. \t", max_size=3), st.booleans())
    def test_a_name_covers_all_below_it_and_no_other(
        self, scheme, host, suffix, port, noise, below
    ):
        url = f"{scheme}://{host}{'.' if below else ''}{suffix}:{port}"
        for entry in (suffix, f"{suffix}:{port}", f".{suffix}", f"*.{suffix}"):
            environ = {"all_proxy": PROXY, "no_proxy": f"{noise},{entry},{noise}"}
            assert (proxy_for(url, None, environ) is None) == below

    @given(st.ip_addresses(), st.integers(0, 32), ports)
    def test_a_range_covers_its_addresses(self, address, prefix, port):
        host = f"[{address}]" if address.version == 6 else str(address)
        network = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
        environ = {"ALL_PROXY": PROXY, "NO_PROXY": str(network)}
        assert proxy_for(f"ws://{host}:{port}", None, environ) is None

    @given(schemes, names, st.text())
    def test_no_text_in_no_proxy_breaks_it(self, scheme, host, text):
        environ = {"ALL_PROXY": PROXY, "NO_PROXY": text}
        found = proxy_for(f"{scheme}://{host}", None, environ)
        assert found is None or str(found) == PROXY


class TestRefusal:
    @pytest.mark.parametrize("code", [200, 204, 299])
    def test_none_where_it_has_connected(self, code):
        assert refusal(b"HTTP/1.1 %d OK\r\n\r\n" % code) is None
        assert refusal(b"HTTP/1.0 %d\r\n\r\n" % code) is None

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (407, Refused),
            (403, Refused),
            (302, Refused),
            (502, Unreachable),
            (503, Unreachable),
            (404, Unreachable),
            (100, Unreachable),
        ],
    )
    def test_its_kind_and_its_number(self, code, kind):
        found = refusal(b"HTTP/1.1 %d %b\r\n\r\n" % (code, CANARY.encode()))
        assert type(found) is kind
        assert f"HTTP {code}" in str(found)
        assert CANARY not in str(found)

    @pytest.mark.parametrize(
        "answer", [b"", b"\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n"]
    )
    def test_what_is_no_http(self, answer):
        assert type(refusal(answer)) is Unreachable
