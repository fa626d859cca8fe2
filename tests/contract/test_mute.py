"""Whether a stream is mute: what REST shows of it, and no frame brought."""

from __future__ import annotations

import pytest

from klinetail.candle import MINUTE, Source
from klinetail.clock import Moment
from klinetail.contract.mute import Hearing
from tests.contract.minutes import T0, candle

NOW = Moment(T0 + 5 * MINUTE, 1_000.0)


def shown(hearing: Hearing, minute: int, *, trades: int = 2, at: float = 0.0) -> int:
    """REST shows a minute; how many were not heard then."""
    row = candle(T0 + minute * MINUTE, trades, source=Source.REST)
    hearing.row(row, NOW._replace(monotonic=at))
    return hearing.unheard


def up(since: int = T0) -> Hearing:
    hearing = Hearing()
    hearing.up_since = since
    return hearing


def test_at_first_nothing_is_known() -> None:
    hearing = Hearing()
    assert (hearing.newest, hearing.unheard, hearing.up_since) == (0, 0, None)
    assert (hearing.mute, hearing.unheard_since) == (False, 0.0)
    assert not hasattr(hearing, "__dict__"), "the whole market has 11,800 of them"


def test_what_rest_shows_and_no_frame_brought_is_counted_from_the_first_on() -> None:
    hearing = up()
    assert [shown(hearing, n, at=100.0 + n) for n in range(3)] == [1, 2, 3]
    assert hearing.unheard_since == 100.0


@pytest.mark.parametrize("since", [None, T0 + 1])
def test_what_the_line_was_not_up_for_is_not_counted(since: int | None) -> None:
    hearing = up()
    hearing.up_since = since
    assert shown(hearing, 0) == 0


def test_a_minute_without_a_trade_need_not_be_heard_of() -> None:
    hearing = up()
    assert shown(hearing, 0, trades=0) == 0
    assert shown(hearing, 1) == 1
    assert shown(hearing, 2, trades=0) == 1


def test_a_frame_ends_the_silence_and_the_next_one_is_counted_anew() -> None:
    hearing = up()
    shown(hearing, 0, at=100.0)
    hearing.frame(T0 + MINUTE)
    assert (hearing.unheard, hearing.newest) == (0, T0 + MINUTE)
    assert shown(hearing, 1) == 0, "it was heard of"
    assert shown(hearing, 2, at=200.0) == 1
    assert hearing.unheard_since == 200.0


def test_the_newest_stays_the_newest() -> None:
    hearing = up()
    hearing.frame(T0 + 3 * MINUTE)
    hearing.frame(T0 + MINUTE)
    assert hearing.newest == T0 + 3 * MINUTE
    assert shown(hearing, 3) == 0
    assert shown(hearing, 4) == 1
