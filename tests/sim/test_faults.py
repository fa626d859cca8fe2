"""Every fault really happens on the wire, as a foreign client sees it."""

import contextlib
import hashlib
import io
import json
import re
import select
import socket
import struct
import time
import zipfile
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from klinetail.candle import DAY, HOUR, MINUTE, Candle, Interval, Stream
from klinetail.errors import BadMessage
from klinetail.formats import dump as dumps
from klinetail.formats.dump_names import day_of, month_of
from klinetail.protocol import frames
from klinetail.protocol.klines import BadRow, decode_rows
from klinetail.sim import hub
from klinetail.sim.dumps import published
from klinetail.sim.faults import answers, archive, line
from klinetail.sim.faults.archive import LATEST
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.feed import FOREIGN
from klinetail.sim.faults.table import FAULTS
from klinetail.sim.server import Server

BTC = Stream("BTCUSDT", Interval.M1)
DEADLINE = 20


@contextlib.contextmanager
def serving(market, spec, *, speed=1.0, seed=1, **options):
    """A server with faults; at the end the fault it is about was counted."""
    chaos = Chaos.parse(spec, seed=seed)
    with Server(market, speed=speed, chaos=chaos, **options) as server:
        yield server
        name = re.split("[=@]", spec)[0]
        assert chaos.counts[name], chaos.receipt


def websocket(server, path="/market/ws/btcusdt@kline_1m", **options):
    url = f"ws://127.0.0.1:{server.port}{path}"
    options = {"open_timeout": DEADLINE, "close_timeout": 0.1, **options}
    return connect(url, proxy=None, compression=None, **options)


def decoded(message):
    try:
        return frames.decode(message)
    except BadMessage:
        return None


def ending(client):
    """How the connection ends, whatever is sent before."""
    try:
        while True:
            client.recv(DEADLINE)
    except ConnectionClosed as ended:
        return ended


def candles(client, wanted, count=3):
    """The next candles that are wanted."""
    found = []
    until = time.monotonic() + DEADLINE
    while len(found) < count:
        assert time.monotonic() < until
        message = decoded(client.recv(DEADLINE))
        if isinstance(message, Candle) and wanted(message):
            found.append(message)
    return found


class Raw:
    """A client that sees the bytes."""

    def __init__(self, server, path="/market/ws/btcusdt@kline_1m"):
        self.sock = socket.create_connection(("127.0.0.1", server.port), DEADLINE)
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self.buffer = b""
        try:
            while b"\r\n\r\n" not in self.buffer:
                self.more()
        except (EOFError, OSError):
            self.sock.close()
            raise
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def more(self):
        data = self.sock.recv(65_536)
        if not data:
            raise EOFError
        self.buffer += data

    def take(self, size):
        while len(self.buffer) < size:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def frame(self):
        """The next frame: first byte, second byte, promised length, payload."""
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            [length] = struct.unpack("!H", self.take(2))
        elif length == 127:
            [length] = struct.unpack("!Q", self.take(8))
        if length > 1 << 30:
            return first, second, length, b""
        return first, second, length, self.take(length)

    def frames(self, wanted):
        """Frames up to the first one that is wanted."""
        found = [self.frame()]
        while not wanted(found[-1]):
            found.append(self.frame())
        return found

    def send(self, opcode, payload=b""):
        assert len(payload) < 126
        head = bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4)
        self.sock.sendall(head + payload)

    def silent(self, seconds):
        """Whether nothing arrives."""
        return not select.select([self.sock], [], [], seconds)[0]

    def until_silent(self, seconds):
        """Throw away what arrives until for so long nothing does."""
        until = time.monotonic() + DEADLINE
        while not self.silent(seconds):
            assert time.monotonic() < until
            self.more()
        self.buffer = b""


def get(server, path="/fapi/v1/klines", timeout=DEADLINE, **parameters):
    url = f"http://127.0.0.1:{server.port}{path}"
    if path.endswith("klines"):
        parameters = {"symbol": "BTCUSDT", "interval": "1m", "limit": 9, **parameters}
    return requests.get(url, params=parameters, timeout=timeout, allow_redirects=False)


# A stream's frames


def closed(candle):
    return candle.closed


