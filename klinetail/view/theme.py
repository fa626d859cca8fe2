"""The glyphs and styles of all views.

Colours are the sixteen colours of the terminal, because the user's theme keeps them
legible on the user's background. No fact is shown by a colour alone.
"""

from __future__ import annotations

import functools
from typing import Final

import msgspec
from rich.cells import cell_len, set_cell_size

from klinetail.escape import printable

MAX_TEXT: Final = 400
"""The greatest length of a label in characters; a longer text is cut."""

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
"""A text and its style: words separated by spaces, for example `bold red`."""


class Line(msgspec.Struct, frozen=True):
    """One line of a screen. Its text is harmless to a terminal."""

    cells: tuple[Cell, ...] = ()
    """The parts of the line from left to right, each with a style of its own."""

    @property
    def plain(self) -> str:
        """The text of the line without styles."""
        return "".join(text for text, _ in self.cells)

    @property
    def cell_len(self) -> int:
        """The width of the line in cells of the terminal."""
        return cell_len(self.plain)

    def __add__(self, other: Line) -> Line:
        return Line(self.cells + other.cells)


def drawn(line: Line, *, color: bool) -> str:
    """Return the text and the control sequences to draw `line` at the cursor."""
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
    """The symbols of all views, for one encoding."""

    up: str
    """The close of a candle is above its open."""
    down: str
    """The close of a candle is below its open."""
    flat: str
    """The close of a candle equals its open."""
    closed: str
    """The candle is closed, and a frame of the stream brought the close."""
    rest: str
    """The candle is closed, and REST brought the candle."""
    phases: str
    """The progress of a forming candle: from just opened to nearly closed."""
    closing: str
    """The close of a candle is due, or REST must confirm the candle."""
    gap: str
    """Candles of the stream are missing."""
    revised: str
    """The exchange changed a closed candle."""
    ended: str
    """The exchange does not trade the symbol any more."""
    live: str
    """All connections are live."""
    busy: str
    """A connection is being made, or a stream brings no live price."""
    down_link: str
    """A connection is down, or a stream is mute."""
    spark: str
    """The steps of a sparkline from low to high."""
    rule: str
    """A piece of the line between two days."""
    more: str
    """The text was cut here."""
    none: str
    """A value is missing."""
    arrow: str
    """The word "to", between two values or times."""
    unicode: bool
    """Whether the terminal can show letters beyond ASCII."""

    def label(self, text: str) -> str:
        """Return text from outside as the terminal can show it without harm.

        On a terminal for ASCII alone, other letters become question marks of the
        same width.
        """
        shown = printable(text[:MAX_TEXT])
        if self.unicode or shown.isascii():
            return shown
        return "".join(c if c.isascii() else "?" * cell_len(c) for c in shown)

    def crop(self, text: str, width: int) -> str:
        """Return `text` in at most `width` cells, with a mark where the text is cut."""
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
    ended="×",  # noqa: RUF001 - the multiplication sign is a cross
    live="●",
    busy="◌",
    down_link="○",
    spark="▁▂▃▄▅▆▇",
    rule="─",
    more="…",
    none="–",  # noqa: RUF001 - a dash stands for a missing value
    arrow="→",
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
    unicode=False,
)


def glyphs_for(encoding: str | None) -> Glyphs:
    """Return the glyphs for a terminal of the given encoding."""
    try:
        "".join(msgspec.structs.astuple(UNICODE)[:-1]).encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return ASCII
    return UNICODE


def line(*cells: Cell) -> Line:
    """Return the line of the cells; cells without text are left out."""
    return Line(tuple(cell for cell in cells if cell[0]))


def clipped(line: Line, width: int, glyphs: Glyphs) -> Line:
    """Return `line`, cut to `width` cells if the line is wider."""
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
