"""stderr, written on a thread of its own: a reader that is slow delays nobody."""

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

LAST_WORDS: Final = 0.2
"""Seconds that the end of the process waits for stderr to take what was said."""


class StderrWriter:
    """Writes lines to a file descriptor, one after another, never in the caller's time.

    What goes out is harmless, short and rationed, see `Throttle`. If the descriptor
    does not keep up, the oldest lines give way, gaps and ends last, and a line says how
    many did. A descriptor that is gone is no reason to fail.

    Args:
        fd: stderr's descriptor.
        monotonic: local seconds.
    """

    def __init__(
        self, fd: int = 2, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.failure: OSError | None = None
        """Why the latest write failed, if it did."""
        self._fd = fd
        self._monotonic = monotonic
        self._throttle = Throttle()
        """What holds back and counts lines of which there are too many."""
        self._screen: Callable[[str], object] | None = None
        """Takes lines in place of the descriptor."""
        self._parts: deque[tuple[Kind, bytes]] = deque()
        """What is to be written: lines, or what `write` was given."""
        self._lost = 0
        """Parts that gave way since it was last said how many."""
        self._changed = threading.Condition()
        """Guards all of this; notified when there is news for the thread or of it."""
        self._finishing = False
        """Whether the thread ends as soon as everything is written."""
        self._gave_up = False
        """Whether the latest `finish` waited in vain."""
        self._thread: threading.Thread | None = None
        """Runs from the first part until `finish`."""

    def say(self, text: str, kind: Kind = Kind.OWN, event: Event | None = None) -> None:
        """Say one line, soon; or leave it out, if that is too much of its kind.

        Args:
            text: one line, as it came.
            kind: what it is about.
            event: what a gap, a filled gap or an end was announced by.
        """
        with self._changed:
            self._take(self._throttle.put(text, kind, event, self._monotonic()))

    def write(self, data: bytes) -> None:
        """Write something as it is, soon."""
        with self._changed:
            self._put(Kind.OWN, data)
            self._wake()

    def through(self, screen: Callable[[str], object] | None) -> None:
        """From now on lines go to a screen, which never blocks, or to the descriptor
        again; what is held back still goes the old way."""
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
        """Have a thread that writes. If there is none left for it, the lines wait for
        the next one that is to be said."""
        if self._thread is None and (self._parts or self._throttle.due < math.inf):
            thread = threading.Thread(
                target=self._write_all, name="klinetail-stderr", daemon=True
            )
            with contextlib.suppress(RuntimeError, MemoryError):
                safe_to_start(thread).start()
                self._thread = thread
        self._changed.notify_all()

    def finish(self, seconds: float) -> bool:
        """Wait until all is said, at most so long; the thread ends then. If one
        `finish` waited in vain, the next ones do not wait any more.

        Returns:
            Whether all is said.
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
        """Write what no thread could be had for, as far as the descriptor takes it at
        once; whether that is all."""
        ready = select.poll()
        ready.register(self._fd, select.POLLOUT)
        while self._parts and ready.poll(0):
            self._write(self._parts.popleft()[1][: select.PIPE_BUF])
        return not self._parts

    def _write_all(self) -> None:
        while (data := self._next()) is not None:
            self._write(data)

    def _next(self) -> bytes | None:
        """The next part, as soon as there is one; None at the end."""
        with self._changed:
            while True:
                self._take(self._throttle.take(self._monotonic()))
                if self._lost:
                    lost, self._lost = self._lost, 0
                    return b"klinetail: (%d lines could not be said in time)\n" % lost
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
            pass  # the line is lost, and no later one


STDERR: Final = StderrWriter()
"""stderr of this process: one writer, so that its lines come out in order."""


class _Raw(io.RawIOBase):
    """What `sys.stderr` writes to, in place of the descriptor: a `StderrWriter`."""

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
    """Let everything that writes to `sys.stderr` go through `STDERR`: the command
    line's parser, warnings, tracebacks, other people's log records."""
    if sys.stderr is not None:
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Raw(STDERR, sys.stderr.fileno())),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
