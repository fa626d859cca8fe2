"""Escaping: text from the network or a file is made harmless for a terminal. Pure."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

LINE: Final = 500
"""Characters of a line for a person at most."""

STACKED: Final = 4
"""Combining marks on one character at most. Vietnamese needs two and Hebrew with vowels
three; a character with a few dozen marks covers the lines above and below."""

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
"""The first and last characters of ranges that a terminal does not show, although many
are letters or marks: `Default_Ignorable_Code_Point` of Unicode's
DerivedCoreProperties.txt, version 14.0."""

_STARTS: Final = tuple(first for first, _ in _IGNORABLE)
"""The first characters of the ranges, for a binary search."""

_BLANK: Final = "\u2800\U00016fe4\U0001d159"
"""Visible characters by category that are drawn blank: the braille pattern without
dots, the Khitan filler, the musical note without a head."""


def printable(text: str) -> str:
    """Return `text` with every character that is not plainly visible written as an
    escape.

    Letters of any script, marks and ordinary spaces pass. Escaped are:

    - control, format, surrogate, private and unassigned characters and line separators,
      which could move the cursor, or forge or hide a line;
    - fillers, variation selectors and other blank characters, which could make two
      different names look alike;
    - marks past `STACKED` on one character, which could cover other lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_pieces(text))


def brief(text: str, most: int = LINE) -> str:
    """Return `printable(text)`, shortened in the middle if longer than `most`.

    A shortened result names the number of characters left out of `text`. The running
    time does not grow with the length of `text`.

    Args:
        text: any text.
        most: characters of the result at most; at least 100.
    """
    if len(text) <= most and len(shown := printable(text)) <= most:
        return shown
    room = most - len(_left_out(len(text)))
    head = _fitting(_pieces(text[:most]), room - room // 3)
    # The cut may separate marks from their character: leading marks are escaped.
    pieces = list(_pieces(text[-most:], stacked=STACKED))
    tail = _fitting(reversed(pieces), room // 3)[::-1]
    left_out = _left_out(len(text) - len(head) - len(tail))
    return f"{''.join(head)}{left_out}{''.join(tail)}"


def _left_out(number: int) -> str:
    return f" [... {number:,} characters ...] "


def _fitting(pieces: Iterator[str], room: int) -> list[str]:
    """Return as many of the first pieces as fit into `room` characters."""
    found: list[str] = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        found.append(piece)
    return found


def _pieces(text: str, stacked: int = 0) -> Iterator[str]:
    """Yield each character or the character's escape.

    Args:
        text: any text.
        stacked: the number of combining marks already on the character before `text`.
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
