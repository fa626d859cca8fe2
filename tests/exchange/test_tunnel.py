"""The way through a proxy: both clients, to both kinds of exchange, and what can be
wrong with it."""

import queue
import socket
import threading
import time

import pytest
import trustme

from klinetail.errors import Refused, Unreachable
from klinetail.exchange.client import connector
from klinetail.exchange.connection import Handlers
from klinetail.exchange.deadline import Deadline
from klinetail.exchange.proxy import Proxy
from klinetail.exchange.rest_client import BinanceRest
from klinetail.exchange.transport import reach
from klinetail.exchange.tunnel import MAX_ANSWER
from klinetail.protocol.venues import own_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests import starved
from tests.proxy import ConnectProxy
from tests.strategies import BTCUSDT_1M
from tests.venue import (
    PATIENCE,
    Ack,
    Answer,
    Close,
    Drip,
    Flood,
    Heed,
    Request,
    Reset,
    Send,
    Stall,
    Text,
    Venue,
    eventually,
    server_context,
)

CANARY = "c4n4ry"
LOGIN = f"me:{CANARY}"
TIME = Answer(200, b'{"serverTime":1700000000000}')


@pytest.fixture(params=["http", "https"])
def kind(request):
    """How the proxy is spoken to."""
    return request.param


def proxy_of(kind, authority, **options):
    """A proxy of that kind."""
    tls = server_context(authority, "localhost") if kind == "https" else None
    return ConnectProxy(tls=tls, **options)


class Heard:
    """A connection through a proxy, and what came over it."""

    def __init__(self, ws_url, proxy_url, seconds=PATIENCE):
        self.messages = queue.Queue()
        self.exits = queue.Queue()
        handlers = Handlers(
            lambda _, message: self.messages.put(message),
            lambda reply: None,
            lambda reason, code: self.exits.put((reason, code)),
        )
        with Deadline(seconds) as deadline:
            connect = connector(ws_url, Proxy.parse(proxy_url))
            self.connection = connect(handlers, deadline)


def ask_time(rest_url, proxy_url, patience=PATIENCE):
    rest = BinanceRest(
        own_venue("", rest_url), patience=patience, proxy=Proxy.parse(proxy_url)
    )
    try:
        return rest.server_time()
    finally:
        rest.close()


SCRIPTS = {
    "silent": [Stall()],
    "silent after the request": [Request(), Stall()],
    "dripping": [Request(), Drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9_999)],
    "silent afterwards": [Request(), Send(b"HTTP/1.1 200 OK\r\n\r\n"), Stall()],
}


