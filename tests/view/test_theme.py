"""What is shown is harmless, fits, and can be encoded."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from klinetail.view.theme import (
    ASCII,
    DOWN,
    GOOD,
    LOUD,
    QUIET,
    TITLE,
    TROUBLE,
    UNICODE,
    UP,
    clipped,
    drawn,
    glyphs_for,
    line,
)

both = pytest.mark.parametrize("glyphs", [UNICODE, ASCII])


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf8"])
def test_utf8_can_show_all(encoding):
    assert glyphs_for(encoding) is UNICODE


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", None, "", "none"])
def test_others_get_ascii(encoding):
    assert glyphs_for(encoding) is ASCII


def test_markup_is_text():
    text = line(("[bold]x[/bold][link=http://a]y", ""))
    assert text.plain == "[bold]x[/bold][link=http://a]y"
    assert text.cells == ((text.plain, ""),)


def test_a_label_of_ascii_keeps_its_width():
    assert ASCII.label("币安人生USDT") == "????????USDT"
    assert ASCII.label("BTC\x1b[2J") == "BTC\\x1b[2J"


@both
@given(st.text(), st.integers(0, 100))
def test_crop_fits(glyphs, text, width):
    label = glyphs.label(text)
    cropped = glyphs.crop(label, width)
    assert cell_len(cropped) <= width
    assert cell_len(label) > width or cropped == label


@both
@given(st.text(), st.integers(0, 100))
def test_clipped_fits_and_leaves_the_original_alone(glyphs, text, width):
    whole = line((glyphs.label(text), "bold"))
    before = whole.plain
    assert clipped(whole, width, glyphs).cell_len <= width
    assert whole.plain == before


@pytest.mark.parametrize("style", [TITLE, QUIET, UP, DOWN, LOUD, TROUBLE, GOOD])
def test_styles_are_the_terminals_own_and_colours_can_be_left_out(style):
    shown = drawn(line(("a", ""), ("[red]x", style), ("b", "")), color=True)
    expected = Style.parse(style).render("[red]x", color_system=ColorSystem.STANDARD)
    assert codes(shown) == ["a", *codes(expected), "b"]
    shown = drawn(line(("x", style)), color=False)
    assert not set(codes(shown)[0]) & set(map(str, range(30, 50)))


def codes(shown):
    """Text as it is, and what styles it as a sorted list."""
    parts = re.split("\x1b\\[([0-9;]+)m", shown)
    return [
        sorted(part.split(";")) if number % 2 else part
        for number, part in enumerate(parts)
        if part
    ]