def test_late(market, start):
    with serving(market, "late=1", speed=600) as server, websocket(server) as client:
        for candle in candles(client, closed):
            assert 2_000 <= candle.event_time - candle.close_time <= 24_000
            [row] = market.klines(BTC, candle.open_time, limit=1, now=start + 10 * HOUR)
            assert candle.same_values(row)


def test_missing(market, start):
    with serving(market, "missing=1", speed=600) as server, websocket(server) as client:
        seen = {c.open_time for c in candles(client, lambda c: not c.closed, 100)}
        assert len(seen) > 3
        rows = get(server, limit=99).json()
        assert seen <= {row[0] for row in rows} | {rows[-1][6] + 1}


def test_duplicate(market):
    with (
        serving(market, "duplicate=1", speed=600) as server,
        websocket(server) as client,
    ):
        counts = Counter(c.open_time for c in candles(client, closed, 6))
        assert max(counts.values()) == 2


def test_empty(market):
    with (
        serving(market, "empty=1", speed=600) as server,
        websocket(server, "/market/ws/algousdt@kline_1m") as client,
    ):
        while (event := json.loads(client.recv(DEADLINE)))["k"]["n"]:
            pass
        kline = event["k"]
        assert (kline["f"], kline["L"], kline["x"]) == (-1, -1, True)


@pytest.mark.parametrize("name", ["stale", "reorder"])
def test_overtaken(market, name):
    with serving(market, f"{name}=0.5") as server, websocket(server) as client:
        last = 0
        while True:
            [candle] = candles(client, lambda c: True, 1)
            if candle.event_time < last:
                break
            last = candle.event_time


def test_early(market):
    with serving(market, "early=1") as server, websocket(server) as client:
        [candle] = candles(client, closed, 1)
        assert candle.event_time <= candle.close_time


def test_future(market):
    with serving(market, "future=1") as server, websocket(server) as client:
        ahead = server.now() + MINUTE
        candles(client, lambda c: c.open_time > ahead, 2)


def test_foreign(market):
    with serving(market, "foreign=1") as server, websocket(server) as client:
        candles(client, lambda c: c.symbol == FOREIGN, 2)


def test_garbage(market):
    with (
        serving(market, "garbage=1", speed=10) as server,
        websocket(server) as client,
    ):
        bad = []
        while len(bad) < 20:
            message = client.recv(DEADLINE)
            if decoded(message) is None:
                bad.append(message)
        assert len({*bad}) > 5
        while not isinstance(client.recv(DEADLINE), bytes):
            pass


def test_fragments(market):
    with serving(market, "fragments=1") as server, Raw(server) as raw:
        found = raw.frames(lambda frame: frame[0] == 0x80)
        assert [frame[0] for frame in found[:2]] == [0x01, 0x89]
        parts = [frame[3] for frame in found if frame[0] != 0x89]
        assert json.loads(b"".join(parts))["e"] == "kline"


def test_revised(market, start):
    with serving(market, "revised=1", speed=600) as server, websocket(server) as client:
        pairs = {}
        while not any(len(pair) == 2 for pair in pairs.values()):
            [candle] = candles(client, closed, 1)
            pairs.setdefault(candle.open_time, []).append(candle)
        [(first, final)] = [pair for pair in pairs.values() if len(pair) == 2]
        assert not first.same_values(final)
        [row] = market.klines(BTC, final.open_time, limit=1, now=start + 10 * HOUR)
        assert final.same_values(row)


# Open connections


def test_cut(market):
    endings = set()
    for seed in range(40):
        with serving(market, "cut@50ms", seed=seed) as server, Raw(server) as raw:
            data = raw.buffer
            try:
                while part := raw.sock.recv(65_536):
                    data += part
                ending = "FIN"
            except ConnectionResetError:
                ending = "RST"
            endings.add((ending, data.endswith(b'"E":17')))
        if len(endings) == 4:
            return
    pytest.fail(f"only {endings}")


def test_close(market):
    codes = set()
    for seed in range(60):
        with serving(market, "close@50ms", seed=seed) as server, Raw(server) as raw:
            payload = raw.frames(lambda frame: frame[0] == 0x88)[-1][3]
            codes.add(struct.unpack("!H", payload[:2])[0] if payload else None)
            with pytest.raises(EOFError):
                raw.frame()
        if len(codes) > 6:
            return
    pytest.fail(f"only {codes}")


