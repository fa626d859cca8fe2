"""stderr, spoken from a thread of its own: whoever does not read it delays nobody."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from klinetail.escape import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_KEPT: Final = 1_000

LAST_WORDS: Final = 0.2
"""Seconds that the end of the process waits for stderr to take what was said."""


class Voice:
    """Writes lines to a file descriptor, one after another, never in the caller's time.

    If it cannot keep up, the oldest lines give way, and it says how many. A
    descriptor that is gone is no reason to fail.

    Args:
        fd: stderr's descriptor.
    """

    def __init__(self, fd: int = 2) -> None:
        self.failure: OSError | None = None
        """Why the latest write failed, if it did."""
        self._fd = fd
        self._parts: deque[bytes] = deque()
        """What is to be written: lines, or what `write` was given."""
        self._lost = 0
        """Parts that gave way since it was last said how many."""
        self._silent = threading.Condition()
        """Guards all of this; notified when there is news for the thread or of it."""
        self._finishing = False
        """Whether the thread ends as soon as everything is written."""
        self._gave_up = False
        """Whether the latest `finish` waited in vain."""
        self._thread: threading.Thread | None = None
        """Runs from the first part until `finish`."""

    def say(self, text: str) -> None:
        """Say one line, soon."""
        line = f"klinetail: {printable(text)}\n"
        self.write(line.encode("utf-8", "backslashreplace"))

    def write(self, data: bytes) -> None:
        """Write something as it is, soon."""
        with self._silent:
            if len(self._parts) >= _KEPT:
                self._parts.popleft()
                self._lost += 1
            self._parts.append(data)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._speak, name="klinetail-voice", daemon=True
                )
                self._thread.start()
            self._silent.notify_all()

    def finish(self, seconds: float) -> bool:
        """Wait until all is said, at most so long; the thread ends then. If one
        `finish` waited in vain, the next ones do not wait any more.

        Returns:
            Whether all is said.
        """
        with self._silent:
            if self._thread is None:
                return True
            self._finishing = True
            self._silent.notify_all()
            said = self._silent.wait_for(
                lambda: self._thread is None, 0.0 if self._gave_up else seconds
            )
            self._gave_up = not said
            return said

    def _speak(self) -> None:
        while True:
            with self._silent:
                self._silent.wait_for(lambda: self._parts or self._finishing)
                if not self._parts:
                    self._thread = None
                    self._finishing = False
                    self._silent.notify_all()
                    return
                lost, self._lost = self._lost, 0
                data = self._parts.popleft()
            if lost:
                self._put(
                    f"klinetail: ({lost} lines could not be said in time)\n".encode()
                )
            self._put(data)

    def _put(self, data: bytes) -> None:
        self.failure = None
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self.failure = error


VOICE: Final = Voice()
"""stderr of this process. One voice, so that its lines come out in order."""


class _Raw(io.RawIOBase):
    """What `sys.stderr` writes to: the voice in place of the descriptor."""

    def __init__(self, voice: Voice, fd: int) -> None:
        self._voice = voice
        self._fd = fd

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        given = bytes(data)
        self._voice.write(given)
        return len(given)

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)


def speak_for_stderr() -> None:
    """Let everything that writes to `sys.stderr` speak through `VOICE`: the command
    line's parser, warnings, tracebacks, other people's log records."""
    if sys.stderr is not None:
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Raw(VOICE, sys.stderr.fileno())),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
