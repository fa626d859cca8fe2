"""What answers lack, and for how long several of them agree about it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Interval
from klinetail.contract.holes import (
    AGREED,
    MAX_REASON,
    NO_ROW,
    Hole,
    Holes,
    Lack,
    bad_row,
    lacks,
)

M1 = Interval.M1


def at(*numbers: int) -> list[int]:
    return [n * MINUTE for n in numbers]


def lack(start: int, end: int, reason: str = NO_ROW) -> Lack:
    """A lack of the minutes from one to before another."""
    return Lack(start * MINUTE, end * MINUTE, reason)


def test_one_answer_is_not_enough() -> None:
    assert AGREED == 2


def test_a_reason_is_words_and_not_too_many() -> None:
    assert bad_row("no volume") == "the exchange's row for the candle is bad: no volume"
    assert len(bad_row("x" * 10_000)) == MAX_REASON == 200


def test_what_is_found_is_not_lacking() -> None:
    assert lacks(*at(3, 6), dict.fromkeys(at(3, 4, 5)), M1) == []
    assert lacks(*at(3, 3), {}, M1) == []
    assert lacks(*at(3, 2), dict.fromkeys(at(1, 2, 3)), M1) == []


def test_what_is_absent_is_one_lack_however_long() -> None:
    assert lacks(*at(3, 9), {}, M1) == [lack(3, 9)]
    found = dict.fromkeys(at(1, 2, 5, 9, 10))
    assert lacks(*at(3, 9), found, M1) == [lack(3, 5), lack(6, 9)]


def test_what_is_bad_lacks_for_its_own_reason() -> None:
    found = {**dict.fromkeys(at(4)), **dict.fromkeys(at(5, 6, 9), "a"), at(7)[0]: "b"}
    assert lacks(*at(3, 10), found, M1) == [
        lack(3, 4),
        lack(5, 7, bad_row("a")),
        lack(7, 8, bad_row("b")),
        lack(8, 9),
        lack(9, 10, bad_row("a")),
    ]


def test_months_are_as_long_as_they_are() -> None:
    months = [Interval.MO1.shift(0, n) for n in range(5)]
    found = {months[0]: None, months[2]: "bad", months[3]: None}
    assert lacks(months[0], months[4], found, Interval.MO1) == [
        Lack(months[1], months[2], NO_ROW),
        Lack(months[2], months[3], bad_row("bad")),
    ]


@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.dictionaries(st.integers(-2, 14), st.sampled_from([None, "a", "b"])),
)
def test_lacks_are_just_what_is_not_there(
    start: int, end: int, found: dict[int, str | None]
) -> None:
    rows = {n * MINUTE: why for n, why in found.items()}
    given = lacks(start * MINUTE, end * MINUTE, rows, M1)
    reasons = {
        time: one.reason for one in given for time in range(one.start, one.end, MINUTE)
    }
    wanted = {
        time: NO_ROW if time not in rows else bad_row(rows[time] or "")
        for time in range(start * MINUTE, end * MINUTE, MINUTE)
        if rows.get(time, "absent") is not None
    }
    assert reasons == wanted
    for one, other in pairwise(given):
        assert one.end < other.start or one.reason != other.reason


def test_a_hole_is_counted_from_the_first_answer_on() -> None:
    holes = Holes()
    assert (len(holes), holes.end, holes.at(0)) == (0, 0, None)
    holes.note([lack(3, 5)], 9 * MINUTE, 100.0)
    hole = Hole(*at(3, 5), NO_ROW, 100.0, 100.0, 1)
    assert holes.at(3 * MINUTE) == hole
    assert not hole.agreed
    assert (len(holes), holes.end) == (1, 5 * MINUTE)
    holes.note([lack(3, 5, "bad")], 9 * MINUTE, 103.0)
    hole = Hole(*at(3, 5), "bad", 100.0, 103.0, 2)
    assert holes.at(3 * MINUTE) == hole
    assert hole.agreed


def test_a_hole_is_where_it_is_and_nowhere_else() -> None:
    holes = Holes()
    holes.note([lack(3, 5), lack(7, 8)], 9 * MINUTE, 100.0)
    found = [holes.at(time) for time in at(2, 3, 4, 5, 6, 7, 8)]
    assert [hole and hole.start // MINUTE for hole in found] == [
        None,
        3,
        4,
        None,
        None,
        7,
        None,
    ]
    assert holes.end == 8 * MINUTE


def test_an_answer_that_has_the_candle_ends_its_hole() -> None:
    holes = Holes()
    holes.note([lack(3, 6)], 9 * MINUTE, 100.0)
    holes.note([lack(3, 4), lack(5, 6)], 9 * MINUTE, 101.0)
    assert holes.at(4 * MINUTE) is None
    assert [holes.at(time).answers for time in at(3, 5)] == [2, 2]
    holes.note([], 9 * MINUTE, 102.0)
    assert len(holes) == 0
    holes.note([lack(3, 6)], 9 * MINUTE, 103.0)
    assert holes.at(3 * MINUTE) == Hole(*at(3, 6), NO_ROW, 103.0, 103.0, 1)


def test_an_answer_says_nothing_about_what_it_does_not_reach() -> None:
    holes = Holes()
    holes.note([lack(3, 4), lack(6, 7), lack(8, 9)], 9 * MINUTE, 100.0)
    holes.note([lack(3, 4)], 6 * MINUTE, 101.0)
    assert [holes.at(time).answers for time in at(3, 6, 8)] == [2, 1, 1]
    holes.note([], 7 * MINUTE, 102.0)
    assert [holes.at(time) is None for time in at(3, 6, 8)] == [True, True, False]


def test_what_is_new_of_a_hole_is_counted_from_then_on() -> None:
    """The older part must not be evidence for the younger."""
    holes = Holes()
    holes.note([lack(3, 5)], 9 * MINUTE, 100.0)
    holes.note([lack(2, 7)], 9 * MINUTE, 101.0)
    new, known = (101.0, 101.0, 1), (100.0, 101.0, 2)
    assert [holes.at(time)[3:] for time in at(2, 3, 4, 5, 6)] == [
        new,
        known,
        known,
        new,
        new,
    ]


def test_what_is_awaited_no_more_is_forgotten() -> None:
    holes = Holes()
    holes.note([lack(3, 5), lack(7, 8)], 9 * MINUTE, 100.0)
    holes.forget(4 * MINUTE)
    assert holes.at(4 * MINUTE) is not None
    holes.forget(5 * MINUTE)
    assert holes.at(4 * MINUTE) is None
    assert len(holes) == 1
    holes.clear()
    assert len(holes) == 0


minutes = st.integers(0, 9)


@given(
    st.lists(
        st.tuples(st.sets(minutes), minutes, st.integers(1, 9)), min_size=1, max_size=8
    )
)
def test_each_candle_has_the_answers_that_lacked_it(
    answers: list[tuple[set[int], int, int]],
) -> None:
    """Against counting by candle."""
    holes = Holes()
    since: dict[int, tuple[float, int]] = {}
    now = 0.0
    for have, reach, passed in answers:
        now += passed
        found = lacks(0, reach * MINUTE, dict.fromkeys(at(*have)), M1)
        holes.note(found, reach * MINUTE, now)
        for n in range(reach):
            if n in have:
                since.pop(n, None)
            else:
                first, count = since.get(n, (now, 0))
                since[n] = first, count + 1
        # Of a hole that an answer reaches in part the rest is forgotten.
        for n in range(reach, 10):
            if holes.at(n * MINUTE) is None:
                since.pop(n, None)
        for n in range(10):
            hole = holes.at(n * MINUTE)
            assert (hole and (hole.since, hole.answers)) == since.get(n)


@pytest.mark.parametrize("reach", range(1, 5))
def test_holes_are_in_order_and_disjoint(reach: int) -> None:
    holes = Holes()
    holes.note([lack(0, 1), lack(2, 3), lack(4, 5)], 5 * MINUTE, 1.0)
    holes.note([lack(0, reach)], reach * MINUTE, 2.0)
    assert all(hole.start < hole.end for hole in holes._holes)
    for one, other in pairwise(holes._holes):
        assert one.end <= other.start
