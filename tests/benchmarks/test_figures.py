"""Slopes and percentiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import percentile, slope

values = st.lists(st.floats(0, 1e6), min_size=1).map(sorted)


@given(
    start=st.integers(0, 1000),
    each=st.integers(1, 1000),
    short=st.integers(1, 1000),
    more=st.integers(1, 1000),
)
def test_a_slope_is_the_cost_of_one_more(start, each, short, more):
    long = short + more
    points = [(n, start + n * each) for n in (short, long)]
    assert slope(*points) == each


@pytest.mark.parametrize("long", [10, 9])
def test_a_slope_needs_a_longer_run(long):
    with pytest.raises(ValueError, match="longer"):
        slope((10, 1.0), (long, 2.0))


@given(values, st.sampled_from([0.5, 0.9, 0.99, 0.999, 1]))
def test_a_percentile_is_the_least_that_so_many_do_not_exceed(ordered, share):
    found = percentile(ordered, share)
    reached = sum(value <= found for value in ordered)
    below = sum(value < found for value in ordered)
    assert reached * 1000 >= share * 1000 * len(ordered) > below * 1000


def test_the_percentiles_of_a_hundred():
    hundred = list(range(1, 101))
    assert [percentile(hundred, s) for s in (0.5, 0.99, 0.999)] == [50, 99, 100]


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
