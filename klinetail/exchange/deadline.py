"""A deadline for a whole operation on sockets, and the meaning of errors.

No library of this project bounds a whole operation: a server that sends a byte now and
then could hold a thread for ever.
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

    Every call that blocks on a guarded socket then ends with an error; `expired` and
    `aborted` tell the reason. A context manager: the time runs from enter to exit.

    Args:
        seconds: the time for the whole operation.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """The time for the whole operation."""
        self.expired = False
        """Whether the time is up."""
        self.aborted = False
        """Whether `abort` was called."""
        self.doing = "waiting for the answer"
        """The present step of the operation, in words, for the user."""
        self.where = ""
        """The operation, with the address, as in the `where` of an error."""
        self._changed = threading.Condition()
        """Guards the fields; notified at the end and by `wake`."""
        self._guarded: list[socket.socket] = []
        """Duplicates of the guarded sockets."""
        self._timer = safe_to_start(threading.Timer(seconds, self._expire))
        self._timer.daemon = True
        self._timer.name = "klinetail-deadline"
        """The thread that ends the operation when the time is up."""

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
        """Whether the deadline is expired or aborted."""
        return self.expired or self.aborted

    def guard(self, sock: socket.socket) -> None:
        """Shut this socket down at the end of the deadline, with or without TLS.

        The socket must be connected or connecting: other sockets cannot be shut down.
        """
        twin = socket.socket(fileno=os.dup(sock.fileno()))
        with self._changed:
            self._guarded.append(twin)
            if self.over:
                shut(twin)

    def abort(self) -> None:
        """End the operation now, from any thread."""
        with self._changed:
            self.aborted = True
            self._shut_all()

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Wait until `done()`, called after each `wake`, is true, or until the end."""
        with self._changed:
            self._changed.wait_for(lambda: done() or self.over)

    def wake(self) -> None:
        """Let `wait_for` call `done` again."""
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
    """Shut a socket down, so that blocked calls end; the socket stays to be closed."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def failure(error: BaseException, deadline: Deadline, where: str) -> ExchangeError:
    """Return the meaning of an error on a connection, as an error of our own.

    Args:
        error: the error that was raised.
        deadline: the deadline of the operation; a deadline that is over is the cause.
        where: the operation, with the address.
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
            return Refused(f"the certificate is not valid: {seen}")
        seen = seen.__cause__ or seen.__context__
    words = (
        shortage(error)
        or getattr(error, "strerror", None)
        or str(error)
        or type(error).__name__
    )
    return Unreachable(words.rstrip("."))
