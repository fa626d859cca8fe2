"""What is held: as much as fits, and nothing that was made up."""

from __future__ import annotations

from klinetail.candle import MINUTE
from klinetail.contract.held import HELD, Held
from tests.contract.minutes import T0, candle


def filled(*minutes: int, most: int = HELD) -> Held:
    held = Held(most)
    for minute in minutes:
        held.hold(candle(T0 + minute * MINUTE, 2))
    return held


def test_nothing_is_held_at_first() -> None:
    assert not Held(3)
    assert not Held(3).show_trades


def test_of_too_many_the_latest_is_forgotten() -> None:
    held = filled(3, 1, 5, 2, most=3)
    assert sorted(held) == [T0 + n * MINUTE for n in (1, 2, 3)]
    held.hold(candle(T0 + 9 * MINUTE, 2))
    assert sorted(held) == [T0 + n * MINUTE for n in (1, 2, 3)], "it was the latest"


def test_the_same_candle_again_takes_the_place_of_the_first() -> None:
    held = filled(1, 2, most=2)
    again = candle(T0 + MINUTE, 7)
    held.hold(again)
    assert len(held) == 2
    assert held[T0 + MINUTE] == again


def test_what_was_pushed_after_a_later_frame_was_made_up() -> None:
    held = filled(1, 2, 3)
    second = held[T0 + 2 * MINUTE]
    third = held[T0 + 3 * MINUTE]
    assert held.doubt(third.event_time) == []
    assert held.doubt(second.event_time) == [third]
    assert sorted(held) == [T0 + MINUTE, T0 + 2 * MINUTE]


def test_whether_any_has_trades() -> None:
    held = Held(9)
    held.hold(candle(T0, 0))
    assert not held.show_trades
    held.hold(candle(T0 + MINUTE, 1))
    assert held.show_trades
