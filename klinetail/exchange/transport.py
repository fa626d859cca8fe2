"""Sockets with a total deadline. No library used here bounds a whole operation: a
server that sends a byte now and then holds any of them for ever."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import certifi

from klinetail.errors import ExchangeError, Refused, Unreachable

_Address = tuple[int, int, int, str, tuple[object, ...]]


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
        self._lock = threading.Lock()
        self._guarded: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._expire)
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
        with self._lock:
            for twin in self._guarded:
                twin.close()
            self._guarded.clear()

    def guard(self, sock: socket.socket) -> None:
        """Let this socket end with the deadline, TLS or not, whoever wraps it."""
        twin = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._guarded.append(twin)
            if self.expired or self.aborted:
                _shut(twin)

    def abort(self) -> None:
        """End it now, from any thread."""
        self.aborted = True
        self._shut_all()

    def _expire(self) -> None:
        self.expired = True
        self._shut_all()

    def _shut_all(self) -> None:
        with self._lock:
            for twin in self._guarded:
                _shut(twin)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def dial(url: str, deadline: Deadline) -> socket.socket:
    """Connect to a `ws://` or `wss://` address, TLS verified, before the deadline.

    Raises:
        OSError: it did not work; `ssl.SSLCertVerificationError` if it must not.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    addresses = _resolve(host, parts.port or (443 if secure else 80), deadline.seconds)
    sock = _connect(addresses, deadline)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return tls_context().wrap_socket(sock, server_hostname=host) if secure else sock
    except BaseException:
        sock.close()
        raise


def _resolve(host: str, port: int, seconds: float) -> list[_Address]:
    """Look a name up on a thread of its own, since nothing can interrupt it."""
    found: list[list[_Address]] = []
    failed: list[OSError | UnicodeError] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=look_up, name="klinetail-resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise OSError(f"cannot resolve {host}: {failed[0]}") from failed[0]
    if not found:
        raise TimeoutError(f"cannot resolve {host}: no answer in {seconds:g} s")
    return found[0]


def _connect(addresses: list[_Address], deadline: Deadline) -> socket.socket:
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            deadline.guard(sock)
            sock.settimeout(deadline.seconds / len(addresses))
            sock.connect(address)
            sock.settimeout(None)
        except OSError as error:
            sock.close()
            failure = error
            continue
        return sock
    raise failure


def tls_context() -> ssl.SSLContext:
    """Verification is always on; SSL_CERT_FILE and SSL_CERT_DIR name other roots."""
    context = ssl.create_default_context()
    if not any(name in os.environ for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")):
        context.load_verify_locations(certifi.where())
    return context


def failure(error: BaseException, deadline: Deadline, where: str) -> ExchangeError:
    """What a connection's error means, in our words."""
    if deadline.expired:
        return Unreachable(f"{where}: no answer in {deadline.seconds:g} s")
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return Refused(f"{where}: its certificate is not valid: {seen}")
        seen = seen.__cause__ or seen.__context__
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unreachable(f"{where}: {words}")