class TestThrough:
    """Plain and over TLS, through either kind of proxy."""

    @pytest.fixture(params=["plain", "tls"])
    def tls(self, request, authority):
        """The exchange's side."""
        if request.param == "plain":
            return None
        return server_context(authority, "localhost")

    def test_a_websocket_both_ways(self, kind, authority, tls):
        script = [Ack(), Text("hello"), Heed(), Text("x" * 200_000), Close(1001)]
        with proxy_of(kind, authority) as proxy, Venue(script, tls=tls) as venue:
            heard = Heard(venue.ws_url, proxy.url)
            assert heard.messages.get(timeout=PATIENCE) == b"hello"
            heard.connection.subscribe(["btcusdt@kline_1m"], id=7)
            assert b"SUBSCRIBE" in venue.peer().frame()[1]
            assert len(heard.messages.get(timeout=PATIENCE)) == 200_000
            _, code = heard.exits.get(timeout=PATIENCE)
            assert code == 1001
            heard.connection.stop()
            assert proxy.targets() == [venue.ws_url.split("//")[1]]
            head = venue.peer().requests.get(timeout=PATIENCE)
            assert "Proxy" not in head

    def test_rest_and_its_connection_is_kept(self, kind, authority, tls):
        with proxy_of(kind, authority) as proxy, Venue([TIME] * 3, tls=tls) as venue:
            rest = BinanceRest(
                own_venue("", venue.rest_url), proxy=Proxy.parse(proxy.url)
            )
            for _ in range(3):
                assert rest.server_time() == 1_700_000_000_000
            rest.close()
            assert proxy.targets() == [venue.rest_url.split("//")[1]]
            assert venue.peer().requests.get(timeout=PATIENCE).startswith("GET /fapi")

    def test_a_large_answer(self, kind, authority, tls):
        body = b'{"serverTime":17' + b" " * 3_000_000 + b"}"
        with (
            proxy_of(kind, authority) as proxy,
            Venue([Answer(200, body)], tls=tls) as venue,
        ):
            assert ask_time(venue.rest_url, proxy.url) == 17

    def test_a_large_question(self, kind, authority, tls):
        """What is sent outgrows every buffer on the way while nothing reads it."""
        script = [Ack(), Text("ready"), Heed(times=40), Close()]
        with proxy_of(kind, authority) as proxy, Venue(script, tls=tls) as venue:
            heard = Heard(venue.ws_url, proxy.url)
            heard.messages.get(timeout=PATIENCE)
            names = [f"{'x' * 1000}{n}" for n in range(200)]
            for n in range(40):
                heard.connection.subscribe(names, id=n)
            assert heard.exits.get(timeout=PATIENCE)[1] == 1000
            heard.connection.stop()

    def test_stopping_ends_it_at_once(self, kind, authority, tls):
        with (
            proxy_of(kind, authority) as proxy,
            Venue([Ack(), Stall()], tls=tls) as venue,
        ):
            heard = Heard(venue.ws_url, proxy.url)
            began = time.monotonic()
            heard.connection.stop(1.0)
            assert time.monotonic() - began < 15
            assert venue.peer().gone.wait(PATIENCE)

    def test_a_connection_that_the_proxy_breaks_has_ended(self, kind, authority, tls):
        with (
            proxy_of(kind, authority) as proxy,
            Venue([Ack(), Text("x"), Stall()], tls=tls) as venue,
        ):
            heard = Heard(venue.ws_url, proxy.url)
            heard.messages.get(timeout=PATIENCE)
            proxy.cut()
            reason, code = heard.exits.get(timeout=PATIENCE)
            assert code is None
            assert "broke" in reason
            heard.connection.stop()

    def test_the_sim(self, kind, authority):
        with (
            proxy_of(kind, authority, login=LOGIN) as proxy,
            Server(Synthetic(seed=1, start=1_760_000_000_000), speed=300) as sim,
        ):
            given = Proxy.parse(proxy.url_with(LOGIN))
            rest = BinanceRest(sim.venue, proxy=given)
            assert len(rest.klines(BTCUSDT_1M, limit=9)) == 9
            rest.close()
            heard = Heard(f"ws://127.0.0.1:{sim.port}/market", proxy.url_with(LOGIN))
            heard.connection.subscribe(["btcusdt@kline_1m"], id=1)
            eventually(lambda: b'"kline"' in heard.messages.get(timeout=PATIENCE))
            heard.connection.stop()
            assert proxy.targets() == [f"127.0.0.1:{sim.port}"] * 2


