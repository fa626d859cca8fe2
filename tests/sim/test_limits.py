"""The exchange's limits, kept as measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE
from klinetail.sim.limits import BAN, WARNINGS, MessageRate, Weight


def test_fifteen_at_once_then_no_more():
    rate = MessageRate()
    assert [rate.admits(5.0) for _ in range(40)] == [True] * 15 + [False] * 25


@pytest.mark.parametrize(("gap", "ends"), [(0.1001, False), (0.05, True)])
def test_ten_a_second_for_ever(gap, ends):
    rate = MessageRate()
    assert all(rate.admits(n * gap) for n in range(500)) is not ends


@given(st.lists(st.floats(0, 2), max_size=100))
def test_never_more_than_allowed(gaps):
    rate = MessageRate()
    now, admitted = 0.0, []
    for gap in gaps:
        now += gap
        if rate.admits(now):
            admitted.append(now)
    for index, first in enumerate(admitted):
        within = [time for time in admitted[index:] if time <= first + 1]
        assert len(within) <= 15 + 10


def test_weight_of_a_minute():
    weight = Weight()
    assert all(weight.spend(10, 500) is None for _ in range(240))
    assert weight.used == 2400
    assert weight.spend(1, 600) == (429, MINUTE - 600)
    assert weight.spend(1, MINUTE) is None
    assert weight.used == 1


def test_who_goes_on_is_banned():
    weight = Weight()
    weight.spend(2400, 0)
    found = [weight.spend(1, 10) for _ in range(WARNINGS + 3)]
    assert [refusal.status for refusal in found] == [429] * WARNINGS + [418] * 3
    assert found[-1].wait == BAN
    assert weight.spend(1, MINUTE + 5) == (418, BAN - MINUTE + 5)
    assert weight.spend(1, 10 + BAN) is None


def test_who_waits_is_not():
    weight = Weight()
    for minute in range(50):
        weight.spend(2400, minute * MINUTE)
        assert weight.spend(1, minute * MINUTE + 1).status == 429