def test_badframe(market):
    kinds = set()
    for seed in range(60):
        with (
            serving(market, "badframe@50ms", seed=seed) as server,
            websocket(server) as client,
        ):
            kinds.add(str(ending(client).sent))
        if len(kinds) > 4:
            return
    pytest.fail(f"only {kinds}")


def test_stall(market, monkeypatch):
    monkeypatch.setattr(line, "_STALL", (0.7, 0.8))
    with serving(market, "stall@1s", speed=30) as server, Raw(server) as raw:
        raw.until_silent(0.5)
        raw.more()
        assert raw.buffer.count(b'"kline"') > 3


def test_trickle(market, monkeypatch):
    monkeypatch.setattr(line, "_TRICKLE", 0.5)
    with serving(market, "trickle@1s", speed=30) as server, Raw(server) as raw:
        single = 0
        while single < 20:
            single = single + 1 if len(raw.sock.recv(65_536)) == 1 else 0


def test_ping(market):
    with serving(market, "ping@50ms") as server, Raw(server) as raw:
        seen = set()
        while len(seen) < 3:
            first, _, length, _ = raw.frame()
            if first in (0x89, 0x8A):
                seen.add((first, length))
        assert seen == {(0x89, 0), (0x89, 125), (0x8A, 7)}


def test_flood(market):
    with serving(market, "flood@200ms") as server, Raw(server) as raw:
        pings = 0
        while pings < line.FLOOD:
            pings += raw.frame()[0] == 0x89
        raw.frames(lambda frame: frame[0] == 0x81)


