"""Sockets with a total deadline. No library used here bounds a whole operation: a
server that sends a byte now and then holds any of them for ever."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from klinetail.errors import ExchangeError, Refused, Unreachable
from klinetail.exchange.proxy import Proxy
from klinetail.exchange.tls import TlsSocket
from klinetail.exchange.tunnel import plain_end, tunnel
from klinetail.shortage import safe_to_start, shortage

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


class Deadline:
    """Shuts the guarded sockets down when the time is up or on `abort`.

    Whatever blocks on one of them then ends with an error; look at `expired` and
    `aborted` for the reason. A context manager: it runs from enter to exit.

    Args:
        seconds: how long all of it may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self.aborted = False
        self.doing = "waiting for the answer"
        """How far it is, in words, for whoever waits."""
        self.where = ""
        """What it is all about, with the address, as in an error's `where`."""
        self._changed = threading.Condition()
        self._guarded: list[socket.socket] = []
        self._timer = safe_to_start(threading.Timer(seconds, self._expire))
        self._timer.daemon = True
        self._timer.name = "klinetail-deadline"

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._changed:
            for twin in self._guarded:
                twin.close()
            self._guarded.clear()

    @property
    def over(self) -> bool:
        """Whether it is expired or aborted."""
        return self.expired or self.aborted

    def guard(self, sock: socket.socket) -> None:
        """Let this socket end with the deadline, TLS or not, whoever wraps it.

        The socket must be connected or connecting: no other can be shut down.
        """
        twin = socket.socket(fileno=os.dup(sock.fileno()))
        with self._changed:
            self._guarded.append(twin)
            if self.over:
                _shut(twin)

    def abort(self) -> None:
        """End it now, from any thread."""
        with self._changed:
            self.aborted = True
            self._shut_all()

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Wait until `done`, looked at after each `wake`, or until it is over."""
        with self._changed:
            self._changed.wait_for(lambda: done() or self.over)

    def wake(self) -> None:
        """Have `wait_for` look again."""
        with self._changed:
            self._changed.notify_all()

    def _expire(self) -> None:
        with self._changed:
            self.expired = True
            self._shut_all()

    def _shut_all(self) -> None:
        for twin in self._guarded:
            _shut(twin)
        self._changed.notify_all()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


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
            _shut(sock)
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


def failure(error: BaseException, deadline: Deadline, where: str) -> ExchangeError:
    """What a connection's error means, in our words.

    Args:
        error: what was raised.
        deadline: the connection's, which says whether the time was up.
        where: what was being done, with the address.
    """
    meant = _meaning(error, deadline)
    meant.where = where
    return meant


def _meaning(error: BaseException, deadline: Deadline) -> ExchangeError:
    if deadline.expired:
        return Unreachable(f"no answer in {deadline.seconds:g} s")
    if deadline.aborted:
        return Unreachable("broken off")
    if isinstance(error, ExchangeError):
        return type(error)(error.cause)
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return Refused(f"its certificate is not valid: {seen}")
        seen = seen.__cause__ or seen.__context__
    words = (
        shortage(error)
        or getattr(error, "strerror", None)
        or str(error)
        or type(error).__name__
    )
    return Unreachable(words.rstrip("."))
