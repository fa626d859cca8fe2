"""A deadline for a whole operation on sockets, and what an error under one means.

No library used here bounds a whole operation: a server that sends a byte now and then
holds any of them for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from klinetail.errors import ExchangeError, Refused, Unreachable
from klinetail.shortage import safe_to_start, shortage


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
                shut(twin)

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
            shut(twin)
        self._changed.notify_all()


def shut(sock: socket.socket) -> None:
    """End whatever blocks on a socket; the socket stays to be closed."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


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
