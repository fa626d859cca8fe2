"""The state of a collector, made of fakes, for tests of one part of a collector."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

from klinetail.candle import Stream
from klinetail.clock import ExchangeClock, Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.delivery import Delivery
from klinetail.collector.lifecycle import Lifecycle
from klinetail.collector.state import CollectorState
from klinetail.contract.series import Series
from klinetail.events import Event
from klinetail.protocol.venues import own_venue

WRONG = own_venue("wss://wrong.example", "https://wrong.example")


class Queued:
    """A queue of requests whose requests are sent when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Urgency, int, Callable[[], None]]] = []

    def put(self, *job: object) -> None:
        self.jobs.append(job)  # type: ignore[arg-type]


class SetClock(ExchangeClock):
    """A clock on which it is the time that a test sets."""

    def __init__(self, moment: Callable[[], Moment]) -> None:
        super().__init__()
        self._set = moment

    def moment(self, now: float) -> Moment:
        return self._set()


class Times:
    """Reads exchange time, and does nothing with the answer."""

    def __init__(self, read: Callable[[], object]) -> None:
        self.read = read


def state_of(
    series: Mapping[Stream, Series],
    rest: object,
    told: list[Event],
    *,
    clock: ExchangeClock | None = None,
    monotonic: Callable[[], float] = lambda: 0.0,
    stopping: threading.Event | None = None,
) -> CollectorState:
    """A state of these series without links, whose requests are `Queued`.

    Args:
        series: the series of each stream.
        rest: the REST side.
        told: gets every event.
        clock: exchange time.
        monotonic: local seconds.
        stopping: the order to end.
    """
    lifecycle = Lifecycle()
    if stopping is not None:
        lifecycle.stopping = stopping
    return CollectorState(
        series,
        [],
        venue=WRONG,
        clock=ExchangeClock() if clock is None else clock,
        rest=rest,
        backfill=Queued(),
        delivery=Delivery(None, None, told.append, monotonic),
        lifecycle=lifecycle,
        monotonic=monotonic,
        patience=math.inf,
    )
