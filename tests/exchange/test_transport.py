import contextlib
import errno
import os
import socket
import ssl
import threading
import time
from datetime import UTC, datetime

import certifi
import pytest
import trustme

from klinetail.errors import Refused, Unreachable
from klinetail.exchange import transport
from klinetail.exchange.deadline import Deadline, failure
from klinetail.exchange.transport import STAGGER, dial, reach, tls_context
from tests.venue import PATIENCE, Request, Send, Stall, Venue, server_context


@pytest.fixture
def full():
    """An address that answers no SYN: its queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()
        for sock in waiting:
            sock.close()


def abort_soon(deadline):
    timer = threading.Timer(0.1, deadline.abort)
    timer.start()
    return timer


def in_time(began, bound):
    """Within the promised bound, with slack for a busy machine."""
    return time.monotonic() - began < bound + 15


class TestReach:
    def test_connects(self):
        with (
            Venue([Stall()]) as venue,
            Deadline(PATIENCE) as deadline,
            reach("127.0.0.1", venue.port, deadline) as sock,
        ):
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert venue.peer().requests.get(timeout=PATIENCE)
            assert sock.gettimeout() is None
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_notices_a_peer_that_vanished_within_35_seconds(self):
        with (
            Venue([Stall()]) as venue,
            Deadline(PATIENCE) as deadline,
            reach("127.0.0.1", venue.port, deadline) as sock,
        ):
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, interval, count = (
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                )
            )
            assert idle + interval * count <= 35

    def test_tries_every_address_of_a_name(self, monkeypatch, full):
        """A name's first address is dead, its second refuses, its third is alive."""
        with Venue([Stall()]) as venue, socket.create_server(("127.0.0.1", 0)) as dead:
            refusing = dead.getsockname()
            dead.close()
            addresses = [full, refusing, ("127.0.0.1", venue.port)]
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            monkeypatch.setattr(
                socket,
                "getaddrinfo",
                lambda *_, **__: [(*kind, address) for address in addresses],
            )
            with Deadline(1.5) as deadline, reach("three.invalid", 1, deadline) as sock:
                assert sock.getpeername()[1] == venue.port

    def test_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with Deadline(PATIENCE) as deadline, pytest.raises(ConnectionRefusedError):
            reach("127.0.0.1", port, deadline)

    def test_an_address_that_never_answers_ends_with_the_deadline(self, full):
        began = time.monotonic()
        with Deadline(0.5) as deadline, pytest.raises(OSError):
            reach(*full, deadline)
        assert in_time(began, 0.5)

    def test_an_abort_ends_the_wait_for_an_answer(self, full):
        began = time.monotonic()
        with Deadline(60) as deadline:
            abort_soon(deadline)
            with pytest.raises(OSError):
                reach(*full, deadline)
        assert in_time(began, 0.1)

    def test_an_abort_that_came_first_leaves_no_connection(self):
        with Venue([Stall()]) as venue, Deadline(60) as deadline:
            deadline.abort()
            with pytest.raises(OSError):
                reach("127.0.0.1", venue.port, deadline)

    @pytest.mark.parametrize("host", ["klinetail.invalid", "a..b", "a\0b", "x" * 70])
    def test_a_name_that_does_not_exist(self, host):
        with Deadline(PATIENCE) as deadline, pytest.raises(OSError):
            reach(host, 80, deadline)

    def test_dead_addresses_before_a_live_one_cost_a_moment_each(
        self, monkeypatch, full
    ):
        with Venue([Stall()]) as venue:
            live = ("127.0.0.1", venue.port)
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            found = [(*kind, where) for where in [full] * 8 + [live]]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            began = time.monotonic()
            with Deadline(300) as deadline, reach("name", 80, deadline) as sock:
                assert sock.getpeername() == live
                assert deadline.doing == "waiting for the answer"
            assert in_time(began, 8 * STAGGER)

    def test_a_family_without_a_way_is_left_at_once_and_not_blamed(self, monkeypatch):
        with Venue([Stall()]) as venue:
            port = venue.port
        nowhere = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("2001:db8::1", 80))
        refusing = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        for found in ([nowhere] * 2 + [refusing], [refusing, nowhere]):
            monkeypatch.setattr(
                socket, "getaddrinfo", lambda *_, found=found, **__: found
            )
            with (
                Deadline(PATIENCE) as deadline,
                pytest.raises(ConnectionRefusedError),
            ):
                reach("name", 80, deadline)

    def test_families_take_turns(self):
        six, four = [(10, 1, 0, "", (n,)) for n in range(3)], [(2, 1, 0, "", (9,))]
        turns = transport._in_turn([*six, *four])
        assert turns == [six[0], four[0], six[1], six[2]]
        assert transport._in_turn([]) == []

    @pytest.mark.parametrize("aborted", [False, True])
    def test_a_resolver_that_hangs_does_not_hang_us(self, monkeypatch, aborted):
        release = threading.Event()
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: release.wait() and ()
        )
        began = time.monotonic()
        try:
            with Deadline(60 if aborted else 0.3) as deadline:
                if aborted:
                    abort_soon(deadline)
                with pytest.raises(OSError, match="cannot resolve"):
                    reach("slow.invalid", 80, deadline)
                assert deadline.doing == "looking up the name"
            assert in_time(began, 0.3)
        finally:
            release.set()


