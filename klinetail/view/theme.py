"""Glyphs and styles: how things look, in one place.

The colours are the terminal's own sixteen, which its theme keeps legible on its
background. Nothing is said by a colour alone.
"""

from __future__ import annotations

import functools
from typing import Final

import msgspec
from rich.cells import cell_len, set_cell_size

from klinetail.escape import printable

MAX_TEXT: Final = 400
"""Text from outside is cut here before anybody measures it."""

TITLE: Final = "bold"
QUIET: Final = "dim"
UP: Final = "green"
DOWN: Final = "red"
LOUD: Final = "bold reverse yellow"
TROUBLE: Final = "bold red"
GOOD: Final = "green"

_ATTRIBUTES: Final = {"bold": "1", "dim": "2", "reverse": "7"}
_COLORS: Final = {"red": "31", "green": "32", "yellow": "33"}

Cell = tuple[str, str]
"""What is shown and its style: the words above, with spaces between them."""


class Line(msgspec.Struct, frozen=True):
    """One line of a screen. Its text is harmless to a terminal already."""

    cells: tuple[Cell, ...] = ()

    @property
    def plain(self) -> str:
        """Its text alone."""
        return "".join(text for text, _ in self.cells)

    @property
    def cell_len(self) -> int:
        """How wide it is, in cells of the terminal."""
        return cell_len(self.plain)

    def __add__(self, other: Line) -> Line:
        return Line(self.cells + other.cells)


def drawn(line: Line, *, color: bool) -> str:
    """What a terminal has to be sent to show it, from the cursor on."""
    return "".join(
        f"{_begin(style, color=color)}{text}\x1b[0m" if style else text
        for text, style in line.cells
    )


@functools.cache
def _begin(style: str, *, color: bool) -> str:
    codes = _ATTRIBUTES | (_COLORS if color else {})
    found = [codes[word] for word in style.split() if word in codes]
    return f"\x1b[{';'.join(found)}m" if found else ""


class Glyphs(msgspec.Struct, frozen=True):
    """The characters that are not letters and digits."""

    up: str
    down: str
    flat: str
    closed: str
    rest: str
    phases: str
    """A forming candle's progress, from just opened to nearly closed."""
    closing: str
    gap: str
    revised: str
    ended: str
    live: str
    busy: str
    down_link: str
    spark: str
    """From low to high."""
    rule: str
    more: str
    none: str
    arrow: str
    dot: str
    unicode: bool

    def label(self, text: str) -> str:
        """`text` from outside, harmless and showable; its width is kept."""
        shown = printable(text[:MAX_TEXT])
        if self.unicode or shown.isascii():
            return shown
        return "".join(c if c.isascii() else "?" * cell_len(c) for c in shown)

    def crop(self, text: str, width: int) -> str:
        """`text` in at most `width` cells, with a mark where it was cut."""
        if cell_len(text) <= width:
            return text
        room = width - cell_len(self.more)
        if room < 1:
            return set_cell_size(text, max(width, 0))
        return set_cell_size(text, room) + self.more


UNICODE: Final = Glyphs(
    up="▲",
    down="▼",
    flat="=",
    closed="✓",
    rest="↺",
    phases="○◔◑◕",
    closing="◌",
    gap="!",
    revised="≠",
    ended="×",  # noqa: RUF001  it looks like an x because it is a cross
    live="●",
    busy="◌",
    down_link="○",
    spark="▁▂▃▄▅▆▇",
    rule="─",
    more="…",
    none="–",  # noqa: RUF001  a dash for a missing value
    arrow="→",
    dot="·",
    unicode=True,
)
ASCII: Final = Glyphs(
    up="^",
    down="v",
    flat="=",
    closed=".",
    rest="r",
    phases="----",
    closing="~",
    gap="!",
    revised="#",
    ended="x",
    live="*",
    busy="~",
    down_link="o",
    spark="_.-'",
    rule="-",
    more="~",
    none="-",
    arrow="->",
    dot="|",
    unicode=False,
)


def glyphs_for(encoding: str | None) -> Glyphs:
    """What a terminal of this encoding can show."""
    try:
        "".join(msgspec.structs.astuple(UNICODE)[:-1]).encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return ASCII
    return UNICODE


def line(*cells: Cell) -> Line:
    """One line of what is not empty among the cells."""
    return Line(tuple(cell for cell in cells if cell[0]))


def clipped(line: Line, width: int, glyphs: Glyphs) -> Line:
    """The line itself if it fits, else one cut to `width` cells."""
    if line.cell_len <= width:
        return line
    room = width - cell_len(glyphs.more)
    left = max(room if room > 0 else width, 0)
    kept: list[Cell] = []
    for text, style in line.cells:
        shown = text if cell_len(text) <= left else set_cell_size(text, left)
        kept.append((shown, style))
        left -= cell_len(shown)
        if left <= 0:
            break
    if room > 0:
        kept.append((glyphs.more, ""))
    return Line(tuple(kept))
