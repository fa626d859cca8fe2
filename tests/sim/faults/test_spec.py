"""A spec says what goes wrong, or why it does not."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.errors import UsageError
from klinetail.sim.faults.spec import Rule, parse
from klinetail.sim.faults.table import FAULTS, Group

README = (Path(__file__).resolve().parents[3] / "README.md").read_text()


def test_all_is_everything_but_what_is_only_had_by_name():
    rules = parse("all")
    assert FAULTS.keys() - rules.keys() == {"revised", "clock", "oldvalue"}
    assert all(rule.gentle for rule in rules.values())
    assert parse("all,revised,clock,oldvalue").keys() == FAULTS.keys()


@pytest.mark.parametrize("group", Group)
def test_a_group_is_its_faults(group):
    assert parse(group).keys() == {
        fault.name
        for fault in FAULTS.values()
        if fault.group is group and not fault.asked_for
    }


def test_a_name_alone_has_the_table_s_number():
    assert parse("late, cut") == {"late": Rule(rate=0.1), "cut": Rule(period=60.0)}


def test_numbers():
    assert parse("late=0.5,cut@30s,close@2m,stall@500ms,ping@7") == {
        "late": Rule(rate=0.5),
        "cut": Rule(period=30.0),
        "close": Rule(period=120.0),
        "stall": Rule(period=0.5),
        "ping": Rule(period=7.0),
    }


def test_words_count_from_left_to_right():
    rules = parse("all,-mute,-line,cut@9s,late=1")
    assert "mute" not in rules
    assert [name for name in rules if FAULTS[name].period] == ["cut"]
    assert (rules["cut"], rules["late"]) == (Rule(period=9.0), Rule(rate=1.0))
    assert rules["missing"].gentle
    assert "mute" in parse("-mute,all")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("lte", "did you mean late"),
        ("mising=0.2", "did you mean missing"),
        ("nothing-like-it", "cut"),
        ("late=2", "up to 1"),
        ("late=0", "over 0"),
        ("late=x", "rate"),
        ("late=nan", "rate"),
        ("late@30s", "late=0.1"),
        ("cut=0.1", "cut@60s"),
        ("cut@0", "as in 30s"),
        ("cut@1d", "as in 30s"),
        ("cut@-1s", "as in 30s"),
        ("cut@9999h", "24h"),
        ("all=0.1", "many faults"),
        ("-late=0.1", "takes no number"),
        ("late=0.1=0.2", "no fault"),
        ("", "leaves no fault"),
        (" , ", "leaves no fault"),
        ("late,-all", "leaves no fault"),
        ("-mute", "leaves no fault"),
        ("-", "no fault"),
    ],
)
def test_what_is_no_spec(spec, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        parse(spec)


def test_an_unknown_name_lists_them_all():
    with pytest.raises(UsageError) as error:
        parse("zzz")
    assert {*FAULTS, *Group, "all"} <= {*str(error.value).split()}


@given(
    st.text()
    | st.lists(
        st.sampled_from([*FAULTS, *Group, "all"]).flatmap(
            lambda name: st.sampled_from([name, f"-{name}", f"{name}=.1", f"{name}@5s"])
        )
    ).map(",".join)
)
def test_no_spec_breaks_it(spec):
    try:
        rules = parse(spec)
    except UsageError:
        return
    assert rules
    assert all((rule.rate > 0) is (rule.period == 0) for rule in rules.values())


def test_readme_has_the_table():
    row = re.compile(r"^\| `(\w+)` \| `(\S+)`(.*?) \| (.*?) \| (.+) \|$", re.MULTILINE)
    rows = row.findall(README)
    found = {row[0]: row for row in rows if row[1][0] in "=@"}
    assert [*found] == [*FAULTS]
    for name, fault in FAULTS.items():
        _, number, besides, each, meaning = found[name]
        default = f"={fault.rate:g}" if fault.period is None else f"@{fault.period:g}s"
        assert number == default
        assert ("not in `all`" in besides) is fault.asked_for
        assert (each, meaning) == (fault.each, fault.meaning)
