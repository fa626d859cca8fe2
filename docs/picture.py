"""Run a command in a pseudo-terminal and keep what it shows as a picture.

    python docs/picture.py -- klinetail watch btcusdt 1m

It needs `pip install 'klinetail[test]'`. The suffix of `--out` tells the format:
svg, or txt for the bare characters.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import signal
import sys
import time
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLORS = {"brown": "yellow", "brightbrown": "bright_yellow"}


class DimScreen(pyte.Screen):
    """pyte knows no dim text, which the table uses; it is kept as blinking."""

    def select_graphic_rendition(self, *attrs: int, **kwargs: bool) -> None:
        renamed = [{2: 5}.get(attr, attr) for attr in attrs]
        super().select_graphic_rendition(*renamed, **kwargs)


def record(command: list[str], columns: int, lines: int, seconds: float) -> pyte.Screen:
    """What `command` shows after so many seconds."""
    screen = DimScreen(columns, lines)
    stream = pyte.ByteStream(screen)
    env = {**os.environ, "TERM": "xterm-256color"}
    child = pexpect.spawn(
        command[0], command[1:], dimensions=(lines, columns), env=env, timeout=None
    )
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            stream.feed(child.read_nonblocking(65_536, timeout=left))
    except (pexpect.TIMEOUT, pexpect.EOF):
        pass
    finally:
        child.kill(signal.SIGINT)
        time.sleep(0.5)
        child.close(force=True)
    return screen


def rendered(screen: pyte.Screen) -> list[Text]:
    """The screen's lines as rich's text."""
    lines = []
    for row in range(screen.lines):
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        runs = itertools.groupby(cells, key=style)
        parts = [("".join(cell.data for cell in run), look) for look, run in runs]
        lines.append(Text.assemble(*parts, no_wrap=True))
    return lines


def style(cell: pyte.screens.Char) -> Style:
    """A character's look in rich's words."""
    return Style(
        color=color(cell.fg),
        bgcolor=color(cell.bg),
        bold=cell.bold,
        dim=cell.blink,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def color(name: str) -> str | None:
    """pyte's name of a colour in rich's words."""
    if name == "default":
        return None
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    plain = COLORS.get(name, name)
    return plain.replace("bright", "bright_") if "_" not in plain else plain


def main() -> None:
    """Read the arguments, take the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/watch.svg"))
    parser.add_argument("--columns", type=int, default=96)
    parser.add_argument("--lines", type=int, default=22)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--title", default=None, help="default: the command")
    parser.add_argument("command", nargs="+", help="after --")
    asked = parser.parse_args()
    screen = record(asked.command, asked.columns, asked.lines, asked.seconds)
    if asked.out.suffix == ".txt":
        text = "\n".join(line.rstrip() for line in screen.display)
        asked.out.write_text(text + "\n", encoding="utf-8")
        return
    console = Console(record=True, width=asked.columns, file=io.StringIO())
    for line in rendered(screen):
        console.print(line, soft_wrap=True)
    title = asked.title or " ".join(asked.command)
    asked.out.write_text(console.export_svg(title=title), encoding="utf-8")
    sys.stderr.write(f"{asked.out}: {asked.columns}x{asked.lines}\n")


if __name__ == "__main__":
    main()
