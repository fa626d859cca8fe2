"""The preflight: what is asked and how often, what counts of the answers, what is tried
for ever and what ends it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from klinetail.candle import MINUTE, Source, Stream
from klinetail.clock import NewestRow
from klinetail.collector.backfill import WORKERS, Backfill
from klinetail.collector.budget import Budget
from klinetail.collector.preflight import LatestCandle, Preflight, ask_once, preflight
from klinetail.collector.symbols import FEW, oddity
from klinetail.collector.timekeeping import TimeAnswers
from klinetail.errors import (
    Forbidden,
    KlinetailError,
    RateLimited,
    Refused,
    UnknownSymbol,
    Unreachable,
    UsageError,
)
from klinetail.events import LinkEvent, LinkState
from klinetail.pace import Reading
from klinetail.protocol.exchange_info import Listing, Listings
from klinetail.protocol.klines import BadRow, Row
from klinetail.protocol.rest_errors import INVALID_STATUS, INVALID_SYMBOL
from klinetail.protocol.statuses import PENDING
from tests.cases import Case
from tests.collector.collecting import BTC, START, FakeRest
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
        self.listed: Sequence[Listing] = LISTED
        self.refuses: dict[str, Refused] = {}

    def server_time(self) -> int:
        self.asked.append("time")
        if self.failing is not None:
            raise self.failing
        return NOW

    def klines(self, stream: Stream, *, start: int | None = None, limit: int) -> list:
        self.asked.append(stream.symbol)
        assert (start, limit) == (None, 1)
        if stream.symbol in self.refuses:
            raise self.refuses[stream.symbol]
        if stream.symbol not in {one.symbol for one in (*LISTED, *self.listed)}:
            raise Refused("Invalid symbol.", INVALID_SYMBOL)
        return self.rows

    def listings(self) -> Sequence[Listing]:
        self.asked.append("listings")
        return self.listed

    def under_way(self) -> tuple[str, str]:
        return "", ""

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
) -> Preflight:
    streams = [Stream.parse(name) for name in names]
    return ask_once(exchange, streams, lambda: 7.5, in_turn, listed)


READING = Reading(NOW, 7.5, 7.5)
ROW = NewestRow(OPEN, OPEN + MINUTE - 1, 7.5, 7.5)


def test_a_symbol_is_asked_for_once_and_the_list_of_all_is_left_alone() -> None:
    exchange = Exchange()
    names = ("btcusdt@1h", "btcusdt@5m", "s1usdt@1m")
    assert ask(exchange, *names) == (([READING] * 2, [ROW] * 2), ())
    assert exchange.asked == ["time", "BTCUSDT", "S1USDT", "time"]


def test_what_an_earlier_attempt_got_is_not_asked_for_again() -> None:
    exchange = Exchange()
    exchange.failing = Unreachable("just now")
    known: dict[str, LatestCandle | None] = {}
    with pytest.raises(Unreachable):
        ask_once(exchange, [BTC], lambda: 7.5, in_turn, known=known)
    exchange.failing = None
    exchange.asked.clear()
    began = ask_once(exchange, [BTC], lambda: 7.5, in_turn, known=known)
    assert began.time == ([READING] * 2, [ROW])
    assert exchange.asked == ["time", "time"]


def test_one_reading_of_two_is_enough_to_go_on_with() -> None:
    exchange = Exchange()
    truth, answers = exchange.server_time, [Unreachable("just now"), None]

    def server_time() -> int:
        if (error := answers.pop(0)) is not None:
            raise error
        return truth()

    exchange.server_time = server_time  # type: ignore[method-assign]
    assert ask(exchange, "btcusdt@1m").time == ([READING], [ROW])


def test_of_many_symbols_the_list_is_asked_for() -> None:
    exchange = Exchange()
    said = ask(exchange, *(f"s{n}usdt@1m" for n in range(FEW + 1)))
    assert said.time == ([READING] * 2, [ROW])
    assert exchange.asked == ["time", "S0USDT", "listings", "time"]


def test_what_is_known_already_is_not_asked() -> None:
    exchange = Exchange()
    ask(exchange, "btcusdt@1m", listed=LISTED)
    assert exchange.asked == ["time", "BTCUSDT", "time"]
    with pytest.raises(UsageError, match="SETTLING"):
        ask(exchange, "omgusdt@1m", listed=LISTED)


@pytest.mark.parametrize("more", [0, FEW])
def test_one_that_is_not_listed_is_refused_with_what_looks_like_it(more: int) -> None:
    names = ["btcusd@1m", *(f"s{n}usdt@1m" for n in range(more))]
    with pytest.raises(UnknownSymbol) as caught:
        ask(Exchange(), *names)
    assert caught.value.suggestions == ("BTCUSDT",)


ENDED = ("SETTLING", "DELIVERING", "DELIVERED", "CLOSE")
ROWS = {
    "none": [],
    "old": [candle(OPEN - 60_000)],
    "flat": [candle(OPEN, count=0)],
}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("more", [0, FEW])
def test_one_that_is_not_traded_is_refused_with_its_status(
    more: int, rows: str
) -> None:
    """However many there are, and whatever rows the exchange goes on making."""
    for status in ENDED:
        for interval in ("1m", "5m", "1d"):
            exchange = Exchange()
            exchange.rows = ROWS[rows]
            exchange.listed = [*LISTED, Listing("OLDUSDT", status)]
            names = [f"oldusdt@{interval}", *(f"s{n}usdt@1m" for n in range(more))]
            refusal = f"OLDUSDT is not traded: .* {status}$"
            with Case(status, interval), pytest.raises(UsageError, match=refusal):
                ask(exchange, *names)


@pytest.mark.parametrize("rows", ROWS)
def test_one_that_trades_but_not_just_now_is_looked_up_and_taken(rows: str) -> None:
    exchange = Exchange()
    exchange.rows = ROWS[rows]
    began = ask(exchange, "btcusdt@1h")
    assert exchange.asked == ["time", "BTCUSDT", "time", "listings"]
    assert began.listed == LISTED


@pytest.mark.parametrize(
    "status", ["PENDING_TRADING", "PRE_SETTLE", "PRE_DELIVERING", ""]
)
@pytest.mark.parametrize("more", [0, FEW])
@pytest.mark.parametrize("code", [None, INVALID_SYMBOL, INVALID_STATUS])
def test_one_that_may_be_traded_yet_is_taken(
    status: str, more: int, code: int | None
) -> None:
    """The exchange may have no rows of one that is pending, or refuse them."""
    exchange = Exchange()
    exchange.rows = []
    exchange.listed = [*LISTED, Listing("NEWUSDT", status)]
    if code is not None and status == PENDING:
        exchange.refuses = {"NEWUSDT": Refused("no", code)}
    ask(exchange, "newusdt@1m", *(f"s{n}usdt@1m" for n in range(more)))


def test_what_is_listed_as_traded_and_has_no_rows_is_refused() -> None:
    exchange = Exchange()
    exchange.refuses = {"BTCUSDT": Refused("Invalid symbol.", INVALID_SYMBOL)}
    with pytest.raises(Refused, match="Invalid symbol"):
        ask(exchange, "btcusdt@1m")


@pytest.mark.parametrize("more", [0, FEW])
@pytest.mark.parametrize("rows", ["flat", "none"])
def test_one_whose_entry_cannot_be_read_is_taken_if_it_has_rows(
    more: int, rows: str
) -> None:
    exchange = Exchange()
    exchange.rows = ROWS[rows]
    exchange.listed = Listings(LISTED[1:])
    names = ("btcusdt@1m", *(f"s{n}usdt@1m" for n in range(more)))
    with pytest.raises(UnknownSymbol):
        ask(exchange, *names)
    exchange.listed.left_out = 1
    ask(exchange, *names)
    with pytest.raises(UnknownSymbol):
        ask(exchange, "btcusd@1m", *names)


def test_one_whose_latest_row_is_bad_is_looked_up_and_taken() -> None:
    exchange = Exchange()
    exchange.rows = [BadRow(OPEN, "its volume is negative")]
    ask(exchange, "btcusdt@1m")
    assert exchange.asked == ["time", "BTCUSDT", "time", "listings"]


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
    rest: FakeRest,
    pauses: Pauses,
    patience: float = 1e9,
    listed: list[Listing] | None = None,
) -> tuple[Preflight | None, list[LinkEvent]]:
    told: list[LinkEvent] = []
    said = preflight(
        rest,
        [BTC],
        ask=in_turn,
        listed=listed,
        now=lambda: 5.0 + sum(pauses.taken),
        random=lambda: 0.5,
        patience=patience,
        stopping=pauses,
        tell=told.append,
    )
    return said, told


def said_at(now: float, row_at: float = 5.0, listed: Sequence = ()) -> Preflight:
    opens = START - START % MINUTE
    row = NewestRow(opens, opens + MINUTE - 1, row_at, row_at)
    return Preflight(TimeAnswers([Reading(START, now, now)] * 2, [row]), listed)


def test_it_begins_at_once_where_it_can_and_says_nothing() -> None:
    assert started(Recovering([]), Pauses(1)) == (said_at(5.0), [])


def test_a_list_that_cannot_be_read_in_full_is_told_unless_it_was_before() -> None:
    rest = Recovering([])
    rest.klines = lambda *_, **__: []  # type: ignore[method-assign]
    odd = Listings([Listing(BTC.symbol, "TRADING")])
    odd.odd = 1
    rest.listings = lambda: odd  # type: ignore[method-assign]
    said, told_first = started(rest, Pauses(1))
    assert said is not None
    assert (said.listed, told_first) == (odd, oddity(odd))
    told: list[object] = []
    preflight(
        rest,
        [BTC],
        ask=in_turn,
        listed=odd,
        now=lambda: 5.0,
        random=lambda: 0.5,
        patience=1.0,
        stopping=threading.Event(),
        tell=told.append,
    )
    assert told == []


def test_it_is_tried_again_ever_more_slowly_and_told() -> None:
    pauses = Pauses(99)
    failures: list[Exception] = [Unreachable("no route")] * 4
    twice = [one for one in [*failures, RateLimited("slow", 77.0)] for _ in range(2)]
    said, told = started(Recovering(twice), pauses)
    assert said == said_at(5.0 + sum(pauses.taken))
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


def test_what_is_forbidden_for_now_is_tried_again_and_told() -> None:
    pauses = Pauses(99)
    refusals: list[Exception] = [Forbidden("HTTP 403")] * 6  # two at each attempt
    began, told = started(Recovering(refusals), pauses)
    assert began is not None
    assert [e.patience for e in told] == [30.0, 29.5, 28.5, math.inf]


def test_what_is_forbidden_for_long_ends_it() -> None:
    pauses = Pauses(99)
    with pytest.raises(Forbidden):
        started(Recovering([Forbidden("HTTP 403")] * 99), pauses)
    assert sum(pauses.taken) == 30.0


@pytest.mark.parametrize("error", [Forbidden("HTTP 403"), Refused("HTTP 451")])
def test_an_exchange_that_has_answered_already_is_tried_on(error: Refused) -> None:
    """It has listed what there is; then it refuses to tell the time for a while."""
    pauses = Pauses(999)
    began, _ = started(Recovering([error] * 99), pauses, listed=LISTED)
    assert began is not None
    assert set(pauses.taken) == {30.0}


@pytest.mark.parametrize("final", [Refused("HTTP 451"), UnknownSymbol("XUSDT")])
def test_what_ends_it_at_once_is_said_before_what_is_forbidden_for_now(
    final: Exception,
) -> None:
    class Both(FakeRest):
        def server_time(self) -> int:
            raise Forbidden("HTTP 403")

        def klines(self, *_: object, **__: object) -> list:
            raise final

    with pytest.raises(type(final)):
        started(Both(), Pauses(99))


def test_a_symbol_that_is_not_listed_is_the_end() -> None:
    class Other(FakeRest):
        def klines(self, *_: object, **__: object) -> list:
            raise Refused("Invalid symbol.", -1121)

        def listings(self) -> list:
            return []

    with pytest.raises(UnknownSymbol):
        started(Other(), Pauses(99))
