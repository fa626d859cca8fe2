"""The embedded exchange over real sockets, as a foreign client sees it."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import quote

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from klinetail.candle import HOUR, MINUTE, Interval, Stream
from klinetail.errors import UsageError
from klinetail.protocol import frames
from klinetail.protocol.venues import LIVE
from klinetail.sim import hub
from klinetail.sim.admission import Admission
from klinetail.sim.recorded import Recorded
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.strategies import candle

BTC = Stream("BTCUSDT", Interval.M1)
DEADLINE = 30


@pytest.fixture
def server(market):
    with Server(market) as running:
        yield running


def websocket(server, path="/market/ws", **options):
    url = f"ws://127.0.0.1:{server.port}{path}"
    return connect(url, proxy=None, compression=None, **options)


def send(client, method, *params, number=1):
    client.send(json.dumps({"method": method, "params": params, "id": number}))


def receive(client):
    return json.loads(client.recv(DEADLINE))


def reply(client):
    """The next message that is no kline."""
    while "e" in (message := receive(client)) or "stream" in message:
        pass
    return message


def get(server, path, **parameters):
    url = f"http://127.0.0.1:{server.port}{path}"
    return requests.get(url, params=parameters, timeout=DEADLINE)


def closes(client, count):
    """The next closed candles."""
    found = []
    while len(found) < count:
        message = frames.decode(client.recv(DEADLINE))
        if getattr(message, "closed", False):
            found.append(message)
    return found


def drain(client):
    while True:
        receive(client)


@contextmanager
def expect_close(code):
    with pytest.raises(ConnectionClosed) as closed:
        yield
    assert closed.value.rcvd.code == code


def test_a_subscription_is_acked_and_then_flows(server):
    with websocket(server) as client:
        send(client, "SUBSCRIBE", "btcusdt@kline_1m", number=3)
        assert receive(client) == {"result": None, "id": 3}
        update = receive(client)
        assert (update["e"], update["s"], update["k"]["x"]) == (
            "kline",
            "BTCUSDT",
            False,
        )


@pytest.mark.parametrize(
    "path",
    [
        "/market/ws/btcusdt@kline_1m/ethusdt@kline_1m",
        "/market/stream?streams=btcusdt@kline_1m/ethusdt@kline_1m",
    ],
)
def test_streams_of_the_address_flow(server, path):
    with websocket(server, path) as client:
        seen = set()
        while len(seen) < 2:
            message = receive(client)
            assert ("stream" in message) is ("stream?" in path)
            seen.add(message.get("data", message)["s"])
    assert seen == {"BTCUSDT", "ETHUSDT"}


def test_the_combined_property_wraps_what_follows(server):
    with websocket(server, "/market/ws/btcusdt@kline_1m") as client:
        assert "e" in receive(client)
        send(client, "SET_PROPERTY", "combined", True)
        assert reply(client) == {"result": None, "id": 1}
        assert receive(client)["stream"] == "btcusdt@kline_1m"


def test_nothing_flows_after_unsubscribing(server):
    with websocket(server, "/market/ws/btcusdt@kline_1m") as client:
        receive(client)
        send(client, "UNSUBSCRIBE", "btcusdt@kline_1m")
        assert reply(client) == {"result": None, "id": 1}
        with pytest.raises(TimeoutError):
            client.recv(1)


@pytest.mark.parametrize("path", ["/ws", "/public/ws", "/private/stream"])
def test_other_routes_ack_and_stay_silent(server, path):
    with websocket(server, path) as client:
        send(client, "SUBSCRIBE", "btcusdt@kline_1m")
        assert receive(client) == {"result": None, "id": 1}
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_upper_case_and_unknown_streams_stay_silent(server):
    with websocket(server) as client:
        send(
            client, "SUBSCRIBE", "BTCUSDT@kline_1m", "nope@kline_1m", "omgusdt@kline_1m"
        )
        assert receive(client)["result"] is None
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_pings_carry_the_time(market, start):
    pings = []
    with Server(market, ping_interval=0.1) as server:
        raw = socket.create_connection(("127.0.0.1", server.port), DEADLINE)
        with raw:
            raw.sendall(
                b"GET /market/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            data = raw.makefile("rb")
            while data.readline() != b"\r\n":
                pass
            opcode, length = data.read(2)
            assert opcode == 0x89
            pings.append(int(data.read(length)))
            data.close()
        assert start < pings[0] <= server.now()


def test_invalid_json_is_answered_and_closes(server):
    with websocket(server) as client:
        client.send("{")
        assert receive(client)["error"]["code"] == 3
        with expect_close(1008):
            receive(client)


def test_the_1025th_stream_closes(server):
    with websocket(server) as client:
        names = [f"btcusdt@kline_{n}x" for n in range(LIVE.limits.streams + 1)]
        send(client, "SUBSCRIBE", *names)
        assert receive(client)["error"]["code"] == 4
        with expect_close(1008):
            receive(client)


def test_every_close_comes_when_the_clock_is_fast(market, start):
    streams = [
        Stream(symbol, interval)
        for symbol in ("BTCUSDT", "ALGOUSDT")
        for interval in (Interval.M1, Interval.M5, Interval.H1)
    ]
    names = "/".join(map(frames.stream_name, streams))
    with (
        Server(market, speed=1200) as server,
        websocket(server, f"/market/stream?streams={names}") as client,
    ):
        found = closes(client, 150)
    for stream in streams:
        mine = [c for c in found if c.stream == stream]
        low, high = mine[0].open_time, mine[-1].open_time
        truth = market.klines(stream, low, high, 1500, now=start + 100 * HOUR)
        traded = [row for row in truth if row.count]
        assert [c.open_time for c in mine] == [row.open_time for row in traded]
        for c, row in zip(mine, traded, strict=True):
            assert c.same_values(row)


def test_rest_has_what_the_stream_closed(market):
    with (
        Server(market, speed=120) as server,
        websocket(server, "/market/ws/btcusdt@kline_1m") as client,
    ):
        [closed] = closes(client, 1)
        answer = get(
            server,
            "/fapi/v1/klines",
            symbol="btcusdt",
            interval="1m",
            startTime=closed.open_time,
            limit=2,
        )
    row, later = answer.json()
    assert row[0] == closed.open_time
    assert (row[4], row[8]) == (closed.close_text, closed.count)
    assert later[0] == closed.close_time + 1


@pytest.mark.parametrize("takes", ["gzip", "identity"])
def test_a_large_answer_is_compressed_if_the_client_takes_that(server, takes):
    for path, large in (("exchangeInfo", True), ("time", False)):
        url = f"http://127.0.0.1:{server.port}/fapi/v1/{path}"
        answer = requests.get(url, headers={"Accept-Encoding": takes}, timeout=10)
        packed = answer.headers.get("Content-Encoding") == "gzip"
        assert packed is (large and takes == "gzip")
        assert ("symbols" if large else "serverTime") in answer.json()
    assert server.requests("/fapi/v1/time") == 1
    assert server.requests("/fapi/v1/klines") == 0


def test_weight_is_counted_per_minute_of_the_exchange(market, start):
    real = [0.0]
    with Server(market, start=start, monotonic=lambda: real[0]) as server:

        def used(**parameters):
            answer = get(server, "/fapi/v1/klines", **parameters)
            return int(answer.headers["X-MBX-USED-WEIGHT-1M"])

        assert used(symbol="BTCUSDT", interval="1m", limit=99) == 1
        assert used(symbol="BTCUSDT", interval="1m", limit=1500) == 11
        assert used(symbol="NOPE", interval="1m") == 16
        real[0] += 60
        assert used(symbol="BTCUSDT", interval="1m") == 5


def test_plain_http(server):
    assert get(server, "/fapi/v1/ping").json() == {}
    assert get(server, "/nope").status_code == 404
    assert get(server, "/market/ws").status_code == 426
    time_ = get(server, "/fapi/v1/time").json()["serverTime"]
    assert time_ <= server.now() < time_ + MINUTE


def test_junk_harms_nobody(server):
    for junk in (b"\x00" * 100, b"GET\r\n\r\n", b"GET /%ff%00 HTTP/1.1\r\n\r\n", b""):
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as raw:
            raw.sendall(junk)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert get(server, "/fapi/v1/ping").json() == {}


def test_a_slow_client_is_disconnected_and_blocks_nobody(market, monkeypatch):
    monkeypatch.setattr(hub, "BACKLOG", 100_000)
    names = "/".join(
        frames.stream_name(Stream(instrument.symbol, interval))
        for instrument in market.instruments
        for interval in Interval
    )
    names = quote(names, safe="/@")
    with Server(market, speed=3000) as server:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        with (
            raw,
            websocket(server, "/market/ws/btcusdt@kline_1m") as quick,
        ):
            raw.sendall(
                f"GET /market/ws/{names} HTTP/1.1\r\nHost: localhost\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            both = False
            until = time.monotonic() + DEADLINE * 2
            while time.monotonic() < until and not (both and server.connections == 1):
                both = both or server.connections == 2
                quick.recv(DEADLINE)
            assert both
            assert server.connections == 1
            assert closes(quick, 1)


def test_disconnecting_everybody_politely_or_not(server):
    with websocket(server) as one, websocket(server, "/market/stream") as two:
        for client in (one, two):
            send(client, "LIST_SUBSCRIPTIONS")
            receive(client)
        assert server.connections == 2
        server.disconnect_all(1012)
        for client in (one, two):
            with expect_close(1012):
                receive(client)
        assert server.connections == 0
    with websocket(server, "/market/ws/btcusdt@kline_1m") as client:
        receive(client)
        server.disconnect_all(None)
        with pytest.raises(ConnectionClosed) as broken:
            drain(client)
        assert broken.value.rcvd is None


def test_the_end_of_a_recording(start):
    first = start - start % MINUTE
    market = Recorded(candle(first + n * MINUTE, stream=BTC) for n in range(20))
    with Server(market, speed=400) as server:
        with websocket(server, "/market/ws/btcusdt@kline_1m") as client:
            found = closes(client, 1)
            assert server.ended.wait(DEADLINE)
            server.wait()
            while found[-1].open_time < first + 19 * MINUTE:
                found += closes(client, 1)
        assert server.now() == market.end
        times = [c.open_time for c in found]
        assert times == [*range(times[0], first + 20 * MINUTE, MINUTE)]
        rows = get(server, "/fapi/v1/klines", symbol="BTCUSDT", interval="1m").json()
        assert len(rows) == 20


def test_a_taken_port_is_said_so(server, market):
    with pytest.raises(UsageError, match=f"{server.port}.*--port"):
        Server(market, port=server.port).start()


@pytest.mark.parametrize("speed", [0, -1, 1e6, float("nan"), float("inf")])
def test_an_impossible_speed(market, speed):
    with pytest.raises(UsageError, match="speed"):
        Server(market, speed=speed)


def test_stopping_leaves_nothing_behind(market):
    server = Server(market)
    server.stop()
    for _ in range(2):
        server.start()
        port = server.port
        with websocket(server) as client:
            server.stop()
            with expect_close(1001):
                receive(client)
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), DEADLINE)
    assert "sim" not in {thread.name for thread in threading.enumerate()}


def test_stopping_does_not_wait_for_clients_that_do_not_answer(market):
    with Server(market) as server:
        raw = socket.create_connection(("127.0.0.1", server.port), DEADLINE)
        half = socket.create_connection(("127.0.0.1", server.port), DEADLINE)
        raw.sendall(
            b"GET /market/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        raw.recv(10)
    assert "sim" not in {thread.name for thread in threading.enumerate()}
    raw.close()
    half.close()


class Broken(Synthetic):
    def pushes(self, streams, after, until):
        raise ZeroDivisionError


def test_a_bug_in_the_market_is_not_hidden(start):
    server = Server(Broken(0, start))
    server.start()
    with (
        websocket(server, "/market/ws/btcusdt@kline_1m") as client,
        pytest.raises(ConnectionClosed),
    ):
        receive(client)
    with pytest.raises(ZeroDivisionError):
        server.wait()
    server.stop()


HOSTILE = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:80"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", HOSTILE)
def test_a_page_from_elsewhere_gets_403_of_everything(server, headers):
    for path in ("/fapi/v1/time", "/fapi/v1/exchangeInfo", "/nowhere", "/market/ws"):
        url = f"http://127.0.0.1:{server.port}{path}"
        answer = requests.get(url, headers=headers, timeout=DEADLINE)
        assert answer.status_code == 403
        assert "--allow-" in answer.json()["msg"]
        assert "Access-Control-Allow-Origin" not in answer.headers
    for path in ("/market/ws", "/ws/btcusdt@kline_1m", "/market/stream"):
        with pytest.raises(InvalidStatus) as caught:
            shake_hands(server, path, headers)
        assert caught.value.response.status_code == 403
    assert server.connections == 0


def shake_hands(server, path, headers):
    """A handshake with the server that names another host, or an origin."""
    origin = headers.get("Origin")
    host = headers.get("Host", f"127.0.0.1:{server.port}")
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as sock:
        url = f"ws://{host}{path}"
        with connect(url, sock=sock, proxy=None, origin=origin):
            pass


@pytest.mark.parametrize(
    "origin", [None, "http://127.0.0.1:{port}", "http://localhost:3000"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]:{port}"])
def test_programs_on_this_machine_are_admitted(server, host, origin):
    host = host.format(port=server.port)
    headers = {"Host": host}
    if origin is not None:
        origin = headers["Origin"] = origin.format(port=server.port)
    url = f"http://127.0.0.1:{server.port}/fapi/v1/time"
    assert requests.get(url, headers=headers, timeout=DEADLINE).status_code == 200
    headers = {"Host": host, "Origin": origin}
    shake_hands(server, "/market/ws", headers)


def test_what_is_allowed_besides_is_admitted(market):
    admission = Admission.of(["exchange.test"], ["https://app.example"])
    with Server(market, admission=admission) as server:
        headers = {"Host": "exchange.test", "Origin": "https://app.example"}
        url = f"http://127.0.0.1:{server.port}/fapi/v1/time"
        assert requests.get(url, headers=headers, timeout=DEADLINE).status_code == 200
        shake_hands(server, "/market/ws", headers)
