"""stderr, spoken from a thread of its own: whoever does not read it delays nobody."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from klinetail.escape import brief, printable
from klinetail.kinds import ANNOUNCED, Kind
from klinetail.throttle import Throttle

if TYPE_CHECKING:
    from klinetail.events import Event

_KEPT: Final = 1_000


class Voice:
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
        self._fd = fd
        self._monotonic = monotonic
        self._throttle = Throttle()
        self._screen: Callable[[str], object] | None = None
        """Takes lines in place of the descriptor."""
        self._lines: deque[tuple[Kind, str]] = deque()
        self._lost = 0
        self._silent = threading.Condition()
        self._finishing = False
        self._thread: threading.Thread | None = None

    def say(self, text: str, kind: Kind = Kind.OWN, event: Event | None = None) -> None:
        """Say one line, soon; or leave it out, if that is too much of its kind.

        Args:
            text: one line, as it came.
            kind: what it is about.
            event: what a gap, a filled gap or an end was announced by.
        """
        with self._silent:
            self._take(self._throttle.put(text, kind, event, self._monotonic()))

    def through(self, screen: Callable[[str], object] | None) -> None:
        """From now on lines go to a screen, which never blocks, or to the descriptor
        again; what is held back still goes the old way."""
        with self._silent:
            self._take(self._throttle.rest())
            self._screen = screen

    def _take(self, lines: list[tuple[Kind, str]]) -> None:
        for kind, text in lines:
            line = f"klinetail: {text}"
            line = printable(line) if kind is Kind.RECEIPT else brief(line)
            if self._screen is not None:
                self._screen(line)
                continue
            if len(self._lines) >= _KEPT:
                self._give_way()
            self._lines.append((kind, line))
        if self._thread is None and (self._lines or self._throttle.due < math.inf):
            self._thread = threading.Thread(
                target=self._speak, name="klinetail-voice", daemon=True
            )
            self._thread.start()
        self._silent.notify_all()

    def _give_way(self) -> None:
        kinds = enumerate(kind for kind, _ in self._lines)
        at = next((at for at, kind in kinds if kind not in ANNOUNCED), 0)
        del self._lines[at]
        self._lost += 1

    def finish(self, seconds: float) -> None:
        """Wait until all is said, at most so long; the thread ends then."""
        with self._silent:
            if self._thread is None:
                return
            self._finishing = True
            self._silent.notify_all()
            self._silent.wait_for(lambda: self._thread is None, seconds)

    def _speak(self) -> None:
        while (line := self._next()) is not None:
            self._write(line)

    def _next(self) -> str | None:
        """The next line, as soon as there is one; None at the end."""
        with self._silent:
            while True:
                self._take(self._throttle.take(self._monotonic()))
                if self._lost:
                    lost, self._lost = self._lost, 0
                    return f"klinetail: ({lost} lines could not be said in time)"
                if self._lines:
                    return self._lines.popleft()[1]
                if self._finishing and self._throttle.due == math.inf:
                    self._thread = None
                    self._finishing = False
                    self._silent.notify_all()
                    return None
                if self._finishing:
                    self._take(self._throttle.rest())
                    continue
                due = self._throttle.due - self._monotonic()
                self._silent.wait(None if due == math.inf else max(0.0, due))

    def _write(self, line: str) -> None:
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._fd, data) :]
