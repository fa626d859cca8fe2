"""Tables and lines that are printed once, in the manner of a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from klinetail.view.terminal import coloured, is_dumb


def printed(
    stdout: TextIO, environ: Mapping[str, str], *parts: RenderableType
) -> bytes:
    """Return tables and lines as bytes in the encoding of a terminal.

    Characters without a place in the encoding become question marks.

    Args:
        stdout: the terminal.
        environ: `NO_COLOR` switches colours off. If `TERM` names a dumb terminal, the
            bytes have neither colours nor bold text.
        parts: the tables and lines, escaped.
    """
    console = Console(
        file=stdout,
        force_terminal=True,
        color_system=None if is_dumb(environ) else "standard",
        no_color=not coloured(environ),
        markup=False,
        emoji=False,
        highlight=False,
    )
    with console.capture() as captured:
        for part in parts:
            # The terminal breaks a long line by itself, so that it can be copied whole.
            console.print(part, soft_wrap=isinstance(part, Text))
    return captured.get().encode(stdout.encoding, "replace")
