import json
import queue
import struct
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.errors import Forbidden, RateLimited, Refused, Unavailable, Unreachable
from klinetail.exchange.client import SocketManager, StreamClient, connector
from klinetail.exchange.connection import Handlers
from klinetail.exchange.deadline import Deadline
from klinetail.exchange.reader import MAX_FRAGMENTS, MAX_MESSAGE
from tests import starved
from tests.venue import (
    BINARY,
    CLOSE,
    CONT,
    PATIENCE,
    PING,
    PONG,
    TEXT,
    Ack,
    Answer,
    Close,
    Deaf,
    Drip,
    Flood,
    Fragments,
    Heed,
    Ping,
    Request,
    Reset,
    Send,
    Stall,
    Text,
    Until,
    Venue,
    eventually,
    frame,
    server_context,
)

MEGABYTE = 1 << 20


class Listener:
    """Opens a connection to a venue and keeps what comes over it."""

    def __init__(self, url, *, seconds=PATIENCE, on_message=None):
        self.messages = queue.Queue()
        self.exits = queue.Queue()
        handlers = Handlers(
            on_message or (lambda _, message: self.messages.put(message)),
            lambda reply: None,
            lambda reason, code: self.exits.put(reason),
        )
        with Deadline(seconds) as deadline:
            self.connection = connector(url)(handlers, deadline)

    def message(self):
        return self.messages.get(timeout=PATIENCE)

    def exit(self):
        """The reason of the end, once its thread is gone and has said it once."""
        reason = self.exits.get(timeout=PATIENCE)
        eventually(lambda: not socket_threads(), "the end of the thread")
        assert self.exits.empty()
        return reason

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.stop(0.1)


def socket_threads():
    return [t for t in threading.enumerate() if t.name == "klinetail-socket"]


def failure_of(url, *, seconds=PATIENCE):
    """The error that connecting ends with; nothing stays open."""
    with pytest.raises((Refused, RateLimited, Unavailable, Unreachable)) as caught:
        Listener(url, seconds=seconds)
    assert not socket_threads()
    return caught.value


