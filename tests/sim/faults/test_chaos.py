"""The same seed, the same faults; as often as was asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.table import FAULTS

seeds = st.integers(0, 2**32)
RATED = [name for name, fault in FAULTS.items() if fault.period is None]
TIMED = [name for name, fault in FAULTS.items() if fault.period and name != "lifetime"]


def described(strikes):
    return [(s.name, s.time, s.random.random()) for s in strikes]


@given(seed=seeds, name=st.sampled_from(RATED), where=st.lists(st.integers()))
def test_a_decision_depends_on_seed_and_place_alone(seed, name, where):
    one = Chaos.parse("all,revised,clock", seed=seed)
    other = Chaos.parse("clock,revised,all", seed=seed)
    for _ in range(5):
        other.strikes(name, "somewhere else")
    mine, theirs = one.strikes(name, *where), other.strikes(name, *where)
    assert (mine is None) is (theirs is None)
    if mine is not None and theirs is not None:
        assert mine.random() == theirs.random()


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_rates_are_kept(rate):
    chaos = Chaos.parse(f"late={rate},missing={rate}", seed=3)
    late = {n for n in range(4000) if chaos.strikes("late", n)}
    missing = {n for n in range(4000) if chaos.strikes("missing", n)}
    for struck in (late, missing):
        assert abs(len(struck) / 4000 - rate) < 0.04
    assert abs(len(late & missing) / 4000 - rate * rate) < 0.04


def test_a_rate_of_one_is_always_and_no_rule_is_never():
    chaos = Chaos.parse("late=1")
    assert all(chaos.strikes("late", n) for n in range(500))
    assert not any(chaos.strikes("missing", n) for n in range(500))
    assert Chaos({}).due(0, 1e6) == []


def test_seeds_differ():
    runs = [Chaos.parse("late=0.5", seed=seed) for seed in range(20)]
    struck = {tuple(bool(run.strikes("late", n)) for n in range(40)) for run in runs}
    assert len(struck) == 20


@settings(max_examples=50)
@given(
    seed=seeds,
    cuts=st.lists(st.floats(0.01, 300), min_size=1, max_size=12),
)
def test_how_often_one_looks_changes_nothing(seed, cuts):
    chaos = Chaos.parse("line", seed=seed)
    found, after = [], 0.0
    for cut in cuts:
        found += described(chaos.due(after, after + cut))
        after += cut
    assert found == described(chaos.due(0.0, after))


@pytest.mark.parametrize("name", TIMED)
def test_periods_are_kept(name):
    chaos = Chaos.parse(f"{name}@10s", seed=8)
    strikes = chaos.due(0, 10_000)
    assert len(strikes) == 1000
    slots = [int(strike.time // 10) for strike in strikes]
    assert slots == [*range(1000)]


def test_lifetimes():
    chaos = Chaos.parse("lifetime@100s")
    ages = [chaos.lifetime(number) for number in range(200)]
    assert min(ages) >= 50
    assert max(ages) <= 100
    assert len(set(ages)) > 100
    assert Chaos({}).lifetime(1) is None


def test_what_happened_is_counted():
    chaos = Chaos.parse("late,cut")
    assert (str(chaos), chaos.receipt) == ("late, cut", "late 0, cut 0")
    chaos.note("cut")
    assert chaos.counts == {"cut": 1}
    assert chaos.receipt == "late 0, cut 1"


def test_gentle_is_what_came_with_others():
    chaos = Chaos.parse("all,late=0.1")
    assert chaos.gentle("cut")
    assert not chaos.gentle("late")
    assert not chaos.gentle("revised")
    assert not chaos.gentle("clock")
