"""Text from the network or a file, made harmless before a terminal sees it."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """`text` with everything that is not plainly visible written as an escape.

    Control, format (bidirectional overrides, zero width), surrogate, private and
    unassigned characters and line separators cannot move the cursor, forge a line
    or hide one; letters of any script, marks and ordinary spaces pass.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _visible(c) else _escaped(c) for c in text)


def _visible(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    category = unicodedata.category(character)
    return category[0] != "C" and category not in ("Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
