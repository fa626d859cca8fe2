"""stderr, spoken from a thread of its own: whoever does not read it delays nobody."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from typing import Final

from klinetail.escape import printable
from klinetail.shortage import safe_to_start

_KEPT: Final = 1_000


class Voice:
    """Writes lines to a file descriptor, one after another, never in the caller's time.

    If it cannot keep up, the oldest lines give way, and it says how many. A
    descriptor that is gone is no reason to fail.

    Args:
        fd: stderr's descriptor.
    """

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._lines: deque[str] = deque()
        self._lost = 0
        self._silent = threading.Condition()
        self._finishing = False
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        """Say one line, soon."""
        with self._silent:
            if len(self._lines) >= _KEPT:
                self._lines.popleft()
                self._lost += 1
            self._lines.append(text)
            self._begin()
            self._silent.notify_all()

    def _begin(self) -> None:
        """Have a thread that speaks. If there is none left for it, the lines wait for
        the next one that is to be said."""
        if self._thread is not None:
            return
        thread = threading.Thread(
            target=self._speak, name="klinetail-voice", daemon=True
        )
        with contextlib.suppress(RuntimeError, MemoryError):
            safe_to_start(thread).start()
            self._thread = thread

    def finish(self, seconds: float) -> None:
        """Wait until all is said, at most so long; the thread ends then."""
        with self._silent:
            if self._lines:
                self._begin()
            if self._thread is None:
                return
            self._finishing = True
            self._silent.notify_all()
            self._silent.wait_for(lambda: self._thread is None, seconds)

    def _speak(self) -> None:
        while True:
            with self._silent:
                self._silent.wait_for(lambda: self._lines or self._finishing)
                if not self._lines:
                    self._thread = None
                    self._finishing = False
                    self._silent.notify_all()
                    return
                lost, self._lost = self._lost, 0
                text = self._lines.popleft()
            if lost:
                self._write(f"({lost} lines could not be said in time)")
            self._write(text)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, MemoryError):
            data = f"klinetail: {printable(text)}\n".encode("utf-8", "backslashreplace")
            while data:
                data = data[os.write(self._fd, data) :]
