"""Slowness: who waits is told why, before there is a failure to tell of."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from klinetail.shortage import safe_to_start

SOON: Final = 1.5
"""Seconds after which somebody who waits wonders why."""


class Slowness:
    """Tells once that what runs while it is entered takes long; not after its end.

    Args:
        tell: called on a thread of its own; leaving waits for it.
        seconds: after how many.
    """

    def __init__(self, tell: Callable[[], object], seconds: float = SOON) -> None:
        self.told = False
        """Whether it took long."""
        self._tell = tell
        self._over = False
        self._lock = threading.Lock()
        self._timer = safe_to_start(threading.Timer(seconds, self._take_note))
        self._timer.daemon = True
        self._timer.name = "klinetail-slowness"

    def __enter__(self) -> Self:
        # Where there is no thread for it, nothing is told, and all else goes on.
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