class TestConnecting:
    def test_asks_for_the_path_with_a_proper_handshake(self):
        with Venue([Ack(), Stall()]) as venue, Listener(f"{venue.ws_url}/market"):
            head = venue.peer().requests.get(timeout=PATIENCE).split("\r\n")
        assert head[0] == "GET /market/ws HTTP/1.1"
        assert f"Host: 127.0.0.1:{venue.port}" in head
        assert "Upgrade: websocket" in head
        assert "Sec-WebSocket-Version: 13" in head
        assert not [line for line in head if line.lower().startswith("cookie")]

    def test_nobody_listens(self):
        with Venue([Stall()]) as venue:
            url = venue.ws_url
        assert isinstance(failure_of(url), Unreachable)

    def test_a_name_that_does_not_exist(self):
        error = failure_of("ws://klinetail.invalid")
        assert isinstance(error, Unreachable)
        assert ", connecting to ws://klinetail.invalid" in str(error)

    @pytest.mark.parametrize("url", ["ws://127.0.0.1:99999", "ws://a..b", "ws://[::1"])
    def test_an_address_that_cannot_be(self, url):
        assert isinstance(failure_of(url), Unreachable)

    @pytest.mark.parametrize(
        "script",
        [
            [Stall()],
            [Deaf(), Stall()],
            [Request(), Stall()],
            [Ack(drip=0.05)],
            [Request(), Drip(b"HTTP/1.1 101 Switching Protocols\r\n" + b"x" * 999)],
            [Answer(403, b"x" * 1000, drip=0.05)],
            [Answer(403, b"short", length=10**12), Stall()],
        ],
        ids=["silent", "deaf", "no answer", "drips", "drips on", "body", "lies"],
    )
    def test_no_answer_in_time_is_unreachable(self, script):
        with Venue(script) as venue:
            began = time.monotonic()
            error = failure_of(venue.ws_url, seconds=0.5)
            assert isinstance(error, Unreachable)
            assert "no answer in 0.5 s" in str(error)
            assert time.monotonic() - began < 15

    def test_a_handshake_that_drips_but_ends_in_time(self):
        with (
            Venue([Ack(drip=0.001), Text("{}"), Stall()]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == b"{}"

    def test_the_deadline_is_over_when_the_connection_is_open(self):
        go = threading.Event()
        with (
            Venue([Ack(), Until(go), Text("{}"), Stall()]) as venue,
            Listener(venue.ws_url, seconds=1.0) as listener,
        ):
            time.sleep(1.2)
            go.set()
            assert listener.message() == b"{}"

    def test_one_that_no_thread_can_be_started_for_is_closed(self):
        class Unstartable(threading.Thread):
            def start(self):
                raise RuntimeError("can't start new thread")

        class Lacking(SocketManager, Unstartable):
            pass

        class Client(StreamClient):
            def _initialize_socket(self, stream_url, *_):
                ends = (self._handlers, self._deadline, self._proxy, 0.0, None)
                return Lacking(stream_url, *ends)

        handlers = Handlers(print, print, print)
        with Venue([Ack(), Stall()]) as venue:
            with pytest.raises(RuntimeError), Deadline(60) as deadline:
                Client(venue.ws_url, handlers, deadline, None)
            assert venue.peer().gone.wait(PATIENCE)

    @pytest.mark.parametrize("script", [[Stall()], [Ack(drip=1.0)]])
    def test_abort_ends_it_at_once(self, script):
        with Venue(script) as venue, Deadline(60) as deadline:
            handlers = Handlers(lambda *_: None, lambda _: None, lambda *_: None)
            timer = threading.Timer(0.2, deadline.abort)
            timer.start()
            began = time.monotonic()
            with pytest.raises(Unreachable, match="broken off"):
                connector(venue.ws_url)(handlers, deadline)
            assert time.monotonic() - began < 15

    @pytest.mark.parametrize(
        ("flood", "words"),
        [
            (b"HTTP/1.1 101 x\r\n" + b"x-pad: y\r\n" * 1000, "does not end"),
            (b"x" * 65_536, "does not end"),
            (b"HTTP/1.1 403 x\r\nContent-Length: 99999999999\r\n\r\n", "does not end"),
        ],
        ids=["headers", "one line", "body"],
    )
    def test_an_endless_answer_ends_with_memory_flat(self, flood, words):
        with Venue([Request(), Send(flood), Flood(b"z" * 65_536)]) as venue:
            tracemalloc.start()
            error = failure_of(venue.ws_url, seconds=60)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert isinstance(error, Unreachable)
            assert words in str(error)
            assert peak < 8 * MEGABYTE

    @pytest.mark.parametrize("end", [[], [Reset()]])
    @pytest.mark.parametrize(
        "said", [b"", b"HTTP/1.1 101 Swi", b"\r\n\r\n", b"\xff\r\n"]
    )
    def test_an_answer_broken_off_is_unreachable(self, said, end):
        with Venue([Request(), Send(said), *end]) as venue:
            assert isinstance(failure_of(venue.ws_url), Unreachable)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 101 x\r\n\r\n",
            b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
            b"HTTP/1.1 101 x\r\nno colon\r\n\r\n",
            b"HTTP/1.1 abc x\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"redirect?\r\n\r\n",
            b"HTTP/1.1 403 x\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        ],
    )
    def test_what_is_no_websocket_is_transient(self, answer):
        with Venue([Request(), Send(answer), Stall()]) as venue:
            assert isinstance(failure_of(venue.ws_url), Unreachable)

    def test_a_wrong_proof_is_transient(self):
        with Venue([Ack(accept="c29tZXRoaW5nIGVsc2U="), Stall()]) as venue:
            assert isinstance(failure_of(venue.ws_url), Unreachable)

    @pytest.mark.parametrize("cookie", ["a[b]=1; c:d=2", "a=\1", "=", '"', ";;"])
    def test_a_cookie_does_no_harm(self, cookie):
        extra = f"Set-Cookie: {cookie}\r\n"
        with Venue([Ack(extra=extra), Text("{}"), Stall()]) as venue:
            try:
                listener = Listener(venue.ws_url)
            except Unreachable:  # some versions of Python's cookies refuse it
                return
            with listener:
                assert listener.message() == b"{}"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("scheme", ["ws", "http"])
    def test_a_redirect_is_refused_and_not_followed(self, status, scheme):
        with Venue([Ack(), Stall()]) as elsewhere:
            to = f"Location: {scheme}://127.0.0.1:{elsewhere.port}/ws"
            with Venue([Answer(status, headers=(to,)), Stall()]) as venue:
                error = failure_of(venue.ws_url)
            assert isinstance(error, Refused)
            assert "redirect" in str(error)
            assert elsewhere.peers == []

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, Refused),
            (403, Forbidden),
            (404, Refused),
            (451, Refused),
            (300, Refused),
            (418, RateLimited),
            (429, RateLimited),
            (408, Unavailable),
            (500, Unavailable),
            (502, Unavailable),
            (503, Unavailable),
            (504, Unavailable),
        ],
    )
    @pytest.mark.parametrize(
        "body", [b"", b"<html>no</html>", b'{"code":-1,"msg":"x"}']
    )
    def test_the_status_tells_what_is_meant(self, status, kind, body):
        with Venue([Answer(status, body)]) as venue:
            error = failure_of(venue.ws_url)
        assert type(error) is kind
        assert f"HTTP {status}" in str(error)
        assert str(error).endswith(f", connecting to {venue.ws_url}")

    def test_the_exchanges_own_words_are_kept(self):
        with Venue([Answer(403, b'{"code":-7,"msg":"not from here"}')]) as venue:
            error = failure_of(venue.ws_url)
        assert "not from here" in str(error)
        assert error.code == -7

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            (("Retry-After: 17",), 17),
            ((), 60),
            (("Retry-After: 99999999",), 259200),
            (
                (
                    "Date: Wed, 21 Oct 2026 07:28:00 GMT",
                    "Retry-After: Wed, 21 Oct 2026 07:28:30 GMT",
                ),
                30,
            ),
        ],
    )
    def test_how_long_to_wait(self, headers, seconds):
        with Venue([Answer(429, headers=headers)]) as venue:
            assert failure_of(venue.ws_url).retry_after == seconds

    def test_a_bans_end_is_compared_with_the_exchanges_clock(self):
        body = b'{"code":-1003,"msg":"IP(x) banned until 1792567700000. Please"}'
        date = "Date: Wed, 21 Oct 2026 07:28:00 GMT"
        with Venue([Answer(418, body, headers=(date,))]) as venue:
            assert failure_of(venue.ws_url).retry_after == 20.0

    def test_proxies_in_the_environment_are_not_used(self, monkeypatch):
        with Venue([Stall()]) as proxy:
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"):
                monkeypatch.setenv(name, proxy.rest_url)
            with (
                Venue([Ack(), Text("{}"), Stall()]) as venue,
                Listener(venue.ws_url) as listener,
            ):
                assert listener.message() == b"{}"
            assert proxy.peers == []


