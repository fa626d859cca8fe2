"""Connections: name, addresses, proxy and TLS, all before one deadline."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import select
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from klinetail.errors import Refused
from klinetail.exchange.deadline import Deadline, shut
from klinetail.exchange.proxy import Proxy
from klinetail.exchange.tls import TlsSocket
from klinetail.exchange.tunnel import plain_end, tunnel
from klinetail.shortage import safe_to_start

_Address = tuple[int, int, int, str, tuple[object, ...]]

_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # A peer that vanished is noticed after half a minute; by default, two hours.
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

STAGGER: Final = 0.25
"""Seconds after which a further address of a name is tried: RFC 8305, 5."""

_NO_WAY: Final = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
)
"""Errors of a family of addresses that this machine has no way to."""

_ROOTS: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def dial(
    url: str, deadline: Deadline, proxy: Proxy | None = None
) -> socket.socket | TlsSocket:
    """Connect to a `ws://` or `wss://` address, TLS verified, before the deadline.

    Raises:
        OSError: it did not work; `ssl.SSLCertVerificationError` if it must not.
        ExchangeError: the proxy did not connect.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    sock = reach(host, parts.port or (443 if secure else 80), deadline, proxy)
    return TlsSocket(sock, tls_context(), host) if secure else sock


def secured(sock: socket.socket, host: str) -> ssl.SSLSocket:
    """A connected socket with verified TLS over it; it is closed if that fails."""
    try:
        return tls_context().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def reach(
    host: str, port: int, deadline: Deadline, proxy: Proxy | None = None
) -> socket.socket:
    """A connection without TLS, guarded by the deadline from its first packet on.

    Raises:
        OSError: there is none before the deadline.
        ExchangeError: the proxy did not connect.
    """
    if proxy is None:
        return _reach(host, port, deadline)
    request = proxy.request(host, port)
    sock = _reach(proxy.host, proxy.port, deadline)
    if proxy.secure:
        try:
            sock = plain_end(secured(sock, proxy.host))
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"the proxy's certificate is not valid: {error}") from error
    try:
        tunnel(sock, request)
    except BaseException:
        sock.close()
        raise
    return sock


def _reach(host: str, port: int, deadline: Deadline) -> socket.socket:
    deadline.doing = "looking up the name"
    addresses = _in_turn(_resolve(host, port, deadline))
    deadline.doing = "connecting"
    sock = _first_of(addresses, deadline)
    deadline.doing = "waiting for the answer"
    return sock


def _in_turn(addresses: Sequence[_Address]) -> list[_Address]:
    """The addresses with their families in turn: one of them may lead nowhere."""
    families: dict[int, list[_Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


def _first_of(addresses: Sequence[_Address], deadline: Deadline) -> socket.socket:
    """The first connection that comes about. The next address is tried when one has
    failed, or `STAGGER` seconds after the one before, beside those under way."""
    failure = OSError("no address")
    left = list(addresses)
    trying: dict[int, socket.socket] = {}
    poll = select.poll()
    try:
        while (left or trying) and not deadline.over:
            if left:
                try:
                    sock = _connecting(left.pop(0), deadline)
                except OSError as error:
                    failure = _graver(failure, error)
                    continue
                trying[sock.fileno()] = sock
                poll.register(sock, select.POLLOUT)
            for fd, _ in poll.poll((STAGGER if left else deadline.seconds) * 1000):
                poll.unregister(fd)
                sock = trying.pop(fd)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code and not deadline.over:
                    sock.setblocking(True)
                    return sock
                sock.close()
                if code:
                    failure = _graver(failure, OSError(code, os.strerror(code)))
    finally:
        for sock in trying.values():
            shut(sock)
            sock.close()
    raise TimeoutError("no answer") if deadline.over else failure


def _graver(one: OSError, other: OSError) -> OSError:
    """Which of two failures to report: that a family is not there at all says least."""
    return one if other.errno in _NO_WAY and one.errno is not None else other


def _resolve(host: str, port: int, deadline: Deadline) -> list[_Address]:
    """Look a name up on a thread of its own, since nothing can interrupt it."""
    # As bytes it needs none of IDNA's tables, which take a while to load.
    name = host.encode() if host.isascii() else host
    found: list[list[_Address]] = []
    failed: list[Exception] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            failed.append(error)
        deadline.wake()

    thread = threading.Thread(target=look_up, name="klinetail-resolve", daemon=True)
    safe_to_start(thread).start()
    deadline.wait_for(lambda: bool(found or failed))
    if failed:
        raise OSError(f"cannot resolve {host}: {failed[0]}") from failed[0]
    if not found:
        raise TimeoutError(f"cannot resolve {host}: no answer")
    return found[0]


def _connecting(address: _Address, deadline: Deadline) -> socket.socket:
    """A socket that is connecting, guarded: a blocking connect leaves no time for it.

    Raises:
        OSError: it cannot even begin to.
    """
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        for option in _OPTIONS:
            sock.setsockopt(*option)
        sock.setblocking(False)
        code = sock.connect_ex(where)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        deadline.guard(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def tls_context() -> ssl.SSLContext:
    """Verification is always on; SSL_CERT_FILE and SSL_CERT_DIR name other roots.

    One for all connections: reading the roots takes as long as a handshake.
    """
    return _tls_context(*(os.environ.get(name) for name in _ROOTS))


@functools.cache
def _tls_context(*roots: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if roots == (None, None):
        import certifi  # with TLS only

        context.load_verify_locations(certifi.where())
    return context
