"""Numbers with an exponent become plain digits of the same value."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import Source
from klinetail.errors import BadRecording
from klinetail.formats.values import BOOLEANS, plain, sound
from tests.strategies import candle, decimals


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("0E-7", "0.0000000"),
        ("9.80E-7", "0.000000980"),
        ("9.8e-07", "0.00000098"),
        ("1e+3", "1000"),
        ("1.50e1", "15.0"),
        ("0e5", "0"),
        ("37123.40", "37123.40"),
    ],
)
def test_an_exponent(text, digits):
    assert plain(text) == digits


@pytest.mark.parametrize(
    "text",
    ["", "e5", "1e", "1e5.0", "-1e5", "1e999", "1_0e5", "١e1", "nan", "inf", "1e5\n"],
)
def test_anything_else_is_left_to_the_check(text):
    assert plain(text) == text


@given(decimals(), st.integers(-20, 20), st.sampled_from("eE"))
def test_the_value_is_the_same(digits, exponent, e):
    text = f"{digits}{e}{exponent}"
    found = plain(text)
    assert "e" not in found.lower()
    assert Decimal(found) == Decimal(text)


@given(decimals())
def test_plain_digits_are_left_alone(digits):
    assert plain(digits) == digits


def test_the_spellings_of_a_truth_value():
    assert [word for word, value in BOOLEANS.items() if value] == [
        "true",
        "True",
        "TRUE",
    ]
    assert len(BOOLEANS) == 6


def test_a_sound_candle():
    good = candle(source=Source.REST)
    assert sound(good) is good
    with pytest.raises(BadRecording, match="no candle: open or close lies outside"):
        sound(candle(prices=("3", "2", "1", "2")))
    with pytest.raises(BadRecording, match="no candle: the times are in microseconds"):
        sound(candle(1_735_689_600_000_000))
    with pytest.raises(BadRecording, match="no candle: the times are out of range"):
        sound(candle(1_735_689_600_000_000_000))
