"""stderr, written on a thread of its own: a slow reader of stderr delays no caller."""

from __future__ import annotations

import contextlib
import io
import math
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from klinetail.escape import brief, printable
from klinetail.kinds import ANNOUNCED, Kind
from klinetail.shortage import safe_to_start
from klinetail.throttle import Throttle

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from klinetail.events import Event

_KEPT: Final = 1_000
"""Parts that wait to be written, at most."""

_DROPPED: Final = b"klinetail: (%d lines were dropped: stderr is read too slowly)\n"

LAST_WORDS: Final = 0.2
"""Seconds that the end of the process waits for stderr to take the last lines."""


class StderrWriter:
    """Writes lines to a file descriptor, in order, without making the caller wait.

    Each line is escaped, cut and rationed; see `Throttle`. If the reader of the
    descriptor does not keep up, the oldest lines are dropped, lines about gaps and ends
    last, and a line tells the number of dropped lines. A closed descriptor is no error.

    Args:
        fd: stderr's descriptor.
        monotonic: local seconds.
    """

    def __init__(
        self, fd: int = 2, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.failure: OSError | None = None
        """The error of the latest write; None if the latest write succeeded."""
        self._fd = fd
        self._monotonic = monotonic
        self._throttle = Throttle()
        """Holds back and counts lines of a kind with too many lines."""
        self._screen: Callable[[str], object] | None = None
        """The screen that takes lines in place of the descriptor."""
        self._parts: deque[tuple[Kind, bytes]] = deque()
        """The parts to be written: a line each, or the bytes of one call of `write`."""
        self._lost = 0
        """Parts dropped since a line last told their number."""
        self._changed = threading.Condition()
        """Guards every field; notified when parts arrive and when the thread ends."""
        self._finishing = False
        """Whether the thread ends as soon as everything is written."""
        self._gave_up = False
        """Whether the latest `finish` waited in vain."""
        self._thread: threading.Thread | None = None
        """The writing thread; runs from the first part until `finish`."""

    def say(self, text: str, kind: Kind = Kind.OWN, event: Event | None = None) -> None:
        """Queue one line; a line of a kind with too many lines is only counted.

        Args:
            text: one line, not escaped yet.
            kind: the subject of the line.
            event: the event behind a line about a gap, a filled gap or an end.
        """
        with self._changed:
            self._take(self._throttle.put(text, kind, event, self._monotonic()))

    def write(self, data: bytes) -> None:
        """Queue bytes that are written without escaping, cutting or rationing."""
        with self._changed:
            self._put(Kind.OWN, data)
            self._wake()

    def through(self, screen: Callable[[str], object] | None) -> None:
        """Send lines to a screen from now on; None sends lines to the descriptor again.

        Lines held back by the throttle still go the old way.

        Args:
            screen: takes a line; never blocks.
        """
        with self._changed:
            self._take(self._throttle.rest())
            self._screen = screen

    def _take(self, lines: list[tuple[Kind, str]]) -> None:
        for kind, text in lines:
            line = f"klinetail: {text}"
            line = printable(line) if kind is Kind.RECEIPT else brief(line)
            if self._screen is not None:
                self._screen(line)
            else:
                self._put(kind, f"{line}\n".encode("utf-8", "backslashreplace"))
        self._wake()

    def _put(self, kind: Kind, data: bytes) -> None:
        if len(self._parts) >= _KEPT:
            kinds = enumerate(kind for kind, _ in self._parts)
            at = next((at for at, kind in kinds if kind not in ANNOUNCED), 0)
            del self._parts[at]
            self._lost += 1
        self._parts.append((kind, data))

    def _wake(self) -> None:
        """Start the writing thread if there is something to write.

        If the system has no thread left, the parts wait for the next line.
        """
        if self._thread is None and (self._parts or self._throttle.due < math.inf):
            thread = threading.Thread(
                target=self._write_all, name="klinetail-stderr", daemon=True
            )
            with contextlib.suppress(RuntimeError, MemoryError):
                safe_to_start(thread).start()
                self._thread = thread
        self._changed.notify_all()

    def finish(self, seconds: float) -> bool:
        """Wait until everything is written, then end the thread.

        After a `finish` that waited in vain, later calls do not wait any more.

        Args:
            seconds: the longest wait.

        Returns:
            Whether everything is written.
        """
        with self._changed:
            if self._parts:
                self._wake()
            if self._thread is None:
                return self._write_here()
            self._finishing = True
            self._changed.notify_all()
            said = self._changed.wait_for(
                lambda: self._thread is None, 0.0 if self._gave_up else seconds
            )
            self._gave_up = not said
            return said

    def _write_here(self) -> bool:
        """Write the parts for which no thread could be started, without blocking.

        Returns:
            Whether the descriptor took every part.
        """
        ready = select.poll()
        ready.register(self._fd, select.POLLOUT)
        while self._parts and ready.poll(0):
            self._write(self._parts.popleft()[1][: select.PIPE_BUF])
        return not self._parts

    def _write_all(self) -> None:
        while (data := self._next()) is not None:
            self._write(data)

    def _next(self) -> bytes | None:
        """Wait for the next part and return the part; return None at the end."""
        with self._changed:
            while True:
                self._take(self._throttle.take(self._monotonic()))
                if self._lost:
                    lost, self._lost = self._lost, 0
                    return _DROPPED % lost
                if self._parts:
                    return self._parts.popleft()[1]
                if self._finishing and self._throttle.due == math.inf:
                    self._thread = None
                    self._finishing = False
                    self._changed.notify_all()
                    return None
                if self._finishing:
                    self._take(self._throttle.rest())
                    continue
                due = self._throttle.due - self._monotonic()
                self._changed.wait(None if due == math.inf else max(0.0, due))

    def _write(self, data: bytes) -> None:
        self.failure = None
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self.failure = error
        except MemoryError:
            pass  # only this line is lost


STDERR: Final = StderrWriter()
"""The stderr of this process: a single writer, so that lines come out in order."""


class _Raw(io.RawIOBase):
    """A raw stream for `sys.stderr` that writes to a `StderrWriter`."""

    def __init__(self, writer: StderrWriter, fd: int) -> None:
        self._writer = writer
        self._fd = fd

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        given = bytes(data)
        self._writer.write(given)
        return len(given)

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)


def take_over_stderr() -> None:
    """Send everything written to `sys.stderr` through `STDERR`: messages of the command
    line's parser, warnings, tracebacks, log records of other packages."""
    if sys.stderr is not None:
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Raw(STDERR, sys.stderr.fileno())),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