def test_silence(market):
    with serving(market, "silence@300ms") as server, Raw(server) as raw:
        raw.until_silent(1)
        raw.send(9, b"there?")
        raw.send(1, b'{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert raw.silent(1)
        raw.send(8)
        assert raw.silent(1)


def test_pings(market, monkeypatch):
    monkeypatch.setattr(line, "PING_PAUSE", 0.05)
    with serving(market, "pings@300ms") as server, Raw(server) as raw:
        raw.frames(lambda frame: frame[0] == 0x89)
        raw.send(9, b"there?")
        raw.send(1, b'{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert {raw.frame()[0] for _ in range(20)} == {0x89}


def test_lifetime(market):
    with serving(market, "lifetime@300ms") as server, websocket(server) as client:
        assert ending(client).rcvd.code == 1001


def test_the_day_is_over_without_being_asked(market, monkeypatch):
    monkeypatch.setattr(hub, "LIFETIME", 0.2)
    with Server(market) as server, websocket(server) as client:
        assert ending(client).rcvd.code == 1001


# Connecting and subscribing


def test_refused(market):
    with serving(market, "refused=1") as server:
        statuses = set()
        for _ in range(30):
            with pytest.raises(InvalidStatus) as refused:
                websocket(server)
            response = refused.value.response
            statuses.add(response.status_code)
            if response.status_code in (418, 429):
                assert response.headers["Retry-After"] == "2"
        assert {403, 418, 429, 451, 500, 503} <= statuses
        assert get(server).status_code == 200


def test_redirect(market):
    with serving(market, "redirect=1") as server:
        with Raw(server) as raw:
            assert raw.head.startswith(b"HTTP/1.1 302 ")
            location = re.search(rb"Location: (\S+)", raw.head)[1].decode()
        assert location == f"http://127.0.0.1:{server.port}/elsewhere"
        assert get(server, "/elsewhere").status_code == 404


def test_hangup(market):
    with serving(market, "hangup=1") as server:
        heads = set()
        while heads != {b"", b"HTTP/1.1 101"}:
            try:
                with Raw(server) as raw:
                    heads.add(raw.head[:12])
                    with pytest.raises((EOFError, ConnectionError)):
                        raw.frame()
            except EOFError:
                heads.add(b"")


def test_handshake(market, monkeypatch):
    monkeypatch.setattr(answers, "HELD", 0.3)
    monkeypatch.setattr(answers, "DRIP", 0.02)
    with serving(market, "handshake=1") as server:
        seen = set()
        until = time.monotonic() + DEADLINE
        while len(seen) < 3:
            assert time.monotonic() < until
            with (
                socket.create_connection(("127.0.0.1", server.port), DEADLINE) as raw,
                contextlib.suppress(ConnectionResetError),
            ):
                raw.sendall(
                    b"GET /market/ws HTTP/1.1\r\nHost: localhost\r\n"
                    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                )
                data = b""
                while part := raw.recv(4096):
                    data += part
            if not data:
                seen.add("silent")
            elif data.endswith(b"\r\n\r\n"):
                assert b"Sec-WebSocket-Accept" in data
                seen.add("miskeyed")
            else:
                assert b"HTTP/1.1 101 Switching".startswith(data[:22])
                seen.add("dripping")


def test_a_wrong_key_is_noticed(market):
    with serving(market, "handshake=1", seed=4) as server:
        for _ in range(20):
            with pytest.raises((InvalidHandshake, TimeoutError, OSError)) as failed:
                websocket(server, open_timeout=1)
            if "Accept" in str(failed.value):
                return
    pytest.fail("it never came")


def test_deaf(market):
    with serving(market, "deaf=1") as server, websocket(server) as client:
        client.send('{"method":"SUBSCRIBE","params":["ethusdt@kline_1m"],"id":3}')
        assert json.loads(client.recv(DEADLINE)) == {"result": None, "id": 3}
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_mute(market):
    subscribe = '{"method":"SUBSCRIBE","params":["btcusdt@kline_1m"],"id":3}'
    with (
        serving(market, "mute=0.5", seed=5) as server,
        websocket(server, "/market/ws/ethusdt@kline_1m") as client,
    ):
        mute = [
            bool(Chaos.parse("mute=0.5", seed=5).strikes("mute", BTC, n))
            for n in range(1, 20)
        ]
        assert True in mute[: mute.index(False)] or mute[0] is False
        for silent in mute[: 1 + mute.index(False, mute.index(True))]:
            client.send(subscribe)
            seen = set()
            until = time.monotonic() + 1.2
            while time.monotonic() < until:
                with contextlib.suppress(TimeoutError):
                    event = json.loads(client.recv(0.2))
                    seen.add(event.get("s"))
            assert ("BTCUSDT" in seen) is not silent


def test_noack(market):
    with (
        serving(market, "noack=1") as server,
        websocket(server, "/market/ws") as client,
    ):
        client.send('{"method":"LIST_SUBSCRIPTIONS","id":3}')
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_lateack(market):
    with (
        serving(market, "lateack=1") as server,
        websocket(server, "/market/ws") as client,
    ):
        began = time.monotonic()
        client.send('{"method":"SUBSCRIBE","params":["ethusdt@kline_1m"],"id":3}')
        assert "e" in json.loads(client.recv(DEADLINE))
        while "result" not in json.loads(client.recv(DEADLINE)):
            pass
        assert 1 <= time.monotonic() - began < 15


def test_error(market):
    with serving(market, "error=1") as server:
        codes = set()
        until = time.monotonic() + DEADLINE
        while len(codes) < 3:
            assert time.monotonic() < until
            with websocket(server, "/market/ws") as client:
                client.send('{"method":"LIST_SUBSCRIPTIONS","id":3}')
                reply = json.loads(client.recv(DEADLINE))
                code = reply.get("error", reply)["code"]
                codes.add(code)
                if code != 2:
                    with pytest.raises(ConnectionClosed) as ended:
                        client.recv(DEADLINE)
                    assert ended.value.rcvd.code == 1008


# REST


@pytest.mark.parametrize("name", ["lag", "absent"])
def test_lagging(market, start, name):
    real = [0.0]
    begin = start - start % MINUTE
    with serving(market, f"{name}=1", start=begin, monotonic=lambda: real[0]) as server:
        lacking = set()
        for minute in range(1, 15):
            real[0] = 60.0 * minute + 1.5
            opened = begin + (minute - 1) * MINUTE
            now = server.now()
            [row, *_] = market.klines(BTC, opened, now=now)
            shown = get(server, startTime=opened).json()
            final = shown and shown[0][8] == row.count
            lacking.add((bool(shown), bool(final), len(shown)))
            real[0] += 20
            assert get(server, startTime=opened).json()[0][8] == row.count
        if name == "absent":
            assert lacking == {(False, False, 0)}
        else:
            assert {(True, False, 1), (True, False, 2)} <= lacking


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("busy", {429}),
        ("banned", {418}),
        ("forbidden", {403, 451}),
        ("unavailable", {408, 500, 502, 503, 504}),
        ("challenge", {202}),
    ],
)
def test_statuses(market, name, statuses):
    with serving(market, f"{name}=1") as server:
        found = [get(server) for _ in range(25)]
        assert {answer.status_code for answer in found} == statuses
        if name == "busy":
            assert all(b"-1003" in answer.content for answer in found)
            assert {"1", "2", "3"} <= {a.headers.get("Retry-After") for a in found}
        if name == "banned":
            until = [int(re.search(r"until (\d{13})\.", a.text)[1]) for a in found]
            assert all(0 < time_ - server.now() <= 3_000 for time_ in until[-1:])
        if name == "challenge":
            assert {a.content for a in found} == {b""}
            assert found[0].headers["x-amzn-waf-action"] == "challenge"


