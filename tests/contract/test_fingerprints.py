"""Fingerprints against a dictionary of the numbers themselves."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from klinetail.candle import DAY, Candle, Interval, Stream
from klinetail.contract.fingerprints import Fingerprints, fingerprint
from tests.strategies import candle, candles, decimals, intervals

START = 1_700_000_040_000
MARKET = 790
"""Symbols that the exchange lists, some."""


def numbers(one: Candle) -> tuple[object, ...]:
    """A candle's values as numbers."""
    return (one.count, *map(Decimal, one.texts))


def written(text: str, zeros: int) -> str:
    """The same number with so many more zeros, or with none at its end."""
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0") + "0" * zeros
    return f"{whole}.{fraction}" if fraction else whole


class Remembering(RuleBasedStateMachine):
    """Candles come in any order, with holes; what is old is forgotten."""

    @initialize(interval=intervals)
    def begin(self, interval: Interval) -> None:
        self.stream = Stream("BTCUSDT", interval)
        self.fingerprints = Fingerprints(interval)
        self.model: dict[int, tuple[object, ...]] = {}
        self.since = 0
        self.first = interval.floor(START)

    def opens(self, step: int) -> int:
        return self.stream.interval.shift(self.first, step)

    def made(self, step: int, count: int, zeros: int = 2) -> Candle:
        volume = written(f"{count}.5", zeros)
        return candle(
            self.opens(step),
            stream=self.stream,
            volumes=(volume, "1255.62500", "0", written("0", zeros)),
            count=count,
        )

    @rule(
        step=st.integers(-20, 20), count=st.integers(0, 2), since=st.integers(-30, 10)
    )
    def add(self, step: int, count: int, since: int) -> None:
        one = self.made(step, count)
        self.since = max(self.since, self.opens(since))
        self.fingerprints.add(one, self.since)
        self.model[one.open_time] = numbers(one)
        self.model = {t: v for t, v in self.model.items() if t >= self.since}

    @rule(step=st.integers(-25, 25), count=st.integers(0, 2), zeros=st.integers(0, 4))
    def compare(self, step: int, count: int, zeros: int) -> None:
        one = self.made(step, count, zeros)
        known = self.model.get(one.open_time)
        differs = known is not None and known != numbers(one)
        assert self.fingerprints.differ(one) is differs

    @invariant()
    def just_these(self) -> None:
        if hasattr(self, "model"):
            for step in range(-32, 32):
                time = self.opens(step)
                assert (time in self.fingerprints) is (time in self.model)


TestRemembering = Remembering.TestCase


@given(candles(), st.lists(st.integers(0, 20), min_size=8, max_size=8))
def test_other_digits_of_the_same_numbers_are_the_same(
    one: Candle, zeros: list[int]
) -> None:
    texts = [written(*pair) for pair in zip(one.texts, zeros, strict=True)]
    other = candle(
        one.open_time,
        stream=one.stream,
        prices=tuple(texts[:4]),
        volumes=tuple(texts[4:]),
        count=one.count,
    )
    assert numbers(other) == numbers(one)
    assert fingerprint(other) == fingerprint(one)
    assert 0 < fingerprint(one) < 1 << 64


@given(st.integers(0, 8), st.just("42.0") | decimals(), st.integers(41, 44))
def test_any_other_number_is_another(at: int, text: str, count: int) -> None:
    texts = ["42"] * 8
    one = candle(prices=tuple(texts[:4]), volumes=tuple(texts[4:]), count=42)
    if at < 8:
        texts[at], count = text, 42
    other = candle(prices=tuple(texts[:4]), volumes=tuple(texts[4:]), count=count)
    same = numbers(one) == numbers(other)
    assert (fingerprint(one) == fingerprint(other)) is same


def test_a_number_ends_where_the_next_begins() -> None:
    one = candle(volumes=("1", "23", "4", "5"))
    other = candle(volumes=("12", "3", "4", "5"))
    assert fingerprint(one) != fingerprint(other)


def test_a_hole_of_years_takes_no_room() -> None:
    fingerprints = Fingerprints(Interval.M1)
    fingerprints.add(candle(START), START - DAY)
    later = START + 3_000 * DAY
    tracemalloc.start()
    try:
        fingerprints.add(candle(later), later - DAY)
        assert tracemalloc.get_traced_memory()[1] < 5_000
    finally:
        tracemalloc.stop()
    assert later in fingerprints
    assert START not in fingerprints


def test_a_day_of_the_whole_market_fits_into_twenty_megabytes() -> None:
    """All containers included, as they are after growing one candle at a time; so it
    stays on the second day."""
    tracemalloc.start()
    try:
        fingerprints = {one: Fingerprints(one) for one in Interval}
        for interval, one in fingerprints.items():
            time = interval.floor(START)
            stream = Stream("BTCUSDT", interval)
            for _ in range(2 * DAY // (interval.length or 31 * DAY) + 1):
                one.add(candle(time, stream=stream), time - DAY)
                time = interval.shift(time, 1)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 2_000 * 8 * MARKET < taken * MARKET < 20_000_000
