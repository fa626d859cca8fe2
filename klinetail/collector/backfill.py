"""Backfill: the queue of REST requests, in order of urgency and within the budget."""

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
    """Return the REST weight of the history at the start, for a number of streams with
    `lines` closed candles each."""
    # The last row of each page is not final before a later row is seen.
    pages, rest = divmod(lines, limits.page - 1)
    last = limits.klines_weight(rest + 1) if rest else 0
    return streams * (pages * limits.klines_weight(limits.page) + last)


class Urgency(enum.IntEnum):
    """The order of requests: the smallest value is sent first.

    Requests of the same urgency are sent in the order of their arrival. A stream asks
    for one page at a time, hence a long history does not hold up a short one.
    """

    TIME = 0
    """Exchange time, and questions that cannot wait for history."""
    LIVE = 1
    """A few candles of a stream that has begun."""
    HISTORY = 2
    """Candles from before the start, and long gaps."""
    LATE = 3
    """A gap that was announced already."""
    RECORDING = 4
    """Candles that only a recording lacks."""


class Backfill:
    """Runs requests on a few daemon threads, as fast as the budget allows.

    The threads are not a pool's, because the interpreter waits for the threads of a
    pool at its exit.

    Args:
        budget: the REST weight that may be spent.
        monotonic: local seconds.
        workers: number of threads.
    """

    def __init__(
        self,
        budget: Budget,
        monotonic: Callable[[], float],
        workers: int = WORKERS,
    ) -> None:
        self._budget = budget
        """The REST weight that may be spent."""
        self._monotonic = monotonic
        """Local seconds."""
        self._jobs: list[tuple[Urgency, int, int, Callable[[], None]]] = []
        """A heap of urgency, number, weight and request."""
        self._numbers = itertools.count()
        """Numbers the requests in the order of their arrival."""
        self._reserved = 0
        """Weight of the requests that a thread has taken and not finished."""
        self._changed = threading.Condition()
        """Guards every field, and wakes threads that wait."""
        self._stopping = False
        """Whether the threads have to end."""
        self._threads = [
            threading.Thread(
                target=self._work, name=f"klinetail-backfill-{number}", daemon=True
            )
            for number in range(workers)
        ]
        """The threads that send the requests."""

    def start(self) -> None:
        """Start the threads.

        Raises:
            RuntimeError: the system has too few threads left. `stop` ends the threads
                that were started.
        """
        for thread in self._threads:
            thread.start()

    def put(self, urgency: Urgency, weight: int, job: Callable[[], None]) -> None:
        """Queue a request of an expected weight. An error that the request raises is
        logged, and ends no thread."""
        with self._changed:
            heapq.heappush(self._jobs, (urgency, next(self._numbers), weight, job))
            self._changed.notify()

    def sent(self, weight: int) -> None:
        """Note that a request of this weight is sent, from the queue or from elsewhere.
        Our own requests must not look like requests of other programs."""
        with self._changed:
            self._budget.spend(weight, self._monotonic())

    def ask(self, questions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Ask questions of weight 1 side by side, before every other request, and
        return their answers in order. A question that raises is answered by its
        exception.

        After `stop`, a question without an answer is answered by `Unreachable`.
        """
        answers: list[Any] = [Unreachable("asked no more")] * len(questions)
        unanswered = set(range(len(questions)))

        def ask(number: int) -> None:
            try:
                answers[number] = questions[number]()
            except Exception as error:  # noqa: BLE001 - the caller judges the error
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
        """Note the weight that the address has used in this minute, if the exchange
        told the weight."""
        if used is not None:
            with self._changed:
                self._budget.observe(used, self._monotonic())

    def stop(self) -> list[threading.Thread]:
        """Forget the queue and return the threads that are still alive, to be joined.
        Each thread ends after its present request."""
        with self._changed:
            self._stopping = True
            self._jobs.clear()
            self._changed.notify_all()
        return [thread for thread in self._threads if thread.is_alive()]

    def _work(self) -> None:
        """Send requests until the stop: the body of each thread."""
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
        """Wait for the next request that the budget allows, and return its weight and
        the request; None after the stop."""
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