class TestRefused:
    """What a proxy does not do, and what that means."""

    @pytest.mark.parametrize("login", [None, f"you:{CANARY}", f"me:{CANARY}{CANARY}"])
    def test_who_may_not_is_told_so(self, login):
        with ConnectProxy(login=LOGIN) as proxy, Venue([Stall()]) as venue:
            url = proxy.url if login is None else proxy.url_with(login)
            for ask in (
                lambda: Heard(venue.ws_url, url),
                lambda: ask_time(venue.rest_url, url),
            ):
                with pytest.raises(Refused, match="HTTP 407") as caught:
                    ask()
                assert f"through the proxy {proxy.url}" in str(caught.value)
                assert not _mentions(caught.value, CANARY)
            assert not venue.peers

    @pytest.mark.parametrize(
        ("answer", "kind", "words"),
        [
            (
                b"HTTP/1.1 403 No\r\n\r\n<p>",
                Refused,
                "does not allow the connection .HTTP 403",
            ),
            (b"HTTP/1.1 407 No\r\n\r\n", Refused, "user name or password .HTTP 407"),
            (b"HTTP/1.1 302 X\r\nLocation: http://x\r\n\r\n", Refused, "redirect"),
            (b"HTTP/1.1 502 No\r\n\r\n", Unreachable, "HTTP 502"),
            (b"HTTP/1.1 500 No\n\n", Unreachable, "HTTP 500"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Unreachable, "the answer is not HTTP"),
            (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 X", Unreachable, "sent more"),
            (b"HTTP/1.1 200 OK\r\n", Unreachable, "hung up"),
            (b"", Unreachable, "hung up"),
            (b"x" * 2 * MAX_ANSWER, Unreachable, "does not end"),
        ],
    )
    def test_its_answers(self, answer, kind, words):
        with Venue([Request(), Send(answer)]) as venue:
            with pytest.raises(kind, match=words):
                Heard("ws://exchange.example", venue.rest_url)
            with pytest.raises(kind, match=words) as caught:
                ask_time("https://exchange.example", venue.rest_url)
            assert str(caught.value).endswith(
                ", asking https://exchange.example/fapi/v1/time through the proxy "
                f"http://127.0.0.1:{venue.port}"
            )

    def test_an_exchange_that_it_cannot_reach(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with ConnectProxy() as proxy, pytest.raises(Unreachable, match="HTTP 502"):
            ask_time(f"http://127.0.0.1:{port}", proxy.url)

    def test_one_that_breaks_off(self):
        with Venue([Request(), Reset()]) as venue, pytest.raises(Unreachable):
            Heard("wss://exchange.example", venue.rest_url)

    def test_one_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        where = f"^Connection refused, .* through the proxy http://127.0.0.1:{port}$"
        with pytest.raises(Unreachable, match=where):
            Heard("wss://exchange.example", f"127.0.0.1:{port}")
        with pytest.raises(Unreachable, match=where):
            ask_time("https://exchange.example", f"127.0.0.1:{port}")

    def test_a_name_that_nobody_could_ask_for(self):
        with Venue([Stall()]) as venue, pytest.raises(Unreachable):
            Heard("ws://a..b:80", venue.rest_url)

    def test_its_certificate_is_verified(self, authority):
        stranger = server_context(trustme.CA(), "localhost")
        with (
            ConnectProxy(tls=stranger) as proxy,
            pytest.raises(Refused, match="the proxy's certificate is not valid"),
        ):
            Heard("wss://exchange.example", proxy.url)

    def test_the_exchange_s_certificate_is_verified_through_it(self, kind, authority):
        stranger = server_context(trustme.CA(), "localhost")
        with proxy_of(kind, authority) as proxy, Venue([TIME], tls=stranger) as venue:
            with pytest.raises(Refused, match=r"^the certificate is not valid"):
                Heard(venue.ws_url, proxy.url)
            with pytest.raises(Refused, match=r"^the certificate is not valid"):
                ask_time(venue.rest_url, proxy.url)

    def test_one_that_does_not_speak_tls(self, authority):
        script = [Send(b"HTTP/1.1 400 No\r\n\r\n"), Stall()]
        with Venue(script) as venue, pytest.raises(Unreachable, match="SSL"):
            Heard("wss://exchange.example", f"https://localhost:{venue.port}")


class TestInTime:
    """Whatever the proxy does, the deadline of the whole holds."""

    @pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
    @pytest.mark.parametrize("scheme", ["", "s"])
    def test_the_websocket(self, script, scheme):
        began = time.monotonic()
        with Venue(script) as venue:
            with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
                Heard(f"ws{scheme}://exchange.example", venue.rest_url, 0.5)
            assert time.monotonic() - began < 15

    @pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
    @pytest.mark.parametrize("scheme", ["", "s"])
    def test_rest(self, script, scheme):
        began = time.monotonic()
        with Venue(script) as venue:
            with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
                ask_time(f"http{scheme}://exchange.example", venue.rest_url, 0.5)
            assert time.monotonic() - began < 15

    @pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
    def test_over_tls(self, script, authority):
        began = time.monotonic()
        with Venue(script, tls=server_context(authority, "localhost")) as venue:
            with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
                Heard("wss://exchange.example", venue.rest_url, 0.5)
            assert time.monotonic() - began < 15

    def test_a_proxy_that_never_begins_its_tls(self, authority):
        with (
            Venue([Stall()]) as venue,
            pytest.raises(Unreachable, match=r"no answer in 0\.5 s"),
        ):
            Heard("wss://exchange.example", f"https://localhost:{venue.port}", 0.5)

    def test_one_that_does_not_end(self):
        with (
            Venue([Request(), Flood(b"HTTP/1.1 200 OK\r\nX: ")]) as venue,
            pytest.raises(Unreachable, match="does not end"),
        ):
            Heard("wss://exchange.example", venue.rest_url)

    def test_abort_ends_it_from_any_thread(self):
        with Venue([Request(), Stall()]) as venue, Deadline(60) as deadline:
            timer = threading.Timer(0.1, deadline.abort)
            timer.start()
            with pytest.raises(Unreachable, match="hung up"):
                reach("exchange.example", 443, deadline, Proxy.parse(venue.rest_url))
            assert deadline.aborted
            timer.join()


def test_one_for_whose_thread_there_is_none_leaves_nothing_open():
    assert starved.run(CARRIED) == "can't start new thread\n0 left open\n"


CARRIED = """
import socket
from klinetail.exchange.tunnel import plain_end

before = len(os.listdir("/proc/self/fd"))
tls, other = socket.socketpair()
starve()
try:
    plain_end(tls)
except RuntimeError as error:
    print(error)
    other.close()
    print(len(os.listdir("/proc/self/fd")) - before, "left open")
"""


def _mentions(error, words):
    """Whether an error or one below it shows them, in whatever form."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        if words in str(error) + repr(error):
            return True
        error = error.__cause__ or error.__context__
    return False
