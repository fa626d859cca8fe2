"""A lying clock's errors: small and great ones, ahead and behind."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from klinetail.sim.faults.clocks import GREATEST, SMALLEST, error


@given(st.integers())
def test_an_error_is_within_its_bounds_and_depends_on_the_seed_alone(seed):
    found = error(Random(seed))
    assert SMALLEST <= abs(found) <= GREATEST
    assert found == error(Random(seed))


def test_errors_of_all_sizes_are_alike_often():
    found = [error(Random(seed)) for seed in range(4000)]
    assert abs(sum(one > 0 for one in found) / 4000 - 0.5) < 0.03
    ratio = (GREATEST / SMALLEST) ** 0.25
    bounds = [SMALLEST * ratio**quarter for quarter in range(5)]
    for least, most in pairwise(bounds):
        part = sum(least <= abs(one) < most for one in found) / 4000
        assert abs(part - 0.25) < 0.03
