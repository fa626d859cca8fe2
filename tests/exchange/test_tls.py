"""TLS over a socket, against OpenSSL's own server on the other end of it."""

import contextlib
import socket
import ssl
import threading

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.exchange.tls import TlsSocket
from tests.venue import PATIENCE, server_context

HOST = "localhost"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class Server:
    """The other end. What it says is encrypted at once and sent when it is told."""

    def __init__(self, authority, names=(HOST,)):
        self.near, self.far = socket.socketpair()
        for end in (self.near, self.far):
            end.settimeout(PATIENCE)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = server_context(authority, *names).wrap_bio(
            self.incoming, self.outgoing, server_side=True
        )
        self.error = None
        self.thread = threading.Thread(target=self.shake_hands, daemon=True)
        self.thread.start()

    def shake_hands(self):
        try:
            self.until_done(self.tls.do_handshake)
        except (ssl.SSLError, OSError) as error:
            self.error = error

    def until_done(self, step):
        while True:
            try:
                found = step()
                self.far.sendall(self.outgoing.read())
                return found
            except ssl.SSLWantReadError:
                self.far.sendall(self.outgoing.read())
                data = self.far.recv(65_536)
                if not data:
                    raise ConnectionError("the client hung up") from None
                self.incoming.write(data)

    def records(self, *messages):
        """Each as a record of its own, encrypted."""
        for message in messages:
            self.tls.write(message)
        return self.outgoing.read()

    def heard(self, size):
        data = b""
        while len(data) < size:
            data += self.until_done(lambda: self.tls.read(size))
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.near, self.far):
            end.close()
        self.thread.join(PATIENCE)


def opened(server, context):
    sock = TlsSocket(server.near, context, HOST)
    server.thread.join(PATIENCE)
    assert server.error is None
    return sock


def test_many_records_come_with_one_read(authority, trusting):
    with Server(authority) as server:
        sock = opened(server, trusting)
        server.far.sendall(server.records(*[b"%03d" % n for n in range(200)]))
        data = sock.recv(1 << 17)
        assert len(data) > 3 * 100, "not a record a read"
        while len(data) < 600:
            data += sock.recv(1 << 17)
        assert data == b"".join(b"%03d" % n for n in range(200))


@settings(max_examples=30)
@given(
    st.lists(st.binary(min_size=1, max_size=40_000), min_size=1, max_size=5),
    st.lists(st.integers(1, 9_000), min_size=1, max_size=5),
    st.sampled_from([1, 7, 1 << 17]),
)
def test_however_it_is_cut_the_same_bytes_come(messages, sizes, most):
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with Server(authority) as server:
        sock = opened(server, context)
        sent = server.records(*messages)

        def send():
            at = 0
            with contextlib.suppress(OSError):
                while at < len(sent):
                    for size in sizes:
                        server.far.sendall(sent[at : at + size])
                        at += size

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        whole = b"".join(messages)
        got = b""
        while len(got) < len(whole) and (most > 100 or len(got) < 2_000):
            part = sock.recv(most)
            assert 0 < len(part) <= most
            got += part
        assert got == whole[: len(got)]
        sock.close()  # so that the rest keeps nobody
        sender.join(PATIENCE)


def test_both_sides_talk_at_once(authority, trusting):
    with Server(authority) as server:
        sock = opened(server, trusting)
        said = [b"x%05d" % n for n in range(500)]

        def talk():
            for message in said:
                assert sock.send(message) == len(message)

        talkers = [threading.Thread(target=talk) for _ in range(2)]
        for talker in talkers:
            talker.start()
        server.far.sendall(server.records(*said))
        data = b""
        while len(data) < 3_000:
            data += sock.recv(1 << 17)
        assert data == b"".join(said)
        heard = server.heard(6_000)
        for talker in talkers:
            talker.join(PATIENCE)
        parts = [heard[at : at + 6] for at in range(0, 6_000, 6)]
        assert sorted(parts) == sorted(said * 2)


@pytest.mark.parametrize("polite", [True, False])
def test_the_end_comes_after_all_that_was_said(authority, trusting, polite):
    with Server(authority) as server:
        sock = opened(server, trusting)
        data = server.records(b"last", b"words")
        if polite:
            with pytest.raises(ssl.SSLWantReadError):
                server.tls.unwrap()
            data += server.outgoing.read()
        server.far.sendall(data)
        server.far.shutdown(socket.SHUT_WR)
        got = b""
        while part := sock.recv(1 << 17):
            got += part
        assert got == b"lastwords"
        assert sock.recv(10) == b""


def test_what_came_before_a_damaged_record_is_not_lost(authority, trusting):
    with Server(authority) as server:
        sock = opened(server, trusting)
        good, bad = server.records(b"good"), bytearray(server.records(b"bad"))
        bad[-1] ^= 1
        server.far.sendall(good + bad)
        assert sock.recv(1 << 17) == b"good"
        for _ in range(2):
            with pytest.raises(ssl.SSLError):
                sock.recv(1 << 17)


def test_a_certificate_of_another_is_refused(authority, trusting):
    with Server(authority, ["elsewhere.example"]) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            TlsSocket(server.near, trusting, HOST)
        assert server.near.fileno() == -1
        server.thread.join(PATIENCE)
        assert "BAD_CERTIFICATE" in str(server.error).upper()


def test_a_certificate_that_nobody_vouches_for_is_refused(authority):
    with Server(authority) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            TlsSocket(server.near, ssl.create_default_context(), HOST)
        server.thread.join(PATIENCE)


def test_an_end_in_the_handshake(trusting):
    near, far = socket.socketpair()
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(ssl.SSLEOFError, match="handshake"):
        TlsSocket(near, trusting, HOST)
    assert near.fileno() == -1
    far.close()