def test_timeout(market, monkeypatch):
    monkeypatch.setattr(answers, "HELD", 0.4)
    with serving(market, "timeout=1") as server:
        began = time.monotonic()
        with pytest.raises(requests.ConnectionError):
            get(server, "/fapi/v1/time")
        assert time.monotonic() - began > 0.2, "no single read takes so long"
        with pytest.raises(requests.Timeout):
            get(server, timeout=0.1)


def test_drip(market, monkeypatch):
    monkeypatch.setattr(answers, "HELD", 0.5)
    monkeypatch.setattr(answers, "DRIP", 0.02)
    with serving(market, "drip=1") as server:
        began = time.monotonic()
        with pytest.raises((requests.ConnectionError, requests.RequestException)):
            get(server, timeout=0.2)
        assert time.monotonic() - began > 0.2, "no single read takes so long"


def test_reset(market):
    with serving(market, "reset=1") as server:
        for _ in range(5):
            with pytest.raises(requests.RequestException, match=r"reset|broken"):
                get(server, limit=500)


def test_html(market):
    with serving(market, "html=1") as server:
        answer = get(server)
        assert (answer.status_code, answer.headers["Content-Type"]) == (
            200,
            "text/html",
        )
        assert answer.text.startswith("<!DOCTYPE")


def test_truncated(market):
    with serving(market, "truncated=1") as server:
        found = {get(server).content for _ in range(12)}
        assert b"{}" in found
        assert any(body.startswith(b"[[") and body[-2:] != b"]]" for body in found)


@pytest.mark.parametrize("name", ["unsorted", "doubled", "short", "hole", "differing"])
def test_rows(market, name):
    with serving(market, f"{name}=1") as server:
        rows = get(server, limit=9).json()
        times = [row[0] for row in rows]
        if name == "unsorted":
            assert times == sorted(times, reverse=True)
        elif name == "doubled":
            assert (len(times), len({*times})) == (10, 9)
        elif name == "differing":
            assert (len(times), len({*map(str, rows)}), len({*times})) == (10, 10, 9)
        elif name == "short":
            assert 0 < len(times) < 9
        else:
            assert (len(times), times[-1] - times[0]) == (8, 8 * MINUTE)
        assert get(server, "/fapi/v1/time").status_code == 200


def test_clock(market):
    with serving(market, "clock=0.5", monotonic=lambda: 100.0) as server:
        wrong = []
        for _ in range(30):
            answer = get(server, "/fapi/v1/time")
            told = answer.json()["serverTime"]
            wrong.append(told - server.now())
            date = parsedate_to_datetime(answer.headers["Date"])
            assert date.timestamp() == told // 1000
        lies = [by for by in wrong if by]
        assert 5 < len(lies) < 25
        assert all(5_000 <= abs(by) <= 12 * HOUR for by in lies)
        assert min(lies) < 0 < max(lies)
        assert len({*lies}) == len(lies)
        date = parsedate_to_datetime(get(server).headers["Date"])
        assert date.timestamp() == server.now() // 1000


def test_longer(market):
    with serving(market, "longer=1") as server:
        assert {len(row) for row in get(server, limit=9).json()} == {13}


def test_impossible(market):
    with serving(market, "impossible=1") as server:
        rows = decode_rows(get(server, limit=9).content, BTC)
        assert sum(isinstance(row, BadRow) for row in rows) == 1


# Dumps


def dumped(server, dump, end="", **headers):
    """The answer to a request for a dump."""
    url = f"{server.rest_url}/data/futures/um/{dump.path}{end}"
    return requests.get(url, headers=headers, timeout=DEADLINE)


def december(interval):
    return month_of(Stream("BTCUSDT", interval), 1_764_547_200_000)


