"""Glyphs and styles: how things look, in one place.

The colours are the terminal's own sixteen, which its theme keeps legible on its
background. Nothing is said by a colour alone.
"""

from __future__ import annotations

from typing import Final

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.text import Text

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


def line(*parts: tuple[str, str]) -> Text:
    """One line from (text, style) parts; no markup is ever read from them."""
    return Text.assemble(*parts, no_wrap=True, end="")


def clipped(text: Text, width: int, glyphs: Glyphs) -> Text:
    """`text` itself if it fits, else a copy cut to `width` cells."""
    if text.cell_len <= width:
        return text
    room = width - cell_len(glyphs.more)
    cut = text.copy()
    cut.truncate(max(room if room > 0 else width, 0), overflow="crop")
    if room > 0:
        cut.append(glyphs.more)
    return cut
