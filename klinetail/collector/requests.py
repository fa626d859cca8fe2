"""Requests: the REST side with its budget, which several collectors can share.

The exchange counts the address, not the collector. Collectors of one program therefore
share one queue of requests, one budget, and the knowledge of a ban.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from klinetail.collector.backfill import Backfill, Urgency
from klinetail.collector.budget import Budget
from klinetail.collector.throttled import ThrottledRest
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.limits import Limits


class Queue(Protocol):
    """A queue of REST requests, see `Backfill`."""

    def start(self) -> None:
        """See `Backfill.start`."""

    def put(self, urgency: Urgency, weight: int, job: Callable[[], None]) -> None:
        """See `Backfill.put`."""

    def ask(self, questions: Sequence[Callable[[], Any]]) -> list[Any]:
        """See `Backfill.ask`."""

    def stop(self) -> list[threading.Thread]:
        """See `Backfill.stop`."""


class Requests:
    """A REST side, the queue of its requests, and their budget.

    Args:
        rest: the REST side that sends the requests.
        limits: the limits of the exchange.
        budget: the REST weight that may be spent.
        monotonic: local seconds.
    """

    def __init__(
        self,
        rest: Rest,
        limits: Limits,
        budget: Budget,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        backfill = Backfill(budget, monotonic)
        self.queue: Queue = backfill
        """The queue of the requests."""
        self.rest: Rest = ThrottledRest(
            rest, limits, monotonic, backfill.sent, backfill.observe
        )
        """The REST side, which asks nothing during a ban."""

    def start(self) -> None:
        """Start the threads of the queue; errors as `Backfill.start`."""
        self.queue.start()

    def stop(self) -> list[threading.Thread]:
        """End all requests, and return the threads still alive, to be joined."""
        self.rest.close()
        return self.queue.stop()


class SharedRequests(Requests):
    """The requests of one collector among several that share the REST side.

    Only the owner of the shared requests starts and stops them.

    Args:
        requests: the shared requests.
        recording: whether all candles are for a recording alone, and wait until no
            other request does.
    """

    def __init__(self, requests: Requests, *, recording: bool = False) -> None:
        self.queue = _SharedQueue(requests.queue, recording=recording)
        self.rest = requests.rest

    def start(self) -> None:
        """Do nothing: the owner starts the requests."""

    def stop(self) -> list[threading.Thread]:
        """Leave out the requests that wait; the shared requests go on."""
        return self.queue.stop()


class _SharedQueue:
    """A collector's part of a shared queue; see `Queue`."""

    def __init__(self, queue: Queue, *, recording: bool) -> None:
        self._queue = queue
        """The shared queue."""
        self._recording = recording
        """Whether the requests come after all requests of other collectors."""
        self._stopped = False
        """Whether the collector has ended."""

    def start(self) -> None:
        """Do nothing: the owner starts the queue."""

    def put(self, urgency: Urgency, weight: int, job: Callable[[], None]) -> None:
        """Queue a request, which is left out once the collector has ended."""
        if self._recording and urgency is not Urgency.TIME:
            urgency = Urgency.RECORDING
        self._queue.put(urgency, weight, lambda: None if self._stopped else job())

    def ask(self, questions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Ask side by side, see `Backfill.ask`."""
        return self._queue.ask(questions)

    def stop(self) -> list[threading.Thread]:
        """Leave out the requests that wait; no thread ends."""
        self._stopped = True
        return []
