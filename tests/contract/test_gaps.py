"""Announced ranges: which one is next, what is left of one when part of it comes."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE
from klinetail.contract.gaps import OpenGaps
from klinetail.events import GapEvent
from tests.contract.minutes import STREAM, T0, candle


def gap(start: int, end: int, reason: str = "HTTP 503") -> GapEvent:
    return GapEvent(STREAM, T0 + start * MINUTE, T0 + end * MINUTE, reason)


def found(start: int, end: int) -> list:
    return [candle(T0 + n * MINUTE, 3) for n in range(start, end)]


def missing(gaps: OpenGaps) -> list[int]:
    """The minutes that are missing, counted by asking for each."""
    return [n for n in range(20) if gaps.covering(T0 + n * MINUTE) is not None]


def test_none_is_open_at_first() -> None:
    gaps = OpenGaps()
    assert (len(gaps), bool(gaps), gaps.retry_at) == (0, False, -math.inf)
    assert gaps.covering(T0) is None


def test_a_gap_covers_its_candles_and_no_other() -> None:
    gaps = OpenGaps()
    gaps.add(gap(2, 4))
    gaps.add(gap(6, 7, "HTTP 418"))
    assert missing(gaps) == [2, 3, 6]
    assert gaps.covering(T0 + 3 * MINUTE) == gaps.first == gap(2, 4)
    assert gaps.covering(T0 + 6 * MINUTE) == gap(6, 7, "HTTP 418")
    assert len(gaps) == 2


def test_they_take_turns() -> None:
    gaps = OpenGaps()
    for start in (0, 3, 6):
        gaps.add(gap(start, start + 1))
    turns = []
    for until in (1.0, 2.0, 3.0, 4.0):
        turns.append(gaps.first)
        gaps.put_off(until)
        assert gaps.retry_at == until
    assert turns == [gap(0, 1), gap(3, 4), gap(6, 7), gap(0, 1)]


def test_what_is_filled_at_its_begin_leaves_the_rest_where_it_was() -> None:
    gaps = OpenGaps()
    gaps.add(gap(0, 5))
    gaps.add(gap(7, 8))
    candles = found(0, 2)
    filled = gaps.fill(gap(0, 5), candles)
    assert filled == GapEvent(STREAM, T0, T0 + 2 * MINUTE, "HTTP 503", tuple(candles))
    assert gaps.first == gap(2, 5), "the next piece is fetched at once"


def test_what_is_left_before_it_goes_to_the_back() -> None:
    """It was asked for and is not there; the others may be."""
    gaps = OpenGaps()
    gaps.add(gap(0, 5))
    gaps.add(gap(7, 8))
    gaps.fill(gap(0, 5), found(2, 3))
    turns = []
    for _ in range(3):
        turns.append(gaps.first)
        gaps.put_off(0.0)
    assert turns == [gap(3, 5), gap(7, 8), gap(0, 2)]


def test_what_is_filled_whole_is_open_no_more() -> None:
    gaps = OpenGaps()
    gaps.add(gap(0, 5))
    gaps.add(gap(7, 8))
    gaps.fill(gap(0, 5), found(0, 5))
    assert gaps.first == gap(7, 8)
    gaps.fill(gap(7, 8), found(7, 8))
    assert not gaps


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(1, 4)), max_size=12))
def test_pieces_that_come_are_missing_no_more_and_all_others_are(
    pieces: list[tuple[int, int]],
) -> None:
    gaps = OpenGaps()
    gaps.add(gap(1, 9))
    gaps.add(gap(11, 18))
    left = {*range(1, 9), *range(11, 18)}
    for start, length in pieces:
        covering = gaps.covering(T0 + start * MINUTE)
        if covering is None:
            continue
        end = min(start + length, (covering.end - T0) // MINUTE)
        event = gaps.fill(covering, found(start, end))
        assert event.filled
        left -= {*range(start, end)}
        assert missing(gaps) == sorted(left)
