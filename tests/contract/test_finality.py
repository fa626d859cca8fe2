"""When a REST row is final: by its age and a later row, or by two answers."""

from __future__ import annotations

import msgspec
import pytest

from klinetail.candle import MINUTE, Candle, Source
from klinetail.clock import Moment
from klinetail.contract.finality import CONFIRM, NOTICE, SETTLED, Finality
from tests.contract.minutes import T0, candle

END = T0 + MINUTE
ROW = candle(T0, 2, source=Source.REST)


def after(age: int, monotonic: float = 0.0, *, ahead: int = 0) -> Moment:
    """So many ms after the close, by `/time`."""
    return Moment(ROW.close_time + age + ahead, monotonic, ahead)


def test_the_numbers_are_what_was_measured() -> None:
    assert (SETTLED, CONFIRM, NOTICE) == (30_000, 20_000, 1.0)


@pytest.mark.parametrize("age", [-MINUTE, -1, 0])
def test_a_row_that_is_not_over_is_not_even_remembered(age: int) -> None:
    finality = Finality()
    assert not finality.is_final(ROW, True, after(age))
    assert not finality.seen
    assert finality.ask_from(T0, ROW.close_time, after(age)) is None


def test_an_old_row_with_a_later_one_is_final_at_once() -> None:
    for age, later, final in (
        (SETTLED - 1, True, False),
        (SETTLED, True, True),
        (SETTLED, False, False),
        (10 * MINUTE, False, False),
    ):
        assert Finality().is_final(ROW, later, after(age)) is final


def test_event_times_make_no_row_old() -> None:
    assert not Finality().is_final(ROW, True, after(SETTLED - 1, ahead=50_000))
    finality = Finality()
    finality.is_final(ROW, True, after(1))
    assert not finality.is_final(ROW, True, after(CONFIRM, 9.0, ahead=50_000))
    assert finality.is_final(ROW, True, after(1 + CONFIRM, 9.0, ahead=50_000))


OTHER = msgspec.structs.replace


@pytest.mark.parametrize(
    ("again", "later", "asked", "final"),
    [
        (ROW, True, after(1 + CONFIRM, NOTICE), True),
        (ROW, True, after(CONFIRM, NOTICE), False),
        (ROW, True, after(1 + CONFIRM, NOTICE - 0.01), False),
        (ROW, False, after(1 + CONFIRM, NOTICE), False),
        (ROW, False, after(SETTLED, NOTICE), True),
        (ROW, False, after(SETTLED - 1, NOTICE), False),
        (OTHER(ROW, volume_text="2.0"), True, after(1 + CONFIRM, NOTICE), False),
        (OTHER(ROW, count=3), True, after(1 + CONFIRM, NOTICE), False),
    ],
)
def test_two_answers_confirm_a_row(
    again: Candle, later: bool, asked: Moment, final: bool
) -> None:
    finality = Finality()
    assert not finality.is_final(ROW, True, after(1))
    assert finality.is_final(again, later, asked) is final


def test_another_row_starts_afresh_and_an_equal_one_does_not() -> None:
    finality = Finality()
    other = OTHER(ROW, count=3)
    assert not finality.is_final(ROW, False, after(1))
    assert not finality.is_final(other, False, after(9_000, 9.0))
    assert not finality.is_final(other, True, after(21_000, 21.0))
    assert finality.is_final(other, True, after(29_000, 29.0))


def test_what_was_delivered_is_forgotten() -> None:
    finality = Finality()
    finality.is_final(ROW, False, after(1))
    finality.forget(T0 + MINUTE)
    assert [*finality.seen] == [T0]
    finality.forget(T0)
    finality.forget(T0)
    assert not finality.seen


@pytest.mark.parametrize(
    ("seen", "asked", "again"),
    [
        (1, 1, 1 + CONFIRM),
        (9_000, 9_000, 29_000),
        (12_000, 12_000, SETTLED),
        (1, 1 + CONFIRM, SETTLED),
    ],
)
def test_a_row_is_asked_for_again_when_that_can_tell_more(
    seen: int, asked: int, again: int
) -> None:
    finality = Finality()
    finality.is_final(ROW, False, after(seen))
    found = finality.ask_from(T0, ROW.close_time, after(asked))
    assert found == ROW.close_time + again


def test_event_times_ahead_are_no_reason_to_ask_every_second() -> None:
    finality = Finality()
    asked = after(1, ahead=50_000)
    finality.is_final(ROW, False, asked)
    found = finality.ask_from(T0, ROW.close_time, asked)
    assert found == ROW.close_time + 1 + CONFIRM + 50_000
    assert found == asked.exchange + CONFIRM


def test_of_a_row_that_is_old_any_answer_can_tell_more() -> None:
    finality = Finality()
    finality.is_final(ROW, False, after(1))
    assert finality.ask_from(T0, ROW.close_time, after(SETTLED)) == 0
