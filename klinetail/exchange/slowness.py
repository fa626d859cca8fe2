"""Slowness: a waiting user is told the cause before a failure can be told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from klinetail.shortage import safe_to_start

SOON: Final = 1.5
"""Seconds after which a waiting user wants to know the cause."""


class Slowness:
    """Calls a function once if the body of a `with` statement takes long.

    Args:
        tell: called on a thread of its own, never after the body; leaving waits for
            the return of the function.
        seconds: the time after which the function is called.
    """

    def __init__(self, tell: Callable[[], object], seconds: float = SOON) -> None:
        self.told = False
        """Whether the body took long."""
        self._tell = tell
        """The function to call."""
        self._over = False
        """Whether the body has ended."""
        self._lock = threading.Lock()
        """Held during the call, and by leaving."""
        self._timer = safe_to_start(threading.Timer(seconds, self._take_note))
        self._timer.daemon = True
        self._timer.name = "klinetail-slowness"
        """The thread that makes the call."""

    def __enter__(self) -> Self:
        # If the system gives no thread, nothing is told, and the body runs.
        with contextlib.suppress(RuntimeError, MemoryError):
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
            self._over = True

    def _take_note(self) -> None:
        with self._lock:
            if not self._over:
                self.told = True
                self._tell()
