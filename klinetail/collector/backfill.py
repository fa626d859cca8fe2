"""Backfill: the queue of requests, in order of urgency and within the budget."""

from __future__ import annotations

import enum
import functools
import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from klinetail.collector.budget import Budget
from klinetail.errors import Unreachable
from klinetail.protocol.limits import Limits

_log = logging.getLogger(__name__)

WORKERS: Final = 4
"""Requests under way at once."""


def weight_of(streams: int, lines: int, limits: Limits) -> int:
    """REST weight of the start's history: of so many streams, so many closed candles
    each."""
    # Of each page the last row is not final yet: that takes a later one.
    pages, rest = divmod(lines, limits.page - 1)
    last = limits.klines_weight(rest + 1) if rest else 0
    return streams * (pages * limits.klines_weight(limits.page) + last)


class Urgency(enum.IntEnum):
    """Which request goes first. Within one, first come, first served: a stream asks
    for one page at a time, so a long history keeps nobody from a short one."""

    TIME = 0
    LIVE = 1
    HISTORY = 2
    LATE = 3
    """A gap that was announced already."""


class Backfill:
    """Runs requests on a few daemon threads, as the budget allows.

    Daemon threads of our own, since the interpreter waits for a pool's at its exit.

    Args:
        budget: what may be spent.
        monotonic: local seconds.
        workers: how many threads.
    """

    def __init__(
        self,
        budget: Budget,
        monotonic: Callable[[], float],
        workers: int = WORKERS,
    ) -> None:
        self._budget = budget
        self._monotonic = monotonic
        self._jobs: list[tuple[Urgency, int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._reserved = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(
                target=self._work, name=f"klinetail-backfill-{number}", daemon=True
            )
            for number in range(workers)
        ]

    def start(self) -> None:
        """Start the threads.

        Raises:
            RuntimeError: the system has too few threads left; those that were started
                end with `stop`.
        """
        for thread in self._threads:
            thread.start()

    def put(self, urgency: Urgency, weight: int, job: Callable[[], None]) -> None:
        """Queue a request of so much weight, as far as one knows before it is sent.
        What the job raises is logged, and ends no thread."""
        with self._changed:
            heapq.heappush(self._jobs, (urgency, next(self._numbers), weight, job))
            self._changed.notify()

    def sent(self, weight: int) -> None:
        """A request is sent, from here or elsewhere: all of them are spent, lest they
        be taken for what others use."""
        with self._changed:
            self._budget.spend(weight, self._monotonic())

    def ask(self, questions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Ask questions of weight 1 side by side, before all else, and wait for the
        answers: one of an exception is the exception.

        Once it is stopped, what was not answered yet is `Unreachable`.
        """
        answers: list[Any] = [Unreachable("asked no more")] * len(questions)
        unanswered = set(range(len(questions)))

        def ask(number: int) -> None:
            try:
                answers[number] = questions[number]()
            except Exception as error:  # noqa: BLE001 - who asked decides about it
                answers[number] = error
            with self._changed:
                unanswered.discard(number)
                self._changed.notify_all()

        for number in range(len(questions)):
            self.put(Urgency.TIME, 1, functools.partial(ask, number))
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not unanswered)
        return answers

    def observe(self, used: int | None) -> None:
        """What the exchange says that the address used, if it said so."""
        if used is not None:
            with self._changed:
                self._budget.observe(used, self._monotonic())

    def stop(self) -> list[threading.Thread]:
        """Forget what is queued and let the threads end after their present job;
        returns those, to be joined."""
        with self._changed:
            self._stopping = True
            self._jobs.clear()
            self._changed.notify_all()
        return [thread for thread in self._threads if thread.is_alive()]

    def _work(self) -> None:
        while (found := self._next()) is not None:
            weight, job = found
            try:
                job()
            except Exception:  # noqa: BLE001 - the next job is not to blame
                _log.exception("a request's answer could not be handled")
            with self._changed:
                self._reserved -= weight
                self._changed.notify()

    def _next(self) -> tuple[int, Callable[[], None]] | None:
        with self._changed:
            while not self._stopping:
                if not self._jobs:
                    self._changed.wait()
                    continue
                _, _, weight, job = self._jobs[0]
                now = self._monotonic()
                delay = self._budget.delay(weight + self._reserved, now)
                if delay > 0:
                    self._changed.wait(delay)
                    continue
                heapq.heappop(self._jobs)
                self._reserved += weight
                return weight, job
            return None
