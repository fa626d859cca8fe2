"""Nothing that the network or a file says moves a cursor or hides a line."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.escape import printable


def harmless(character):
    category = unicodedata.category(character)
    return category[0] != "C" and category not in ("Zl", "Zp")


anything = st.text(st.characters(exclude_categories=()))


@given(anything)
@example("\ud800")
@example("\U0010ffff")
def test_no_output_can_move_the_cursor_or_break_the_line(text):
    output = printable(text)
    assert all(map(harmless, output))
    assert output.encode("utf-8").decode() == output


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp"))))
@example("BTCUSDT 币安人生USDT ÉTÉ שלום नमस्ते 🚀 \\x1b a\u00a0b\u3000c ~")
def test_what_is_plainly_visible_stays_as_it_is(text):
    assert printable(text) == text


@given(anything, anything)
def test_characters_are_escaped_one_by_one(one, two):
    assert printable(one + two) == printable(one) + printable(two)


@given(anything)
def test_what_is_printable_already_is_left_alone(text):
    assert printable(printable(text)) == printable(text)


def test_of_all_characters_none_gets_through_that_should_not():
    for character in map(chr, range(0x110000)):
        output = printable(character)
        if harmless(character):
            assert output == character
        else:
            assert output.startswith("\\")
            assert output.isascii()
            assert output.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\nc\td", "a\\rb\\nc\\td"),
        ("\x00\x08\x7f", "\\x00\\x08\\x7f"),
        ("\u202ecilbup", "\\u202ecilbup"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("a\u200bb\u200dc\ufeff", "a\\u200bb\\u200dc\\ufeff"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\x85", "\\x85"),
        ("\xad", "\\xad"),
        ("\ue000\U000e0041", "\\ue000\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("[red]x[/red]", "[red]x[/red]"),  # not markup here
        ("", ""),
    ],
)
def test_reads_like_python(text, expected):
    assert printable(text) == expected
