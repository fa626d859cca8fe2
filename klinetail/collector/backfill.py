"""Backfill: the queue of ranges to fetch, and the threads that fetch them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

WORKERS: Final = 4
"""Requests under way at once."""

PAGE: Final = 499
"""Rows asked for at once: of all limits the most rows a weight (2 for up to 500)."""


class Backfill:
    """Runs jobs, first come first served, on a few daemon threads.

    Daemon threads of our own, since the interpreter waits for a pool's at its exit.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int = WORKERS) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(
                target=self._work, name=f"klinetail-backfill-{number}", daemon=True
            )
            for number in range(workers)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Queue a job; it must not raise."""
        self._jobs.put(job)

    def stop(self) -> list[threading.Thread]:
        """Let the threads end after their present job; returns them, to be joined."""
        for _ in self._threads:
            self._jobs.put(None)
        return [thread for thread in self._threads if thread.is_alive()]

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
