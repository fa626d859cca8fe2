"""Text from the network or a file, made harmless before a terminal sees it."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

LINE: Final = 500
"""Characters that a line for a person has at most."""

STACKED: Final = 4
"""Marks that may stand upon one another on one character. Vietnamese needs two of
them and Hebrew with its vowels three; with a few dozen a character covers the lines
above and below its own."""

_IGNORABLE: Final = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
"""First and last of the characters that a terminal shows nothing of, although many of
them are letters and marks: `Default_Ignorable_Code_Point` in Unicode's
DerivedCoreProperties.txt, version 14.0."""

_STARTS: Final = tuple(first for first, _ in _IGNORABLE)

_BLANK: Final = "\u2800\U00016fe4\U0001d159"
"""Characters that are drawn as nothing without being ignorable or spaces: the braille
pattern without a dot, the Khitan filler, the note without a head."""


def printable(text: str) -> str:
    """`text` with everything that is not plainly visible written as an escape.

    Control, format (bidirectional overrides, zero width), surrogate, private and
    unassigned characters and line separators cannot move the cursor, forge a line
    or hide one; fillers, variation selectors and other characters without a picture
    cannot make two names look alike; more than `STACKED` marks on one character
    cannot cover other lines. Letters of any script, marks and ordinary spaces pass.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_pieces(text))


def brief(text: str, most: int = LINE) -> str:
    """`printable(text)`, of what is longer than that only the beginning and the end,
    and between them how many characters of `text` are left out.

    The time that this takes does not grow with what is left out.

    Args:
        text: any text.
        most: characters to return at most, 100 at least.
    """
    if len(text) <= most and len(shown := printable(text)) <= most:
        return shown
    room = most - len(_left_out(len(text)))
    head = _fitting(_pieces(text[:most]), room - room // 3)
    # What the marks at the beginning of an end stand on is not known: none pass.
    pieces = list(_pieces(text[-most:], stacked=STACKED))
    tail = _fitting(reversed(pieces), room // 3)[::-1]
    left_out = _left_out(len(text) - len(head) - len(tail))
    return f"{''.join(head)}{left_out}{''.join(tail)}"


def _left_out(number: int) -> str:
    return f" [... {number:,} characters ...] "


def _fitting(pieces: Iterator[str], room: int) -> list[str]:
    """The first pieces, as many as have room."""
    found: list[str] = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        found.append(piece)
    return found


def _pieces(text: str, stacked: int = 0) -> Iterator[str]:
    """Each character or its escape.

    Args:
        text: any text.
        stacked: marks that stand upon one another before it.
    """
    for character in text:
        category = unicodedata.category(character)
        stacked = stacked + 1 if category in ("Mn", "Me") else 0
        visible = stacked <= STACKED and _visible(character, category)
        yield character if visible else _escaped(character)


def _visible(character: str, category: str) -> bool:
    if character.isascii():
        return character.isprintable()
    if category[0] == "C" or category in ("Zl", "Zp") or character in _BLANK:
        return False
    at = bisect_right(_STARTS, ord(character)) - 1
    return at < 0 or ord(character) > _IGNORABLE[at][1]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