class TestDial:
    def test_the_ports_of_the_schemes(self, monkeypatch):
        asked = []

        def getaddrinfo(host, port, **_):
            asked.append((host, port))
            raise OSError(errno.ENOENT, "no")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        for url in ("ws://a.invalid/ws", "wss://b.invalid", "ws://c.invalid:8080"):
            with Deadline(PATIENCE) as deadline, pytest.raises(OSError):
                dial(url, deadline)
        names = [(b"a.invalid", 80), (b"b.invalid", 443), (b"c.invalid", 8080)]
        assert asked == names

    def test_a_name_in_any_script(self, monkeypatch):
        asked = []
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *_, **__: asked.append(host) or ()
        )
        with Deadline(PATIENCE) as deadline, pytest.raises(OSError):
            dial("ws://bücher.invalid", deadline)
        assert asked == ["bücher.invalid"]

    def test_over_tls(self, authority):
        context = server_context(authority, "localhost")
        with (
            Venue([Request(), Send(b"hello")], tls=context) as venue,
            Deadline(PATIENCE) as deadline,
            contextlib.closing(dial(venue.ws_url, deadline)) as sock,
        ):
            sock.sendall(b"\r\n\r\n")
            assert sock.recv(5) == b"hello"
            assert sock.version() in ("TLSv1.2", "TLSv1.3")

    @pytest.mark.parametrize(
        ("trusted", "name"), [(False, "localhost"), (True, "elsewhere.example")]
    )
    def test_a_certificate_that_is_not_valid(self, authority, trusted, name):
        issuer = authority if trusted else trustme.CA()
        with (
            Venue([Stall()], tls=server_context(issuer, name)) as venue,
            Deadline(PATIENCE) as deadline,
        ):
            with pytest.raises(ssl.SSLCertVerificationError) as caught:
                dial(venue.ws_url, deadline)
            assert isinstance(failure(caught.value, deadline, "here"), Refused)

    def test_an_expired_certificate(self, authority, tmp_path):

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        past = datetime(2020, 1, 1, tzinfo=UTC)
        authority.issue_cert("localhost", not_after=past).configure_cert(context)
        with (
            Venue([Stall()], tls=context) as venue,
            Deadline(PATIENCE) as deadline,
            pytest.raises(ssl.SSLCertVerificationError, match="expired"),
        ):
            dial(venue.ws_url, deadline)

    @pytest.mark.parametrize("aborted", [False, True])
    def test_a_server_silent_in_tls_ends_with_the_deadline(self, aborted):
        with Venue([Stall()]) as venue:
            began = time.monotonic()
            with Deadline(60 if aborted else 0.3) as deadline:
                if aborted:
                    abort_soon(deadline)
                with pytest.raises(OSError):
                    dial(f"wss://127.0.0.1:{venue.port}", deadline)
            assert in_time(began, 0.3)

    def test_plain_http_where_tls_belongs_is_transient(self):
        with Venue([Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Stall()]) as venue:
            with Deadline(PATIENCE) as deadline, pytest.raises(OSError) as caught:
                dial(f"wss://127.0.0.1:{venue.port}", deadline)
            assert isinstance(failure(caught.value, deadline, "here"), Unreachable)


class TestTlsContext:
    def test_always_verifies(self, monkeypatch):
        for file in (None, "/nonexistent"):
            if file is not None:
                monkeypatch.setenv("SSL_CERT_FILE", file)
            context = tls_context()
            assert context.verify_mode is ssl.CERT_REQUIRED
            assert context.check_hostname

    def test_certifis_roots_unless_others_are_named(self, monkeypatch, tmp_path):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        assert os.path.exists(certifi.where())
        assert len(tls_context().get_ca_certs()) > 50
        file = tmp_path / "roots.pem"
        trustme.CA().cert_pem.write_to_path(str(file))
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        assert len(tls_context().get_ca_certs()) == 1
