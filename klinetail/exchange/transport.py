"""Opens connections: name, addresses, proxy and TLS, all before one deadline."""

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
    # A server that vanished is noticed after half a minute, and not after two hours.
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

STAGGER: Final = 0.25
"""Seconds after which the next address of a name is tried: RFC 8305, 5."""

_NO_WAY: Final = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
)
"""Errors of addresses of a family without a route on this machine."""

_ROOTS: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def dial(
    url: str, deadline: Deadline, proxy: Proxy | None = None
) -> socket.socket | TlsSocket:
    """Return a connection to a `ws://` or `wss://` address, with verified TLS.

    Args:
        url: the address.
        deadline: running; the connection has to be open before the deadline.
        proxy: the proxy to connect through, or None.

    Raises:
        ssl.SSLCertVerificationError: the certificate is not valid.
        OSError: no connection was opened before the deadline.
        ExchangeError: the proxy did not connect.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    sock = reach(host, parts.port or (443 if secure else 80), deadline, proxy)
    return TlsSocket(sock, tls_context(), host) if secure else sock


def secured(sock: socket.socket, host: str) -> ssl.SSLSocket:
    """Return a socket with verified TLS over a connected socket, closed on failure."""
    try:
        return tls_context().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def reach(
    host: str, port: int, deadline: Deadline, proxy: Proxy | None = None
) -> socket.socket:
    """Return a connection without TLS, guarded by the deadline from the beginning.

    Args:
        host: a name or an address.
        port: the port.
        deadline: running; the connection has to be open before the deadline.
        proxy: the proxy to connect through, or None.

    Raises:
        OSError: no connection was opened before the deadline.
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
    """Return the addresses with families in turn: a family may have no route."""
    families: dict[int, list[_Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


def _first_of(addresses: Sequence[_Address], deadline: Deadline) -> socket.socket:
    """Return the first connection that opens.

    The next address is tried after a failure, or `STAGGER` seconds after the address
    before, while earlier attempts go on.
    """
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
    """Return the failure to report: a family without a route says least."""
    return one if other.errno in _NO_WAY and one.errno is not None else other


def _resolve(host: str, port: int, deadline: Deadline) -> list[_Address]:
    """Return the addresses of a name; a thread of its own looks the name up.

    Nothing can interrupt the system's look-up.
    """
    # A name as bytes needs no tables of IDNA; loading the tables takes a while.
    name = host.encode() if host.isascii() else host
    found: list[list[_Address]] = []
    failed: list[Exception] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - the waiting thread must hear of it
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
    """Return a socket that is connecting, guarded by the deadline.

    A blocking connect would leave no time for guarding the socket.

    Raises:
        OSError: the socket cannot begin to connect.
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
    """Return the TLS context of all connections; verification is always on.

    The variables SSL_CERT_FILE and SSL_CERT_DIR name other root certificates. All
    connections share a context: reading the roots takes as long as a handshake.
    """
    return _tls_context(*(os.environ.get(name) for name in _ROOTS))


@functools.cache
def _tls_context(*roots: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if roots == (None, None):
        import certifi  # with TLS only

        context.load_verify_locations(certifi.where())
    return context
