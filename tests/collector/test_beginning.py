"""The beginning: what is tried for ever, and what ends it."""

from __future__ import annotations

import threading

import pytest

from klinetail.collector.beginning import Began, begin
from klinetail.errors import RateLimited, Refused, UnknownSymbol, Unreachable
from klinetail.events import LinkEvent, LinkState
from tests.collector.test_collector import BTC, START, FakeRest
from tests.collector.test_questions import in_turn
from tests.test_series import Source, candle


class Pauses(threading.Event):
    """Pauses that take no time, and end what waits after some."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.taken: list[float] = []
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.taken.append(timeout)
        if len(self.taken) == self._most:
            self.set()
        return self.is_set()


class Recovering(FakeRest):
    """Fails so many times."""

    def __init__(self, failures: list[Exception]) -> None:
        super().__init__()
        self.failures = failures
        self.rows = [candle(START - START % 60_000, 1, source=Source.REST)]

    def server_time(self) -> int:
        if self.failures:
            raise self.failures.pop(0)
        return super().server_time()


def started(
    rest: FakeRest, pauses: Pauses, patience: float = 1e9
) -> tuple[Began | None, list[LinkEvent]]:
    told: list[LinkEvent] = []
    began = begin(
        rest,
        [BTC],
        ask=in_turn,
        now=lambda: 5.0 + sum(pauses.taken),
        random=lambda: 0.5,
        patience=patience,
        stopping=pauses,
        tell=told.append,
    )
    return began, told


def test_it_begins_at_once_where_it_can_and_says_nothing() -> None:
    assert started(Recovering([]), Pauses(1)) == (Began(START, 5.0), [])


def test_it_is_tried_again_ever_more_slowly_and_told() -> None:
    pauses = Pauses(99)
    failures: list[Exception] = [Unreachable("no route")] * 4
    began, told = started(Recovering([*failures, RateLimited("slow", 77.0)]), pauses)
    assert began == Began(START, 5.0 + sum(pauses.taken))
    assert pauses.taken == [0.5, 1.0, 2.0, 4.0, 77.0]
    assert [e.state for e in told] == [LinkState.WAITING] * 5 + [LinkState.IDLE]
    assert [e.attempt for e in told] == [1, 2, 3, 4, 5, 0]


def test_stopped_it_does_not_begin() -> None:
    rest = FakeRest()
    rest.failure = Unreachable("no route")
    assert started(rest, Pauses(3))[0] is None


def test_patience_ends() -> None:
    rest = FakeRest()
    rest.failure = Unreachable("no route")
    with pytest.raises(Unreachable):
        started(rest, Pauses(99), patience=5.0)


def test_what_can_never_work_is_tried_once() -> None:
    rest = FakeRest()
    rest.failure = Refused("refused (HTTP 451)")
    pauses = Pauses(99)
    with pytest.raises(Refused):
        started(rest, pauses)
    assert pauses.taken == []


def test_a_symbol_that_is_not_listed_is_the_end() -> None:
    class Other(FakeRest):
        def klines(self, *_: object, **__: object) -> list:
            raise Refused("Invalid symbol.", -1121)

        def listings(self) -> list:
            return []

    with pytest.raises(UnknownSymbol):
        started(Other(), Pauses(99))