def published_soon(start):
    """When the dumps of December are there."""
    return start + 10 * DAY


def lines_of(answer):
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        [name] = archive.namelist()
        return archive.read(name).splitlines()


def test_nozip(market, start):
    with serving(market, "nozip=1", start=published_soon(start)) as server:
        dump = december(Interval.H12)
        answers = [dumped(server, dump, end) for end in ("", ".CHECKSUM")]
        assert [answer.status_code for answer in answers] == [404, 404]


def test_thin(market, start):
    dump = december(Interval.D1)
    with serving(market, "thin=1", start=published_soon(start)) as server:
        days = [int(line.split(b",")[0]) for line in lines_of(dumped(server, dump))[1:]]
        [lacking] = {*dump.days} - {*days}
        answer = dumped(server, day_of(dump.stream, lacking))
        assert len(lines_of(answer)) == 2


def test_latezip(market, start):
    stream, yesterday = december(Interval.H12).stream, start - DAY
    real = [0.0]
    begin = published(day_of(stream, yesterday))
    with serving(
        market, "latezip=1", start=begin, speed=86_400, monotonic=lambda: real[0]
    ) as server:
        statuses = []
        for real[0] in range(LATEST + 1):
            statuses.append(dumped(server, day_of(stream, yesterday)).status_code)
    assert statuses == sorted(statuses, reverse=True)
    assert {*statuses} == {404, 200}


def test_badsum(market, start):
    with serving(market, "badsum=1", start=published_soon(start)) as server:
        ways = set()
        for day in range(20):
            dump = day_of(december(Interval.D1).stream, start - day * DAY)
            digest = hashlib.sha256(dumped(server, dump).content).hexdigest()
            lines = [dumped(server, dump, ".CHECKSUM").text for _ in range(3)]
            ways.add(tuple(line == f"{digest}  {dump.name}\n" for line in lines))
        assert ways == {(False, True, True), (False, False, False)}


def test_cutzip(market, start):
    with serving(market, "cutzip=1", start=published_soon(start)) as server:
        dump = december(Interval.H1)
        whole, etag, ends = b"", "", set()
        while True:
            with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as raw:
                raw.sendall(
                    f"GET /data/futures/um/{dump.path} HTTP/1.1\r\nHost: localhost\r\n"
                    f"Range: bytes={len(whole)}-\r\nIf-Range: {etag}\r\n\r\n".encode()
                    if etag
                    else f"GET /data/futures/um/{dump.path} HTTP/1.1\r\n"
                    "Host: localhost\r\n\r\n".encode()
                )
                data = b""
                try:
                    while part := raw.recv(65_536):
                        data += part
                    ends.add("FIN")
                except ConnectionResetError:
                    ends.add("RST")
            head, _, body = data.partition(b"\r\n\r\n")
            [length] = re.findall(rb"Content-Length: (\d+)", head)
            etag = re.search(rb"ETag: (\S+)", head)[1].decode()
            whole += body
            if len(body) == int(length):
                break
        assert ends == {"FIN", "RST"}
        [digest] = re.findall(r"^\w+", dumped(server, dump, ".CHECKSUM").text)
        assert hashlib.sha256(whole).hexdigest() == digest


def test_headless(market, start):
    with serving(market, "headless=1", start=published_soon(start)) as server:
        assert lines_of(dumped(server, december(Interval.D1)))[0][:13].isdigit()


def test_micro(market, start):
    with serving(market, "micro=1", start=published_soon(start)) as server:
        dump = december(Interval.D1)
        header, first, *_ = lines_of(dumped(server, dump))
        assert header.startswith(b"open_time")
        assert first.startswith(b"%d000," % dump.start)


def test_oldvalue(market, start):
    with serving(market, "oldvalue=1", start=published_soon(start)) as server:
        dump = december(Interval.H1)
        shown = [
            dumps.decode(line, dump.stream)
            for line in lines_of(dumped(server, dump))[1:]
        ]
        asked = get(
            server, interval="1h", startTime=shown[0].open_time, limit=len(shown)
        )
        true = decode_rows(asked.content, dump.stream, 1500)
        alike = [a.same_values(b) for a, b in zip(shown, true, strict=True)]
        assert alike == sorted(alike, reverse=True)
        assert 1 <= alike.count(False) <= 20


