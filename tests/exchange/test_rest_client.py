import gzip
import json
import queue
import threading
import time
import tracemalloc

import pytest
import trustme

from klinetail.errors import (
    BadMessage,
    ExchangeError,
    Forbidden,
    RateLimited,
    Refused,
    Unavailable,
    Unreachable,
)
from klinetail.exchange.http import MAX_BODY
from klinetail.exchange.rest_client import BinanceRest
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.klines import encode_rows
from klinetail.protocol.venues import own_venue
from tests import starved
from tests.strategies import BTCUSDT_1M, candle
from tests.venue import (
    PATIENCE,
    Answer,
    Deaf,
    Drip,
    Flood,
    Request,
    Reset,
    Send,
    Stall,
    Venue,
    server_context,
)

MEGABYTE = 1 << 20
TIME = Answer(200, b'{"serverTime":1700000000000}')
CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"


def rest_of(rest_url, **options):
    return BinanceRest(own_venue("", rest_url), **options)


@pytest.fixture
def ask():
    """Asks a venue for the time, and closes the client at the end."""
    clients = []

    def ask(venue, patience=PATIENCE):
        clients.append(rest_of(venue.rest_url, patience=patience))
        return clients[-1].server_time()

    yield ask
    for client in clients:
        client.close()


class TestRequests:
    def test_the_time(self):
        with Venue([TIME, Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            assert rest.server_time() == 1_700_000_000_000
            rest.close()
            head = venue.peer().requests.get(timeout=PATIENCE).split("\r\n")
        assert head[0] == "GET /fapi/v1/time HTTP/1.1"
        assert "Accept-Encoding: identity" in head
        assert "User-Agent: klinetail" in head
        assert not [line for line in head if "APIKEY" in line.upper()]

    def test_klines(self):
        rows = [candle(1_700_000_040_000), candle(1_700_000_100_000)]
        with Venue([Answer(200, encode_rows(rows)), Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            found = rest.klines(BTCUSDT_1M, start=1_700_000_040_000, limit=2)
            rest.close()
            line = venue.peer().requests.get(timeout=PATIENCE).split("\r\n")[0]
        assert [row.open_time for row in found] == [row.open_time for row in rows]
        path, _, query = line.split(" ")[1].partition("?")
        assert path == "/fapi/v1/klines"
        assert sorted(query.split("&")) == [
            "interval=1m",
            "limit=2",
            "startTime=1700000040000",
            "symbol=BTCUSDT",
        ]

    def test_the_latest_klines_need_no_start(self):
        with Venue([Answer(200, b"[]"), Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            assert rest.klines(BTCUSDT_1M, limit=99) == []
            rest.close()
            line = venue.peer().requests.get(timeout=PATIENCE).split("\r\n")[0]
        assert "startTime" not in line

    def test_the_symbols(self):
        body = b'{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","x":1}]}'
        with Venue([Answer(200, body), Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            assert rest.listings() == [Listing("BTCUSDT", "TRADING")]
            rest.close()

    def test_a_connection_is_kept_and_used_again(self):
        with Venue([TIME] * 3 + [Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            for _ in range(3):
                rest.server_time()
            rest.close()
            assert len(venue.peers) == 1

    def test_one_that_brought_an_error_is_used_again(self):
        refusal = Answer(400, b'{"code":-1121,"msg":"Invalid symbol."}')
        with Venue([refusal, TIME, Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            with pytest.raises(Refused):
                rest.klines(BTCUSDT_1M, limit=1)
            rest.server_time()
            rest.close()
            assert len(venue.peers) == 1

    def test_one_that_the_server_closed_meanwhile_is_replaced(self, ask):
        with Venue([TIME]) as venue:
            rest = rest_of(venue.rest_url)
            for number in range(3):
                rest.server_time()
                assert venue.peer(number).ended.wait(PATIENCE)
                assert venue.peer(number).requests.qsize() == 1
                time.sleep(0.05)  # until its FIN is here
            rest.close()

    def test_each_thread_has_its_own_connection(self):
        with Venue([TIME, TIME, Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            times = queue.Queue()
            threads = [
                threading.Thread(target=lambda: times.put(rest.server_time()))
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert times.qsize() == 4
            assert len(venue.peers) == 4
            rest.close()

    def test_over_tls(self, authority):
        tls = server_context(authority, "localhost")
        with Venue([TIME, TIME, Stall()], tls=tls) as venue:
            rest = rest_of(venue.rest_url)
            assert rest.server_time() == rest.server_time() == 1_700_000_000_000
            rest.close()
            assert len(venue.peers) == 1

    @pytest.mark.parametrize("name", ["localhost", "elsewhere.example"])
    def test_a_bad_certificate_is_refused(self, authority, ask, name):
        issuer = trustme.CA() if name == "localhost" else authority
        with Venue([TIME], tls=server_context(issuer, name)) as venue:
            with pytest.raises(Refused, match="certificate is not valid"):
                ask(venue)
            assert venue.peer().requests.empty()

    def test_neither_proxies_nor_netrc_are_used(self, monkeypatch, tmp_path, ask):
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        with Venue([Stall()]) as proxy, Venue([TIME, Stall()]) as venue:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.rest_url)
                monkeypatch.setenv(name.upper(), proxy.rest_url)
            ask(venue)
            assert proxy.peers == []
            head = venue.peer().requests.get(timeout=PATIENCE)
        assert "Authorization" not in head

    def test_cookies_and_odd_headers_do_no_harm(self, ask):
        odd = (
            "Set-Cookie: a[b]=1; c:d=2",
            "Date: Mon, 01 Jan 99999 00:00:00 GMT",
            "X:",
        )
        with Venue([Answer(200, TIME.body, headers=odd), Stall()]) as venue:
            assert ask(venue) == 1_700_000_000_000


class TestErrors:
    def test_every_recorded_one(self, shared_data, ask):
        recorded = json.loads(
            (shared_data / "rest_misc/rest_error_bodies.json").read_text()
        )
        kinds = {
            400: Refused,
            429: RateLimited,
            418: RateLimited,
            451: Refused,
            503: Unavailable,
            202: Unavailable,
        }
        assert {entry["http"] for entry in recorded} == set(kinds)
        for entry in recorded:
            body = json.dumps(entry["body"]) if "body" in entry else entry["body_text"]
            headers = [f"{k}: {v}" for k, v in entry.get("headers", {}).items()]
            answer = Answer(entry["http"], body.encode(), tuple(headers))
            with Venue([answer]) as venue, pytest.raises(ExchangeError) as caught:
                ask(venue)
            assert type(caught.value) is kinds[entry["http"]]
            assert f"HTTP {entry['http']}" in str(caught.value)
            if "body" in entry:
                assert entry["body"]["msg"][:60] in str(caught.value)
            if isinstance(caught.value, Refused):
                assert caught.value.code == entry["body"]["code"]

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, b"[]", Refused),
            (400, b'[{"code":-1}]', Refused),
            (404, b"<html>not here</html>", Refused),
            (403, b"<html>\x1b[2J</html>", Forbidden),
            (451, b'{"msg":"no code"}', Refused),
            (400, b'{"code":"-1"}', Refused),
            (401, b"", Refused),
            (429, b"", RateLimited),
            (408, b"", Unavailable),
            (500, b"\xff", Unavailable),
            (502, b"<html>", Unavailable),
            (201, b'{"serverTime":1}', Unavailable),
            (204, b"", Unavailable),
            (599, b"", Unavailable),
            (999, b"", Unavailable),
        ],
    )
    def test_other_answers(self, ask, status, body, kind):
        with (
            Venue([Answer(status, body), Stall()]) as venue,
            pytest.raises(ExchangeError) as caught,
        ):
            ask(venue)
        assert type(caught.value) is kind

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>hello</html>", b'{"serverTime":17000', b"{}", b"[]", b"null"],
    )
    def test_200_with_something_else_is_a_bad_message(self, ask, body):
        with Venue([Answer(200, body), Stall()]) as venue, pytest.raises(BadMessage):
            ask(venue)

    @pytest.mark.parametrize("body", [b"{}", b"7", b'{"code":0}', b"[" * 100_000])
    def test_the_same_for_klines_and_symbols(self, body):
        with Venue([Answer(200, body)] * 2 + [Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            with pytest.raises(BadMessage):
                rest.klines(BTCUSDT_1M, limit=1)
            with pytest.raises(BadMessage):
                rest.listings()
            rest.close()

    @pytest.mark.parametrize(
        ("headers", "words", "seconds"),
        [
            (("Retry-After: 17",), "", 17),
            ((), "", 60),
            (("Retry-After: 0",), "", 1),
            (("Retry-After: -1",), "", 60),
            (("Retry-After: 1e300",), "", 60),
            (("Retry-After: " + "9" * 400,), "", 259200),
            (("Retry-After: Wed, 21 Oct 2026 07:29:00 GMT",), "", 60),
            (("Retry-After: Wed, 21 Oct 2026 07:28:05 GMT",), "", 5),
            ((), "IP(x) banned until 1792567700000. Please", 20),
            ((), "IP(x) banned until 9999999999999. Please", 259200),
            (("Retry-After: 3",), "IP(x) banned until 1792567700000.", 3),
        ],
    )
    @pytest.mark.parametrize("status", [418, 429])
    def test_how_long_to_wait(self, ask, status, headers, words, seconds):
        body = json.dumps({"code": -1003, "msg": words}).encode()
        date = "Date: Wed, 21 Oct 2026 07:28:00 GMT"
        with (
            Venue([Answer(status, body, (date, *headers))]) as venue,
            pytest.raises(RateLimited) as caught,
        ):
            ask(venue)
        assert caught.value.retry_after == seconds

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_refused_and_not_followed(self, ask, status):
        with Venue([TIME]) as elsewhere:
            to = f"Location: {elsewhere.rest_url}/fapi/v1/time"
            with (
                Venue([Answer(status, b"x", (to,))]) as venue,
                pytest.raises(Refused, match="redirect"),
            ):
                ask(venue)
            assert elsewhere.peers == []

    def test_a_ban_in_a_compressed_error_is_read(self):
        words = b'{"code":-1003,"msg":"IP(x) banned until 1792567700000."}'
        date = "Date: Wed, 21 Oct 2026 07:28:00 GMT"
        headers = (date, GZIP)
        for body, seconds in ((gzip.compress(words), 20), (b"\0", 60)):
            with Venue([Answer(418, body, headers)]) as venue:
                with pytest.raises(RateLimited) as caught:
                    symbols_of(venue)
                assert caught.value.retry_after == seconds

    def test_a_gzip_that_was_not_asked_for(self, ask):
        body = gzip.compress(TIME.body)
        answer = Answer(200, body, ("Content-Encoding: gzip",))
        with Venue([answer]) as venue, pytest.raises(BadMessage, match="compressed"):
            ask(venue)


def symbols_of(venue):
    """What a venue lists."""
    rest = rest_of(venue.rest_url, patience=60)
    try:
        return rest.listings()
    finally:
        rest.close()


class TestCompressed:
    BODY = b'{"symbols":[{"symbol":"BTCUSDT","status":"TRADING"}]}'

    def test_the_symbols_are_asked_for_and_unpacked(self):
        answers = [
            Answer(200, gzip.compress(self.BODY), (GZIP,)),
            Answer(200, self.BODY),
            TIME,
        ]
        with Venue([*answers, Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            for _ in range(2):
                assert rest.listings() == [Listing("BTCUSDT", "TRADING")]
            rest.server_time()
            rest.close()
            heads = [venue.peer().requests.get(timeout=PATIENCE) for _ in range(3)]
            assert len(venue.peers) == 1
        assert ["gzip" in head for head in heads] == [True, True, False]

    @pytest.mark.parametrize(
        ("body", "encoding", "words"),
        [
            (gzip.compress(BODY, mtime=0)[:-9], "gzip", "breaks off"),
            (gzip.compress(BODY, mtime=0)[:9], "gzip", "breaks off"),
            (b"", "gzip", "breaks off"),
            (BODY, "gzip", "cannot be unpacked"),
            (
                gzip.compress(BODY, mtime=0)[:20] + b"\0" * 99,
                "gzip",
                "cannot be unpacked",
            ),
            (BODY, "br", "no compression was asked for"),
            (BODY, "gzip, gzip", "no compression was asked for"),
        ],
    )
    def test_what_cannot_be_unpacked_is_bad(self, body, encoding, words):
        answer = Answer(200, body, (f"Content-Encoding: {encoding}",))
        with Venue([answer]) as venue, pytest.raises(BadMessage, match=words):
            symbols_of(venue)

    def test_a_bomb_is_not_unpacked(self):
        bomb = gzip.compress(self.BODY + b" " * (32 * MEGABYTE), 9)
        assert len(bomb) < MEGABYTE
        with Venue([Answer(200, bomb, (GZIP,))]) as venue:

            def act():
                with pytest.raises(BadMessage, match="compressed answer of more than"):
                    symbols_of(venue)

            assert peak_of(act) < 2 * MAX_BODY + 4 * MEGABYTE

    def test_as_much_as_may_come_is_unpacked(self):
        body = self.BODY + b" " * (MAX_BODY - len(self.BODY))
        with Venue([Answer(200, gzip.compress(body), (GZIP,))]) as venue:
            assert symbols_of(venue) == [Listing("BTCUSDT", "TRADING")]


def peak_of(act):
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestSize:
    def test_a_large_body_is_read(self, ask):
        body = TIME.body + b" " * (MAX_BODY - len(TIME.body))
        with Venue([Answer(200, body), Stall()]) as venue:
            assert ask(venue) == 1_700_000_000_000

    @pytest.mark.parametrize("length", [MAX_BODY + 1, 1 << 40, 1 << 63])
    def test_a_larger_one_is_not(self, ask, length):
        with Venue([Answer(200, length=length), Flood(b" " * 65_536)]) as venue:

            def act():
                with pytest.raises(BadMessage, match="more than"):
                    ask(venue, 60)

            assert peak_of(act) < 2 * MAX_BODY + 4 * MEGABYTE

    def test_nor_one_of_endless_chunks(self, ask):
        chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        script = [Request(), Send(f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n".encode())]
        with (
            Venue([*script, Flood(chunk)]) as venue,
            pytest.raises(BadMessage, match="more than"),
        ):
            ask(venue, 60)

    @pytest.mark.parametrize("status", [302, 400, 403, 429, 503])
    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    def test_an_errors_status_says_enough(self, ask, status, encoding):
        """Not even a redirect's body is read to its end, nor unpacked."""
        headers = ("Location: /", f"Content-Encoding: {encoding}")
        script = [Answer(status, gzip.compress(b""), headers, length=1 << 40)]
        with Venue([*script, Flood(b"\0" * 65_536)]) as venue:

            def act():
                with pytest.raises((Refused, RateLimited, Unavailable)) as caught:
                    ask(venue, 60)
                assert f"HTTP {status}" in str(caught.value)

            assert peak_of(act) < 2 * MEGABYTE

    @pytest.mark.parametrize("flood", [b"x" * 65_536, b"x: y\r\n" * 1000])
    def test_endless_headers(self, ask, flood):
        with Venue([Request(), Send(b"HTTP/1.1 200 OK\r\n"), Flood(flood)]) as venue:

            def act():
                with pytest.raises(Unreachable) as caught:
                    ask(venue, 60)
                assert "no answer in" not in str(caught.value)

            assert peak_of(act) < 4 * MEGABYTE


SLOW = [
    [Stall()],
    [Deaf(), Stall()],
    [Request(), Stall()],
    [Request(), Drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 999)],
    [Request(), Drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 99)],
    [Answer(200, b" " * 999, drip=0.05)],
    [Answer(200, b"{", length=100), Stall()],
    [Answer(503, b" " * 999, drip=0.05)],
    [Answer(302, b" " * 999, ("Location: /",), drip=0.05)],
    [Answer(200, b"1\r\nx\r\n" * 99, (CHUNKED,), drip=0.05)],
]
SLOW_IDS = [
    "silent",
    "deaf",
    "no answer",
    "headers drip",
    "continues",
    "body drips",
    "body ends early",
    "error drips",
    "redirect drips",
    "chunks drip",
]


class TestPatience:
    @pytest.mark.parametrize("script", SLOW, ids=SLOW_IDS)
    def test_is_for_all_of_a_request(self, ask, script):
        with Venue(script) as venue:
            began = time.monotonic()
            with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
                ask(venue, 0.5)
            assert time.monotonic() - began < 15

    @pytest.mark.parametrize("script", SLOW[2:], ids=SLOW_IDS[2:])
    def test_is_for_a_later_request_too(self, script):
        with Venue([TIME, *script]) as venue:
            rest = rest_of(venue.rest_url, patience=0.5)
            rest.server_time()
            began = time.monotonic()
            with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
                rest.server_time()
            assert time.monotonic() - began < 15
            rest.close()

    def test_is_for_tls_too(self, ask, authority):
        with Venue([Stall()]) as venue:
            rest = rest_of(f"https://localhost:{venue.port}", patience=0.5)
            began = time.monotonic()
            with pytest.raises(Unreachable, match=r"no answer in 0\.5 s"):
                rest.server_time()
            assert time.monotonic() - began < 15
            rest.close()

    def test_is_for_names_too(self, monkeypatch):
        release = threading.Event()
        slow = "klinetail-slow.invalid"
        monkeypatch.setattr(
            "socket.getaddrinfo", lambda *_, **__: release.wait() and ()
        )
        rest = rest_of(f"http://{slow}", patience=0.3)
        try:
            with pytest.raises(Unreachable, match=r"no answer in 0\.3 s"):
                rest.server_time()
        finally:
            release.set()
            rest.close()

    def test_after_it_the_next_request_works(self):
        with Venue([Request(), Stall()], [TIME, Stall()]) as venue:
            rest = rest_of(venue.rest_url, patience=1.0)
            with pytest.raises(Unreachable):
                rest.server_time()
            assert rest.server_time() == 1_700_000_000_000
            rest.close()


class TestBroken:
    def test_nobody_listens(self, ask):
        with Venue([Stall()]) as venue:
            pass
        with pytest.raises(Unreachable, match="refused"):
            ask(venue)

    def test_a_name_that_does_not_exist(self):
        rest = rest_of("http://klinetail.invalid")
        with pytest.raises(Unreachable, match=r"cannot resolve .*, asking http://k"):
            rest.server_time()
        rest.close()

    @pytest.mark.parametrize(
        "url", ["http://a..b", "http://127.0.0.1:99999", "http://"]
    )
    def test_an_address_that_cannot_be(self, url):
        rest = rest_of(url)
        with pytest.raises(Unreachable):
            rest.server_time()
        rest.close()

    @pytest.mark.parametrize("end", [[], [Reset()]])
    @pytest.mark.parametrize(
        "said",
        [
            b"",
            b"HTTP/1.1 200",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\0" * 100,
        ],
    )
    def test_broken_off_or_no_http(self, ask, said, end):
        with (
            Venue([Request(), Send(said), *end]) as venue,
            pytest.raises((Unreachable, Unavailable, BadMessage)),
        ):
            ask(venue, 5)


class TestClosing:
    @pytest.mark.parametrize("script", SLOW, ids=SLOW_IDS)
    @pytest.mark.parametrize("before", [0, 1])
    def test_ends_a_request_under_way(self, script, before):
        with Venue([TIME] * before + script) as venue:
            rest = rest_of(venue.rest_url, patience=60)
            errors = queue.Queue()

            def work():
                for _ in range(before):
                    rest.server_time()
                try:
                    rest.server_time()
                except ExchangeError as error:
                    errors.put(error)

            thread = threading.Thread(target=work)
            thread.start()
            venue.peer()
            time.sleep(0.1)
            began = time.monotonic()
            rest.close()
            error = errors.get(timeout=PATIENCE)
            assert time.monotonic() - began < 15
            assert isinstance(error, Unreachable)
            thread.join(PATIENCE)

    def test_there_are_no_further_requests(self):
        with Venue([TIME, TIME, Stall()]) as venue:
            rest = rest_of(venue.rest_url)
            rest.server_time()
            rest.close()
            with pytest.raises(Unreachable, match="closed"):
                rest.server_time()
            assert venue.peer().requests.qsize() == 1

    def test_at_any_moment(self):
        """No request slips through while another thread closes."""
        with Venue([Stall()]) as venue:
            for number in range(40):
                rest = rest_of(venue.rest_url, patience=60)
                errors = queue.Queue()

                def work(rest=rest, errors=errors):
                    try:
                        rest.server_time()
                    except Unreachable as error:
                        errors.put(error)

                thread = threading.Thread(target=work)
                thread.start()
                time.sleep(number * 0.0003)
                rest.close()
                errors.get(timeout=PATIENCE)
                thread.join(PATIENCE)

    def test_twice_and_before_any_request(self):
        rest = rest_of("http://127.0.0.1:1")
        rest.close()
        rest.close()


def test_without_a_thread_it_is_unreachable_and_with_one_it_answers():
    answer = Answer(200, b'{"serverTime":1700000000000}')
    with Venue([answer]) as venue:
        said = starved.run(STARVED, venue.rest_url)
    words, time = said.splitlines()
    lacking = "this machine has no thread left (can't start new thread)"
    assert words.startswith(f"{lacking}, asking http://127.0.0.1:")
    assert time == "1700000000000"


STARVED = """
import klinetail.exchange.http
from klinetail.errors import Unreachable
from klinetail.exchange.rest_client import BinanceRest
from klinetail.protocol.venues import own_venue

rest = BinanceRest(own_venue("", sys.argv[1]), patience=60)
starve()
try:
    rest.server_time()
except Unreachable as error:
    print(error)
feed()
print(rest.server_time())
"""
