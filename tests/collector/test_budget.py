"""The weight budget against every minute that could be the exchange's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.collector.budget import CEILING, Budget
from klinetail.errors import UsageError
from klinetail.protocol.venues import LIVE
from tests.collector.spending import spend_all

WEIGHT_PER_MINUTE = LIVE.limits.weight_per_minute


@given(
    share=st.sampled_from([0.01, 0.05, 0.2, 0.5, 1.0]),
    weights=st.lists(st.sampled_from([1, 2, 2, 5, 10]), max_size=400),
)
def test_no_minute_takes_more_than_the_share(share: float, weights: list[int]) -> None:
    budget = Budget(share)
    sent = spend_all(budget, weights)
    for first, _ in sent:
        minute = sum(weight for at, weight in sent if first <= at < first + 60)
        assert minute <= budget.per_minute + 10, "the last may be the heaviest"


def test_a_start_with_a_hundred_streams_does_not_wait() -> None:
    sent = spend_all(Budget(), [1] * 100)
    assert sent[-1][0] == sent[0][0]


def test_what_others_use_is_left_to_them() -> None:
    alone, beside = Budget(), Budget()
    busy = int(WEIGHT_PER_MINUTE * CEILING) - 60
    beside.observe(busy, 1000.0)
    assert spend_all(beside, [2] * 200)[-1][0] > spend_all(alone, [2] * 200)[-1][0]
    beside.observe(0, 10_000.0)
    quick = spend_all(beside, [2] * 50, start=20_000.0)
    assert quick[-1][0] == 20_000.0


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    """Of an exchange too that never says what was used."""
    budget = Budget()
    for second in range(10_000):
        budget.spend(1, float(second))
    assert len(budget._spent) == 60


def test_our_own_use_is_not_taken_for_others() -> None:
    budget = Budget()
    for _ in range(50):
        budget.spend(2, 1000.0)
    budget.observe(100, 1001.0)
    free = Budget()
    for _ in range(50):
        free.spend(2, 1000.0)
    assert budget.delay(60, 1001.0) == free.delay(60, 1001.0)


@given(used=st.integers(0, 10**9))
def test_however_much_others_use_it_goes_on(used: int) -> None:
    budget = Budget()
    budget.observe(used, 0.0)
    sent = spend_all(budget, [2] * 100, start=0.0)
    assert sent[-1][0] < 3600


def test_a_clock_that_stands_still_or_steps_back_gives_nothing_away() -> None:
    budget = Budget()
    spend_all(budget, [2] * 60)
    assert budget.delay(2, 1000.0) > 0
    assert budget.delay(2, 0.0) > 0


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, 20, math.inf, math.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="share"):
        Budget(share)