def test_slowzip(market, start, monkeypatch):
    monkeypatch.setattr(archive, "SLOWEST", 1.2)
    with serving(market, "slowzip=1", start=published_soon(start)) as server:
        answer = dumped(server, december(Interval.D1))
        assert answer.elapsed.total_seconds() < DEADLINE
        assert len(lines_of(answer)) == 32


# All of it


def test_everything_is_shown_here():
    source = Path(__file__).read_text()
    shown = {n for n in FAULTS if re.search(rf'"{n}(=[\d.]+|@\d+m?s)?"', source)}
    assert set(FAULTS) - shown == set()


def test_all_at_once_and_the_truth_is_there_in_the_end(market, start):
    chaos = Chaos.parse("all", seed=6)
    entered = []
    with Server(market, speed=120, chaos=chaos, ledger=entered.extend) as server:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            with (
                contextlib.suppress(
                    InvalidHandshake, ConnectionClosed, OSError, UnicodeDecodeError
                ),
                websocket(server, open_timeout=1) as client,
            ):
                while time.monotonic() < until:
                    client.recv(1)
        rows = {}
        expected = [*entered]
        asked, last = expected[0].open_time, expected[-1].open_time
        until = time.monotonic() + DEADLINE
        while len(rows) <= (last - asked) // MINUTE:
            assert time.monotonic() < until
            with contextlib.suppress(requests.RequestException, BadMessage):
                answer = get(server, startTime=asked, limit=99, timeout=1)
                found = final_rows(answer, server.now())
                rows.update((row.open_time, row) for row in found)
    assert len(chaos.counts) > 3
    for candle in expected:
        assert rows[candle.open_time].close_text == candle.close_text
        assert rows[candle.open_time].count == candle.count


def final_rows(answer, now):
    """The rows of an answer that will not change any more, and can be believed."""
    rows = decode_rows(answer.content, BTC)
    return [
        row for row in rows if isinstance(row, Candle) and row.close_time < now - 60_000
    ]


def test_a_server_with_faults_stops_in_time(market):
    spec = "silence@50ms,handshake=0.5,timeout=1,pings@50ms,trickle@50ms"
    clients = []
    with Server(market, chaos=Chaos.parse(spec)) as server:
        for number in range(12):
            sock = socket.create_connection(("127.0.0.1", server.port), DEADLINE)
            path = b"/fapi/v1/time" if number % 3 == 0 else b"/market/ws"
            sock.sendall(
                b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n"
                b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            clients.append(sock)
        time.sleep(0.5)
        began = time.monotonic()
    assert time.monotonic() - began < 15
    for sock in clients:
        sock.close()


# The limits that always hold


def test_too_many_messages(market):
    with Server(market) as server:
        request = '{"method":"LIST_SUBSCRIPTIONS","id":1}'
        with websocket(server, "/market/ws") as client:
            for _ in range(15):
                client.send(request)
            for _ in range(15):
                client.recv(DEADLINE)
            with contextlib.suppress(ConnectionClosed):
                for _ in range(25):
                    client.send(request)
            close = ending(client).rcvd
        assert (close.code, close.reason) == (1008, "Too many requests")


def test_too_many_pings(market):
    with Server(market) as server, Raw(server, "/market/ws") as raw:
        for _ in range(40):
            raw.send(9, b"?")
        found = raw.frames(lambda frame: frame[0] == 0x88)
        assert found[-1][3][2:] == b"Too many requests"
        assert sum(frame[0] == 0x8A for frame in found) >= 15


def test_too_much_weight(market, start):
    real = [0.0]
    begin = start - start % MINUTE + 20_000
    with Server(market, speed=60, start=begin, monotonic=lambda: real[0]) as server:
        nothing = {"startTime": begin + 10 * HOUR, "limit": 1500}
        for _ in range(240):
            assert get(server, **nothing).status_code == 200
        real[0] = 10
        answer = get(server)
        assert (answer.status_code, answer.json()["code"]) == (429, -1003)
        assert answer.headers["Retry-After"] == "30"
        assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "2401"
        real[0] = 40
        assert get(server).status_code == 200
        for _ in range(251):
            answer = get(server, **nothing)
        assert answer.status_code == 418
        assert answer.headers["Retry-After"] == "120"
        assert str(server.now() + 120_000) in answer.text
        real[0] = 159
        assert get(server).status_code == 418
        real[0] = 160
        assert get(server).status_code == 200
