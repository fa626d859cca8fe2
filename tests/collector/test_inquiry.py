"""What is asked before a start, how often, and what counts of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from klinetail.candle import Candle, Stream
from klinetail.collector.inquiry import inquire
from klinetail.collector.symbols import FEW
from klinetail.errors import (
    KlinetailError,
    Refused,
    UnknownSymbol,
    Unreachable,
    UsageError,
)
from klinetail.protocol.rest import INVALID_SYMBOL, Listing
from tests.strategies import candle

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
        self.rows: list[Candle] = [candle(OPEN)]

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


def ask(exchange: Exchange, *names: str) -> tuple[int, float]:
    streams = [Stream.parse(name) for name in names]
    return inquire(exchange, streams, lambda: 7.5, in_turn)


def test_a_symbol_is_asked_for_once_and_the_list_of_all_is_left_alone() -> None:
    exchange = Exchange()
    names = ("btcusdt@1m", "btcusdt@5m", "s1usdt@1m")
    assert ask(exchange, *names) == (NOW, 7.5)
    assert exchange.asked == ["time", "BTCUSDT", "S1USDT"]


def test_of_many_symbols_the_list_is_asked_for() -> None:
    exchange = Exchange()
    ask(exchange, *(f"s{n}usdt@1m" for n in range(FEW + 1)))
    assert exchange.asked == ["time", "listings"]


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


def test_what_will_not_get_better_is_said_first() -> None:
    exchange = Exchange()
    exchange.failing = Unreachable("just now")
    with pytest.raises(Unreachable):
        ask(exchange, "btcusdt@1m")
    with pytest.raises(UnknownSymbol):
        ask(exchange, "btcusd@1m")
