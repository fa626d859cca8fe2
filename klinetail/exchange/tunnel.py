"""Connects through a proxy, over a socket that a deadline guards already."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
from typing import Final

from klinetail.errors import Unreachable
from klinetail.exchange.proxy import refusal
from klinetail.shortage import safe_to_start

MAX_ANSWER: Final = 1 << 16
"""Bytes of a proxy's answer at most; a refusal may come with a page of HTML."""

_END: Final = re.compile(rb"\r?\n\r?\n").search
_PART: Final = 1 << 16


def tunnel(sock: socket.socket, request: bytes) -> None:
    """Ask the proxy for a connection and read the answer.

    Args:
        sock: connected to the proxy.
        request: the CONNECT request.

    Raises:
        ExchangeError: the proxy does not connect.
        OSError: the connection to the proxy broke.
    """
    sock.sendall(request)
    answer = b""
    while not (end := _END(answer)):
        if len(answer) > MAX_ANSWER:
            raise Unreachable("the proxy's answer does not end")
        data = sock.recv(4096)
        if not data:
            raise Unreachable("the proxy hung up")
        answer += data
    refused = refusal(answer)
    if refused is not None:
        raise refused
    if end.end() < len(answer):  # the exchange never speaks first
        raise Unreachable("the proxy sent more than an answer")


def plain_end(tls: ssl.SSLSocket) -> socket.socket:
    """Return a plain socket whose bytes go through a TLS connection.

    The socket is for TLS within TLS: Python wraps plain sockets only. A thread carries
    the bytes until either side ends.
    """
    near, far = socket.socketpair()
    carrier = safe_to_start(
        threading.Thread(
            target=_carry, args=(tls, far), name="klinetail-proxy", daemon=True
        )
    )
    try:
        carrier.start()
    except BaseException:
        for sock in (tls, near, far):
            sock.close()
        raise
    return near


def _carry(tls: ssl.SSLSocket, far: socket.socket) -> None:
    # One thread for both ways: two must not use one TLS connection at once.
    with tls, far, contextlib.suppress(OSError):
        tls.setblocking(False)
        far.setblocking(False)
        up = down = b""
        while True:
            poll = select.poll()
            for sock, out, back in ((tls, up, down), (far, down, up)):
                wanted = (0 if back else select.POLLIN) | (select.POLLOUT if out else 0)
                if wanted:  # else a hang-up would be reported again and again
                    poll.register(sock, wanted)
            poll.poll()
            if not down:
                data = _received(tls)
                if data == b"":
                    return
                down = data or b""
            if not up:
                data = _received(far)
                if data == b"":
                    return
                up = data or b""
            down = down[_sent(far, down) :]
            up = up[_sent(tls, up) :]


def _received(sock: socket.socket) -> bytes | None:
    """Return the bytes that have arrived: None if none yet, no bytes at the end."""
    try:
        return sock.recv(_PART)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None


def _sent(sock: socket.socket, data: bytes) -> int:
    """Send bytes without blocking; return the number of bytes sent."""
    if not data:
        return 0
    try:
        return sock.send(data)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return 0
