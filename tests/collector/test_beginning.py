"""The beginning: what is asked and how often, what counts of the answers, what is tried
for ever and what ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from klinetail.candle import Source, Stream
from klinetail.collector.backfill import WORKERS, Backfill
from klinetail.collector.beginning import Began, begin, inquire
from klinetail.collector.budget import Budget
from klinetail.collector.symbols import FEW
from klinetail.errors import (
    KlinetailError,
    RateLimited,
    Refused,
    UnknownSymbol,
    Unreachable,
    UsageError,
)
from klinetail.events import LinkEvent, LinkState
from klinetail.protocol.rest import INVALID_SYMBOL, BadRow, Listing, Row
from tests.collector.test_collector import BTC, START, FakeRest
from tests.strategies import candle

PATIENCE = 60.0
OPEN = 1_700_000_040_000
NOW = OPEN + 20_000
LISTED = [
    Listing("BTCUSDT", "TRADING"),
    *(Listing(f"S{n}USDT", "TRADING") for n in range(9)),
    Listing("OMGUSDT", "SETTLING"),
]


class Exchange:
    """A REST side that counts what it is asked."""

    used_weight = None

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: Exception | None = None
        self.rows: list[Row] = [candle(OPEN)]

    def server_time(self) -> int:
        self.asked.append("time")
        if self.failing is not None:
            raise self.failing
        return NOW

    def klines(self, stream: Stream, *, start: int | None = None, limit: int) -> list:
        self.asked.append(stream.symbol)
        assert (start, limit) == (None, 1)
        if stream.symbol not in {one.symbol for one in LISTED}:
            raise Refused("Invalid symbol.", INVALID_SYMBOL)
        return [] if stream.symbol == "OMGUSDT" else self.rows

    def listings(self) -> list[Listing]:
        self.asked.append("listings")
        return LISTED

    def close(self) -> None: ...


def in_turn(questions: Sequence[Callable[[], Any]]) -> list[Any]:
    answers: list[Any] = []
    for question in questions:
        try:
            answers.append(question())
        except KlinetailError as error:
            answers.append(error)
    return answers


def ask(
    exchange: Exchange, *names: str, listed: list[Listing] | None = None
) -> tuple[int, float]:
    streams = [Stream.parse(name) for name in names]
    return inquire(exchange, streams, lambda: 7.5, in_turn, listed)


def test_a_symbol_is_asked_for_once_and_the_list_of_all_is_left_alone() -> None:
    exchange = Exchange()
    names = ("btcusdt@1m", "btcusdt@5m", "s1usdt@1m")
    assert ask(exchange, *names) == (NOW, 7.5)
    assert exchange.asked == ["time", "BTCUSDT", "S1USDT"]


def test_of_many_symbols_the_list_is_asked_for() -> None:
    exchange = Exchange()
    ask(exchange, *(f"s{n}usdt@1m" for n in range(FEW + 1)))
    assert exchange.asked == ["time", "listings"]


def test_what_is_known_already_is_not_asked() -> None:
    exchange = Exchange()
    ask(exchange, "btcusdt@1m", listed=LISTED)
    assert exchange.asked == ["time"]
    with pytest.raises(UsageError, match="SETTLING"):
        ask(exchange, "omgusdt@1m", listed=LISTED)


@pytest.mark.parametrize("more", [0, FEW])
def test_one_that_is_not_listed_is_refused_with_what_looks_like_it(more: int) -> None:
    names = ["btcusd@1m", *(f"s{n}usdt@1m" for n in range(more))]
    with pytest.raises(UnknownSymbol) as caught:
        ask(Exchange(), *names)
    assert caught.value.suggestions == ("BTCUSDT",)


@pytest.mark.parametrize("more", [0, FEW])
def test_one_that_is_not_traded_is_refused_with_its_status(more: int) -> None:
    names = ["omgusdt@1m", *(f"s{n}usdt@1m" for n in range(more))]
    with pytest.raises(UsageError, match="SETTLING"):
        ask(Exchange(), *names)


def test_one_that_trades_but_not_just_now_is_looked_up_and_taken() -> None:
    exchange = Exchange()
    exchange.rows = [candle(OPEN - 60_000)]
    ask(exchange, "btcusdt@1m")
    assert exchange.asked == ["time", "BTCUSDT", "listings"]


def test_one_whose_latest_row_is_bad_is_looked_up_and_taken() -> None:
    exchange = Exchange()
    exchange.rows = [BadRow(OPEN, "its volume is negative")]
    ask(exchange, "btcusdt@1m")
    assert exchange.asked == ["time", "BTCUSDT", "listings"]


def test_what_will_not_get_better_is_said_first() -> None:
    exchange = Exchange()
    exchange.failing = Unreachable("just now")
    with pytest.raises(Unreachable):
        ask(exchange, "btcusdt@1m")
    with pytest.raises(UnknownSymbol):
        ask(exchange, "btcusd@1m")


@pytest.fixture
def backfill() -> Iterator[Backfill]:
    backfill = Backfill(Budget(1.0), time.monotonic)
    backfill.start()
    yield backfill
    for thread in backfill.stop():
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_questions_are_asked_side_by_side_and_answered_in_order(
    backfill: Backfill,
) -> None:
    together = threading.Barrier(WORKERS, timeout=PATIENCE)

    def question(number: int) -> int:
        together.wait()
        return number

    questions = [lambda n=n: question(n) for n in range(WORKERS)]
    assert backfill.ask(questions) == list(range(WORKERS))


def test_more_questions_than_threads(backfill: Backfill) -> None:
    assert backfill.ask([lambda n=n: n for n in range(50)]) == list(range(50))


def test_what_a_question_raises_is_its_answer(backfill: Backfill) -> None:
    error = Unreachable("no")

    def fail() -> None:
        raise error

    assert backfill.ask([lambda: 1, fail, lambda: 3]) == [1, error, 3]


def test_a_stop_ends_the_waiting() -> None:
    backfill = Backfill(Budget(1.0), time.monotonic)
    backfill.start()
    asked, answer = threading.Event(), threading.Event()
    answers: list[object] = []

    def question() -> None:
        asked.set()
        answer.wait(PATIENCE)

    asking = threading.Thread(
        target=lambda: answers.extend(backfill.ask([question] * (WORKERS + 1)))
    )
    asking.start()
    assert asked.wait(PATIENCE)
    threads = backfill.stop()
    asking.join(PATIENCE)
    assert [type(one) for one in answers] == [Unreachable] * (WORKERS + 1)
    answer.set()
    for thread in threads:
        thread.join(PATIENCE)


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
        self.rows = [candle(START - START % 60_000, source=Source.REST)]

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
