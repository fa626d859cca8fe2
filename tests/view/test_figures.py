"""Figures: exact where they are exact, and never an exception."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE
from klinetail.view import figures
from klinetail.view.theme import ASCII, UNICODE
from tests.strategies import candle, candles, decimals

START = 1_700_000_040_000


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        ("100", "101", "+1.00%"),
        ("100", "99.996", "-0.00%"),
        ("100", "100.00", "0.00%"),
        ("0.1", "0.3", "+200.00%"),
        ("1", "20", "+1900%"),
        ("0.000000000000000001", "999999999999999999", "+1.0e+38%"),
        ("0", "1", "?"),
        ("0", "0", "?"),
    ],
)
def test_percent(start, end, shown):
    assert figures.percent(Decimal(start), Decimal(end)) == shown


@given(decimals(), decimals())
def test_percent_is_short_and_has_the_right_sign(start, end):
    shown = figures.percent(Decimal(start), Decimal(end))
    assert len(shown) <= 10
    if shown != "?":
        way = Decimal(end).compare(Decimal(start))
        assert shown[0] == {1: "+", -1: "-", 0: "0"}[int(way)]


@given(candles())
def test_change_is_not_told_by_colour_alone(candle):
    shown, style = figures.change(candle, UNICODE)
    arrow, colour = {1: "▲g", -1: "▼r", 0: "=d"}[figures.direction(candle)]
    assert shown.startswith(arrow)
    assert style.startswith(colour)


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (-5, "0:00"),
        (999, "0:00"),
        (7_000, "0:07"),
        (723_000, "12:03"),
        (3_723_000, "1:02:03"),
        (86_400_000 * 2 + 3_600_000 * 3, "2d 03h"),
    ],
)
def test_span(milliseconds, shown):
    assert figures.span(milliseconds) == shown


def test_left_counts_whole_seconds_down_to_the_close():
    made = candle(START)
    assert figures.left(made, None) is None
    assert figures.left(made, START) == 60_000
    assert figures.left(made, START + 1) == 60_000
    assert figures.left(made, START + 59_001) == 1_000
    assert figures.left(made, START + MINUTE) == 0


@given(st.none() | st.integers(START - 2 * MINUTE, START + 2 * MINUTE))
def test_phase_is_one_glyph_for_any_time(time):
    made = candle(START)
    assert figures.phase(made, time, UNICODE) in UNICODE.phases
    assert figures.phase(made, START, UNICODE) == "○"
    assert figures.phase(made, START + 59_999, UNICODE) == "◕"


@given(
    st.lists(decimals().map(Decimal), max_size=30), st.sampled_from([ASCII, UNICODE])
)
def test_a_sparkline_has_one_glyph_a_value_and_shows_the_extremes(values, glyphs):
    drawn = figures.sparkline(values, glyphs)
    assert len(drawn) == len(values)
    assert set(drawn) <= set(glyphs.spark)
    if len(set(values)) > 1:
        assert drawn[values.index(min(values))] == glyphs.spark[0]
        assert drawn[values.index(max(values))] == glyphs.spark[-1]
