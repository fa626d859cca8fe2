"""Whether a recording is of the exchange that is followed."""

from __future__ import annotations

import pytest

from klinetail.candle import MINUTE, Candle, Interval, Stream
from klinetail.events import GapEvent
from klinetail.recordings.compare import CANDLES, STREAMS, Comparison
from tests.strategies import candle

BASE = 1_700_000_040_000
BTC, ETH, XRP, SOL = (
    Stream(f"{name}USDT", Interval.M1) for name in ("BTC", "ETH", "XRP", "SOL")
)
OTHER = ("1.10", "1.90", "1.00", "1.50")


def some(
    stream: Stream, *indices: int, prices: tuple[str, ...] | None = None, **changes: int
) -> list[Candle]:
    more: dict[str, object] = {"prices": prices} if prices else {}
    return [
        candle(BASE + n * MINUTE, stream=stream, **more, **changes) for n in indices
    ]


def comparison(**latest: list[Candle]) -> Comparison:
    return Comparison({candles[0].stream: candles for candles in latest.values()})


def test_equal_candles_are_of_the_same_market() -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    assert own.starts == {BTC: BASE + MINUTE}
    for one in some(BTC, 1, 2, 3):
        assert not own.decided
        own.see(one)
    assert own.decided
    assert own.compared == 3
    assert own.foreign is None
    assert own.differences == []


def test_prices_are_compared_as_numbers() -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    for one in some(BTC, 1, 2, 3, prices=("100.1", "100.9", "100", "100.500")):
        own.see(one)
    assert own.foreign is None
    assert own.differences == []


def test_three_candles_of_which_none_is_equal_are_of_another_market() -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    rows = some(BTC, 1, 2, 3, prices=OTHER)
    for one in rows:
        assert own.foreign is None
        own.see(one)
    difference = own.foreign
    assert difference is not None
    assert (difference.recorded, difference.asked) == (some(BTC, 3)[0], rows[2])


def test_the_candles_of_several_streams_count_together() -> None:
    own = comparison(btc=some(BTC, 1), eth=some(ETH, 1), xrp=some(XRP, 1))
    for stream in (BTC, ETH, XRP):
        own.see(some(stream, 1, prices=OTHER)[0])
    assert own.foreign is not None


def test_fewer_than_three_candles_do_not_decide() -> None:
    own = comparison(btc=some(BTC, 1, 2))
    for one in some(BTC, 1, 2, prices=OTHER):
        own.see(one)
    assert own.decided
    assert own.foreign is None
    assert len(own.differences) == 2


def test_one_equal_candle_shows_that_the_others_were_revised() -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    rows = [*some(BTC, 1, 2, prices=OTHER), *some(BTC, 3)]
    for one in rows:
        own.see(one)
    assert own.foreign is None
    assert [d.asked for d in own.differences] == rows[:2]


def test_other_volumes_are_a_revision_and_no_other_market() -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    for one in some(BTC, 1, 2, 3, count=43):
        own.see(one)
    assert own.foreign is None
    assert len(own.differences) == 3


def test_only_the_last_candles_of_a_few_streams_are_compared() -> None:
    many = {name: some(s, 1) for name, s in {"a": BTC, "b": ETH, "c": XRP}.items()}
    own = comparison(**many, d=some(SOL, *range(1, 9)))
    assert len(own.starts) == STREAMS
    assert own.starts[SOL] == BASE + (9 - CANDLES) * MINUTE, "the stream with the most"


def test_candles_that_the_exchange_lacks_are_not_waited_for() -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    own.see(some(BTC, 3)[0])
    assert own.decided
    assert own.compared == 1

    own = comparison(btc=some(BTC, 1, 2, 3), eth=some(ETH, 1))
    own.see(GapEvent(BTC, BASE + MINUTE, BASE + 4 * MINUTE, "no rows"))
    assert not own.decided, "another stream is waited for"
    own.see(some(ETH, 2)[0])
    assert own.decided
    assert own.compared == 0
    assert own.foreign is None


def test_other_rows_are_not_compared() -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    for one in [*some(BTC, 0), *some(ETH, 1, 2, 3), *some(BTC, 1, 1)]:
        own.see(one)
    assert own.compared == 1
    assert not own.decided


@pytest.mark.parametrize("price", range(4))
def test_each_price_counts(price: int) -> None:
    own = comparison(btc=some(BTC, 1, 2, 3))
    prices = ["100.10", "100.90", "100.00", "100.50"]
    prices[price] = {0: "100.11", 1: "100.91", 2: "99.99", 3: "100.51"}[price]
    for one in some(BTC, 1, 2, 3, prices=tuple(prices)):
        own.see(one)
    assert own.foreign is not None
