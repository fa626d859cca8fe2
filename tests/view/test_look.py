"""What is shown is harmless, fits, and can be encoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from klinetail.view.look import ASCII, UNICODE, clipped, glyphs_for, line

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
    assert not text.spans


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