class TestTls:
    def test_end_to_end(self, authority):
        script = [Ack(), Text("{}"), Ping(b"1"), Heed(None, 2), Close(1000)]
        with (
            Venue(script, tls=server_context(authority, "localhost")) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == b"{}"
            listener.connection.subscribe(["btcusdt@kline_1m"], id=1)
            reason = listener.exit()
        assert reason == "the server closed the connection: 1000 normal closure"

    @pytest.mark.parametrize("name", ["localhost", "elsewhere.example"])
    def test_a_bad_certificate_is_refused(self, authority, name):
        issuer = trustme.CA() if name == "localhost" else authority
        with Venue([Ack(), Stall()], tls=server_context(issuer, name)) as venue:
            error = failure_of(venue.ws_url)
            assert isinstance(error, Refused)
            assert "certificate is not valid" in str(error)
            assert venue.peer().requests.empty()

    def test_plain_text_where_tls_belongs_is_transient(self):
        with Venue([Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Stall()]) as venue:
            error = failure_of(f"wss://localhost:{venue.port}")
            assert isinstance(error, Unreachable)

    @pytest.mark.parametrize("end", [[], [Reset()]])
    def test_a_connection_that_breaks(self, authority, end):
        tls = server_context(authority, "localhost")
        with Venue([Ack(), Send(frame(TEXT, b"{}")[:2]), *end], tls=tls) as venue:
            assert "broke" in Listener(venue.ws_url).exit()

    def test_a_stop_that_nobody_answers(self, authority):
        tls = server_context(authority, "localhost")
        with Venue([Ack(), Stall()], tls=tls) as venue:
            listener = Listener(venue.ws_url)
            listener.connection.stop(0.4)
            listener.exit()


class TestMessages:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, MAX_MESSAGE])
    def test_of_any_length(self, size):
        with (
            Venue([Ack(), Text(b"x" * size), Stall()]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == b"x" * size

    def test_many_in_one_packet_and_one_in_many(self):
        packet = b"".join(frame(TEXT, b"%d" % n) for n in range(500))
        with (
            Venue([Ack(), Send(packet), Drip(frame(TEXT, b"last"), 0.002)]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            heard = [listener.message() for _ in range(501)]
        assert heard == [*(b"%d" % n for n in range(500)), b"last"]

    def test_those_sent_with_the_handshake_are_not_lost(self):
        class AckAndMore(Ack):
            def play(self, peer):
                parts = []
                peer.send, send = parts.append, peer.send
                super().play(peer)
                send(b"".join(parts) + frame(TEXT, b"at once"))
                peer.send = send

        with (
            Venue([AckAndMore(), Stall()]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == b"at once"

    def test_in_fragments_with_a_ping_between(self):
        step = Fragments((b"{", b'"a"', b":1}"), between=frame(PING, b"p"))
        with Venue([Ack(), step, Stall()]) as venue, Listener(venue.ws_url) as listener:
            assert listener.message() == b'{"a":1}'
            assert venue.peer().frame() == (PONG, b"p")
            assert venue.peer().frame() == (PONG, b"p")

    def test_a_fragment_may_end_within_a_character(self):
        data = "币安".encode()
        with (
            Venue([Ack(), Fragments((data[:1], data[1:])), Stall()]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == data

    @pytest.mark.parametrize(
        "data", [b"\xce", b"\xff\xfe", b"\xed\xa0\x80", b"ok\xf0\x9f"]
    )
    def test_broken_utf8_is_handed_on_and_ends_nothing(self, data):
        """The decoder refuses it; the connector's own thread would have died."""
        with (
            Venue([Ack(), Text(data), Text("{}"), Stall()]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == data
            assert listener.message() == b"{}"

    def test_binary_ones_are_handed_on(self):
        with (
            Venue([Ack(), Send(frame(BINARY, b"\0\1")), Text("{}"), Stall()]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == b"\0\1"
            assert listener.message() == b"{}"

    def test_what_a_handler_raises_ends_nothing(self):
        heard = queue.Queue()

        def on_message(manager, message):
            heard.put(message)
            raise RuntimeError("a bug")

        with (
            Venue([Ack(), Text("1"), Text("2"), Stall()]) as venue,
            Listener(venue.ws_url, on_message=on_message),
        ):
            assert heard.get(timeout=PATIENCE) == b"1"
            assert heard.get(timeout=PATIENCE) == b"2"

    def test_the_handler_gets_the_connection_to_count_on(self):
        managers = queue.Queue()

        def on_message(manager, message):
            manager.candles += 1
            managers.put(manager)

        with (
            Venue([Ack(), Text("1"), Text("2"), Stall()]) as venue,
            Listener(venue.ws_url, on_message=on_message) as listener,
        ):
            first = managers.get(timeout=PATIENCE)
            assert managers.get(timeout=PATIENCE) is first
            assert listener.connection.candles == 2


class TestTogether:
    """Messages that came together are handed over together."""

    def listen(self, venue, batches, *, linger=0.0):
        handlers = Handlers(
            lambda _, message: batches.put([message]),
            lambda reply: None,
            lambda reason, code: batches.put(None),
            on_messages=lambda _, messages: batches.put(list(messages)),
        )
        with Deadline(PATIENCE) as deadline:
            return connector(venue.ws_url, linger=linger)(handlers, deadline)

    def all_of(self, batches):
        return list(iter(lambda: batches.get(timeout=PATIENCE), None))

    def test_all_that_one_read_brings(self):
        batches, texts = queue.Queue(), [b"%d" % n * 100 for n in range(20)]
        data = b"".join(frame(TEXT, text) for text in texts)
        with Venue([Ack(), Send(data), Close(1000)]) as venue:
            connection = self.listen(venue, batches)
            found = self.all_of(batches)
            connection.stop(0.1)
        assert [text for batch in found for text in batch] == texts
        assert len(found) < len(texts)

    @given(
        st.lists(st.sampled_from(["text", "ping", "binary", "fragments"]), max_size=12),
        st.lists(st.integers(1, 400), min_size=1, max_size=4),
    )
    @settings(max_examples=15)
    def test_what_comes_between_changes_no_order(self, kinds, sizes):
        """However the stream is cut into packets."""
        made, expected = b"", []
        for number, kind in enumerate(kinds):
            payload = b"%03d" % number * 50
            if kind == "ping":
                made += frame(PING, payload[:100])
                continue
            expected.append(payload)
            if kind == "fragments":
                made += frame(TEXT, payload[:60], fin=False)
                made += frame(PING, b"between") + frame(CONT, payload[60:])
            else:
                made += frame(BINARY if kind == "binary" else TEXT, payload)
        parts, at = [], 0
        while at < len(made):
            for size in sizes:
                parts.append(Send(made[at : at + size]))
                at += size
        batches = queue.Queue()
        with Venue([Ack(), *parts, Close(1000)]) as venue:
            connection = self.listen(venue, batches)
            found = self.all_of(batches)
            connection.stop(0.1)
        assert [text for batch in found for text in batch] == expected

    def test_who_lingers_gets_more_at_once(self):
        batches, begun = queue.Queue(), threading.Event()
        first, *later = [Text(f"{n:03}") for n in range(10)]
        script = [Ack(), first, Until(begun), *later, Close(1000)]
        with Venue(script) as venue:
            connection = self.listen(venue, batches, linger=0.5)
            assert batches.get(timeout=PATIENCE) == [b"000"]
            begun.set()
            found = self.all_of(batches)
            connection.stop(0.1)
        assert [int(text) for batch in found for text in batch] == list(range(1, 10))
        assert len(found) < 9


class TestPings:
    @pytest.mark.parametrize("payload", [b"", b"1700000000000", b"\xff" * 125])
    def test_are_answered_once_with_the_same_payload(self, payload):
        script = [Ack(), Ping(payload), Ping(b"the next"), Stall()]
        with Venue(script) as venue, Listener(venue.ws_url):
            assert venue.peer().frame() == (PONG, payload)
            assert venue.peer().frame() == (PONG, b"the next")

    def test_unsolicited_pongs_are_nothing(self):
        script = [Ack(), Send(frame(PONG, b"x") * 3), Text("{}"), Stall()]
        with Venue(script) as venue, Listener(venue.ws_url) as listener:
            assert listener.message() == b"{}"
            listener.connection.stop(1.0)
            assert venue.peer().frame()[0] == CLOSE

    def test_a_flood_of_them_lets_candles_through(self):
        script = [Ack(), Send(frame(PING, b"x" * 125) * 2000), Text("{}"), Stall()]
        with Venue(script) as venue, Listener(venue.ws_url) as listener:
            assert listener.message() == b"{}"


def broken_by(*steps):
    """The reason that a connection ends with after these steps."""
    with Venue([Ack(), *steps, Stall()]) as venue:
        tracemalloc.start()
        reason = Listener(venue.ws_url).exit()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 * MEGABYTE
    return reason


class TestBrokenFrames:
    @pytest.mark.parametrize(
        "length", [MAX_MESSAGE + 1, 1 << 40, 1 << 63, (1 << 64) - 1]
    )
    @pytest.mark.parametrize("opcode", [TEXT, BINARY, CONT])
    def test_too_long(self, length, opcode):
        header = frame(opcode, length=length)
        reason = broken_by(Send(header), Flood(b"x" * 65_536))
        assert reason == f"the connection broke: a frame of {length} bytes"

    def test_a_message_of_too_many_bytes(self):
        part = frame(CONT, b"x" * 65_536, fin=False)
        reason = broken_by(Send(frame(TEXT, fin=False)), Flood(part))
        assert "too many fragments" in reason

    @pytest.mark.parametrize("payload", [b"", b"x"])
    def test_a_message_of_too_many_fragments(self, payload):
        part = frame(CONT, payload, fin=False)
        reason = broken_by(Send(frame(TEXT, fin=False)), Flood(part * 100))
        assert "too many fragments" in reason

    def test_as_many_fragments_as_may_be_again_and_again(self):
        step = Fragments((b"x",) * MAX_FRAGMENTS)
        with (
            Venue([Ack(), step, step, Stall()]) as venue,
            Listener(venue.ws_url) as listener,
        ):
            assert listener.message() == listener.message() == b"x" * MAX_FRAGMENTS

    @pytest.mark.parametrize(
        "data",
        [
            frame(3, b"x"),
            frame(7),
            frame(11),
            frame(15, b"x"),
            frame(TEXT, b"{}", rsv=4),
            frame(TEXT, b"{}", rsv=2),
            frame(TEXT, b"{}", rsv=1),
            frame(TEXT, b"{}", mask=b"abcd"),
            frame(CONT, b"x"),
            frame(CONT, b"x", fin=False),
            frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
            frame(PING, b"x" * 126),
            frame(PONG, b"x" * 126),
            frame(PING, b"x", fin=False),
            frame(PING, length=1 << 62),
        ],
    )
    def test_against_the_protocol(self, data):
        assert broken_by(Send(data)).startswith("the connection broke: ")

    @pytest.mark.parametrize("end", [[], [Reset()]])
    @pytest.mark.parametrize("kept", [0, 1, 2, 3, 9])
    def test_broken_off(self, kept, end):
        begun = frame(TEXT, b"0123456789" * 20)[:kept]
        with Venue([Ack(), Text("{}"), Send(begun), *end]) as venue:
            listener = Listener(venue.ws_url)
            assert "broke" in listener.exit()
            assert listener.messages.qsize() in (0, 1)  # a reset may overtake it
            assert all(message == b"{}" for message in listener.messages.queue)


class TestClosing:
    @pytest.mark.parametrize(
        ("code", "reason", "words"),
        [
            (1000, b"", "1000 normal closure"),
            (1001, b"going away", "1001 going away"),
            (1008, b"Too many requests", "1008 Too many requests"),
            (1011, b"", "1011 internal error"),
            (1002, b"", "1002"),
            (1012, b"restart", "1012 restart"),
            (4999, b"ours", "4999 ours"),
            (1008, b"\x1b[2J", "1008 \x1b[2J"),
            (1008, "币".encode(), "1008 币"),
            (1008, b"\xff\xce", "1008 \\xff\\xce"),
            (1008, b"x" * 123, "1008 " + "x" * 123),
        ],
    )
    def test_code_and_reason_are_kept(self, code, reason, words):
        with Venue([Ack(), Close(code, reason)]) as venue:
            assert (
                Listener(venue.ws_url).exit()
                == f"the server closed the connection: {words}"
            )
            assert venue.peer().frame() == (CLOSE, struct.pack("!H", 1000))

    def test_without_a_code(self):
        with Venue([Ack(), Close(None)]) as venue:
            assert (
                Listener(venue.ws_url).exit()
                == "the server closed the connection without a code"
            )

    @pytest.mark.parametrize(
        "step",
        [
            Close(None, b"x"),
            Close(999),
            Close(1005),
            Close(65_535),
            Close(1000, b"x" * 124),
        ],
    )
    def test_with_an_invalid_one(self, step):
        assert broken_by(step).startswith("the connection broke: ")

    def test_a_line_that_ends_without_one(self):
        with Venue([Ack()]) as venue:
            reason = Listener(venue.ws_url).exit()
        assert reason == "the connection broke: Connection to remote host was lost"

    def test_the_code_is_kept_if_nobody_hears_our_answer(self):
        reading, broken = threading.Event(), threading.Event()

        def on_message(manager, message):
            reading.set()
            assert broken.wait(PATIENCE)

        goodbye = Send(frame(CLOSE, struct.pack("!H", 1008) + b"Too many requests"))
        with Venue([Ack(), Text("{}"), Until(reading), goodbye, Reset()]) as venue:
            listener = Listener(venue.ws_url, on_message=on_message)
            assert venue.peer().ended.wait(PATIENCE)
            broken.set()
            reason = listener.exit()
        assert reason == "the server closed the connection: 1008 Too many requests"


STOPPED = """
import queue
from klinetail.exchange.client import connector
from klinetail.exchange.connection import Handlers
from klinetail.exchange.deadline import Deadline

ended = queue.Queue()
handlers = Handlers(print, print, lambda reason, code: ended.put(reason))
with Deadline(60) as deadline:
    connection = connector(sys.argv[1])(handlers, deadline)
starve()
connection.stop(60)
print("aborted:", ended.get(timeout=60).startswith("the connection broke"))
"""


class TestStopping:
    def test_says_goodbye_and_hears_the_answer(self):
        class Answered(Heed):
            def play(self, peer):
                peer.send(frame(*peer.frame(CLOSE)))

        with Venue([Ack(), Answered()]) as venue:
            listener = Listener(venue.ws_url)
            listener.connection.stop(60)
            assert listener.exit().endswith(": 1000 normal closure")

    def test_without_a_thread_for_it(self):
        """Then there is no goodbye that might block, but an end."""
        with Venue([Ack(), Stall()]) as venue:
            assert starved.run(STOPPED, venue.ws_url) == "aborted: True\n"
            assert venue.peer().gone.wait(PATIENCE)
            assert venue.peer().frames.empty()

    def test_a_server_that_never_answers(self):
        with Venue([Ack(), Stall()]) as venue:
            listener = Listener(venue.ws_url)
            began = time.monotonic()
            listener.connection.stop(0.5)
            assert time.monotonic() - began < 15
            assert listener.exit()
            assert venue.peer().frame()[0] == CLOSE

    def test_a_server_that_never_answers_and_goes_on_talking(self):
        with Venue([Ack(), Flood(frame(TEXT, b"{}") * 100)]) as venue:
            listener = Listener(venue.ws_url)
            listener.message()
            began = time.monotonic()
            listener.connection.stop(0.5)
            assert time.monotonic() - began < 15
            assert listener.exit()

    def test_a_server_that_does_not_read_the_pongs_it_asks_for(self):
        flood = Flood(frame(PING, b"x" * 125) * 100)
        with Venue([Ack(), Deaf(), flood], buffer=4096) as venue:
            listener = Listener(venue.ws_url)
            peer = venue.peer()
            stuck = 0
            while stuck < 20:  # our thread waits in send, and reads no more
                sent = peer.sent
                time.sleep(0.02)
                stuck = stuck + 1 if sent and peer.sent == sent else 0
            began = time.monotonic()
            listener.connection.stop(0.5)
            assert time.monotonic() - began < 15
            assert listener.exit()

    def test_a_handler_that_does_not_return(self):
        release = threading.Event()
        entered = threading.Event()

        def on_message(manager, message):
            entered.set()
            release.wait(PATIENCE)

        with Venue([Ack(), Text("{}"), Stall()]) as venue:
            listener = Listener(venue.ws_url, on_message=on_message)
            assert entered.wait(PATIENCE)
            began = time.monotonic()
            listener.connection.stop(0.5)
            assert time.monotonic() - began < 15
            release.set()
            listener.exit()

    def test_from_a_handler(self):
        box = queue.Queue()
        stopped = threading.Event()

        def on_message(manager, message):
            box.get(timeout=PATIENCE).stop(60)
            stopped.set()

        with Venue([Ack(), Text("{}"), Stall()]) as venue:
            listener = Listener(venue.ws_url, on_message=on_message)
            box.put(listener.connection)
            assert stopped.wait(PATIENCE)
            assert listener.exit()

    @pytest.mark.parametrize("end", [[], [Reset()], [Close(1001)]])
    def test_a_connection_that_is_gone_already(self, end):
        with Venue([Ack(), *end]) as venue:
            listener = Listener(venue.ws_url)
            listener.exit()
            listener.connection.stop(60)
            listener.connection.stop(60)
            assert listener.exits.empty()


class TestQuiet:
    def test_nothing_is_printed_and_no_logger_touched(self):
        """In a process of its own, where no test runner listens to the loggers."""
        program = textwrap.dedent("""
            import logging, sys, threading
            from klinetail.errors import BadMessage
            from klinetail.exchange.client import connector
            from klinetail.exchange.connection import Handlers
            from klinetail.exchange.rest_client import BinanceRest
            from klinetail.exchange.deadline import Deadline
            from klinetail.protocol.venues import own_venue
            ended = threading.Event()
            def on_message(manager, message):
                raise RuntimeError("a bug")
            handlers = Handlers(on_message, print, lambda *_: ended.set())
            with Deadline(10) as deadline:
                connector(sys.argv[1])(handlers, deadline)
            assert ended.wait(10)
            rest = BinanceRest(own_venue(sys.argv[1], sys.argv[2]))
            try:
                rest.server_time()
            except BadMessage:
                pass
            rest.close()
            assert logging.getLogger().handlers == []
        """)
        page = Answer(200, b"<html>")
        with (
            Venue([Ack(), Text("{}"), Close(1011, b"\x1b[2J")]) as venue,
            Venue([page]) as rest,
        ):
            urls = (venue.ws_url, rest.rest_url)
            done = subprocess.run(
                [sys.executable, "-X", "dev", "-c", program, *urls],
                capture_output=True,
                text=True,
                timeout=60,
            )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestSubscribing:
    def test_one_request_with_all_names(self):
        names = ["btcusdt@kline_1m", "币安人生usdt@kline_1M"]
        with Venue([Ack(), Stall()]) as venue, Listener(venue.ws_url) as listener:
            listener.connection.subscribe(names, id=7)
            opcode, payload = venue.peer().frame()
        assert opcode == TEXT
        assert json.loads(payload) == {"method": "SUBSCRIBE", "params": names, "id": 7}

    def test_on_a_connection_that_is_gone(self):
        with Venue([Ack()]) as venue:
            listener = Listener(venue.ws_url)
            listener.exit()
            with pytest.raises(Exception, match="closed"):
                listener.connection.subscribe(["btcusdt@kline_1m"], id=1)
