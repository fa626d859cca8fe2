"""Nothing that the network or a file says moves a cursor, hides or fakes anything."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinetail.escape import LINE, STACKED, brief, printable

UNSEEN = re.compile(
    "HANGUL (CHOSEONG |JUNGSEONG )?FILLER|HALFWIDTH HANGUL FILLER|VARIATION SELECTOR"
    "|COMBINING GRAPHEME JOINER|KHMER VOWEL INHERENT|KHITAN SMALL SCRIPT FILLER"
    "|BRAILLE PATTERN BLANK|MUSICAL SYMBOL NULL NOTEHEAD"
)
"""By their names: the letters, marks and symbols that nothing is drawn for."""

ALL = [chr(n) for n in range(0x110000)]


def harmless(character):
    category = unicodedata.category(character)
    if category[0] == "C" or category in ("Zl", "Zp"):
        return False
    return not UNSEEN.search(unicodedata.name(character, ""))


def is_mark(character):
    return unicodedata.category(character) in ("Mn", "Me")


MARKS = [character for character in ALL if is_mark(character) and harmless(character)]
INVISIBLE = "\u3164\u115f\u1160\uffa0\u034f\ufe0f\U000e0101\u180b\u17b4\u2800\u200b"

anything = st.text(st.characters(exclude_categories=()))
stacks = st.text(st.sampled_from([*"ae \n\u4e00", *MARKS[:40], "\u0489", *INVISIBLE]))
texts = anything | stacks
without_marks = st.text(st.characters(exclude_categories=("Mn", "Me")))

LEFT_OUT = re.compile(r"(.*) \[\.\.\. ([0-9,]+) characters \.\.\.\] (.*)").fullmatch


def height(text):
    """The most marks that stand upon one another."""
    return max(map(len, "".join("m" if is_mark(c) else " " for c in text).split(" ")))


@given(texts)
@example("\ud800")
@example("\U0010ffff")
def test_no_output_can_move_the_cursor_or_break_the_line(text):
    output = printable(text)
    assert all(map(harmless, output))
    assert height(output) <= STACKED
    assert output.encode("utf-8").decode() == output


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Mn", "Me"))))
@example("BTCUSDT 币安人生USDT ÉTÉ שלום 🚀 \\x1b a\u00a0b\u3000c ~")
def test_what_is_plainly_visible_stays_as_it_is(text):
    text = "".join(filter(harmless, text))
    assert printable(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "नमस्ते",
        "Việt Nam: Vie\u0323\u0302t",
        "שָׁלוֹם",
        "ที่นี่",
        "e\u0301\u0302\u0303\u0304",
        "မြန်မာ",
    ],
)
def test_marks_that_a_script_needs_stay_as_they_are(text):
    assert printable(text) == text


@given(stacks)
def test_of_marks_upon_one_another_the_first_few_pass(text):
    expected, stacked = "", 0
    for character in text:
        stacked = stacked + 1 if is_mark(character) else 0
        passes = harmless(character) and stacked <= STACKED
        expected += character if passes else ascii(character)[1:-1]
    assert printable(text) == expected


@given(texts, texts)
def test_what_comes_after_a_letter_does_not_depend_on_what_comes_before(one, two):
    assert printable(f"{one}a{two}") == f"{printable(one)}{printable(f'a{two}')}"


@given(texts)
def test_what_is_printable_already_is_left_alone(text):
    assert printable(printable(text)) == printable(text)


def test_of_all_characters_none_gets_through_that_should_not():
    for character in ALL:
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
        ("\u3164\u115f\uffa0", "\\u3164\\u115f\\uffa0"),
        ("\u034f\ufe0f\U000e0101", "\\u034f\\ufe0f\\U000e0101"),
        ("\u180b\u17b4", "\\u180b\\u17b4"),
        ("Q" + "\u0489" * 6, "Q" + "\u0489" * 4 + "\\u0489" * 2),
        ("\u2800", "\\u2800"),
        ("[red]x[/red]", "[red]x[/red]"),  # not markup here
        ("", ""),
    ],
)
def test_reads_like_python(text, expected):
    assert printable(text) == expected


class TestBrief:
    @given(texts, st.integers(100, 600))
    def test_what_is_short_enough_is_all_there(self, text, most):
        shown = printable(text)
        if len(shown) <= most:
            assert brief(text, most) == shown

    @given(texts, st.integers(0, 40), st.integers(100, 600))
    def test_nothing_is_longer_than_asked_or_less_harmless(self, text, times, most):
        found = brief(text * times, most)
        assert len(found) <= most
        assert printable(found) == found

    @given(without_marks, st.integers(0, 40), st.integers(100, 600))
    def test_what_is_too_long_is_its_beginning_and_its_end(self, text, times, most):
        text *= times
        found = brief(text, most)
        if found == printable(text):
            return
        head, number, tail = LEFT_OUT(found).groups()
        ends = [n for n in range(len(text)) if printable(text[:n]) == head]
        begins = [n for n in range(len(text) + 1) if printable(text[n:]) == tail]
        assert begins[0] - ends[0] == int(number.replace(",", ""))

    def test_megabytes_become_one_line(self):
        found = brief("\x1b" + "x" * 4_000_000 + ": No such file")
        assert len(found) <= LINE
        assert found.startswith("\\x1bxxx")
        assert " characters ...] xxx" in found
        assert found.endswith("xxx: No such file")

    def test_says_how_many_are_left_out(self):
        text = "".join(chr(97 + n % 26) for n in range(1_234))
        head, number, tail = LEFT_OUT(brief(text, 200)).groups()
        assert len(head) + int(number.replace(",", "")) + len(tail) == len(text)
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(brief(text, 200)) == 200
