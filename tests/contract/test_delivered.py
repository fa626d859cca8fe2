"""What was delivered: the latest candles whole, and for a day the values of others."""

from __future__ import annotations

import pytest

from klinetail.candle import DAY, MINUTE, Candle, Interval
from klinetail.contract.delivered import Delivered
from klinetail.events import RevisionEvent
from tests.contract.minutes import T0, candle


def minute(number: int, count: int = 3) -> Candle:
    return candle(T0 + number * MINUTE, count)


def after(number: int) -> int:
    """The open time that is expected after so many minutes."""
    return T0 + number * MINUTE


def delivered(number: int, keep: int) -> Delivered:
    kept = Delivered(Interval.M1, keep)
    for n in range(number):
        kept.add(minute(n))
    return kept


def test_only_the_latest_are_kept_whole() -> None:
    assert list(delivered(5, keep=2).closed) == [minute(3), minute(4)]


def test_the_same_values_are_a_duplicate_and_others_a_revision() -> None:
    kept = delivered(3, keep=3)
    for n in range(3):
        assert kept.revise(minute(n), after(3)) is None
    revised = minute(1, 9)
    assert kept.revise(revised, after(3)) == RevisionEvent(minute(1), revised)
    assert list(kept.closed) == [minute(0), revised, minute(2)]
    assert kept.revise(revised, after(3)) is None


@pytest.mark.parametrize("number", [0, 1])
def test_of_what_left_the_values_are_remembered(number: int) -> None:
    kept = delivered(4, keep=2)
    assert kept.revise(minute(number), after(4)) is None
    revised = minute(number, 9)
    assert kept.revise(revised, after(4)) == RevisionEvent(None, revised)
    assert kept.revise(revised, after(4)) is None, "it was told"


def test_of_what_was_never_delivered_no_revision_is_told() -> None:
    assert delivered(2, keep=1).revise(minute(-5), after(2)) is None


def test_after_a_day_nothing_is_remembered() -> None:
    kept = delivered(2, keep=1)
    late = T0 + DAY
    assert kept.revise(minute(0, 9), late + 1) is None
    assert kept.revise(minute(0, 9), late) is not None


def test_what_leaves_next_is_known_once_as_many_are_kept() -> None:
    kept = delivered(1, keep=2)
    assert kept.leaving(after(1)) is None
    kept.add(minute(1))
    assert kept.leaving(after(2)) == minute(0)
    assert kept.leaving(T0 + DAY - 1) == minute(0)
    assert kept.leaving(T0 + DAY) is None, "it is a day old"


def test_it_is_looked_ahead_before_the_next_one_comes_or_with_it() -> None:
    assert not Delivered(Interval.M1, keep=1).looked_ahead
    kept = delivered(1, keep=1)
    assert not kept.looked_ahead
    assert T0 not in kept.fingerprints
    kept.look_ahead(after(1))
    assert kept.looked_ahead
    assert T0 in kept.fingerprints
    kept.add(minute(1))
    assert not kept.looked_ahead
    kept.add(minute(2))
    assert after(1) in kept.fingerprints


def test_what_came_after_all_is_put_where_it_belongs() -> None:
    kept = Delivered(Interval.M1, 3)
    for n in (0, 1, 4):
        kept.add(minute(n))
    kept.look_ahead(after(5))
    kept.insert([minute(2), minute(3)], after(5))
    assert list(kept.closed) == [minute(2), minute(3), minute(4)]
    assert not kept.looked_ahead, "another one leaves next"
    assert [after(n) in kept.fingerprints for n in range(5)] == [True] * 2 + [False] * 3


def test_what_came_after_all_displaces_nothing_while_there_is_room() -> None:
    kept = delivered(1, keep=9)
    kept.add(minute(2))
    kept.insert([minute(1)], after(3))
    assert list(kept.closed) == [minute(0), minute(1), minute(2)]
