"""A terminal with `klinetail` in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pexpect
import pyte
import pytest

from tests.e2e.conftest import DEADLINE, KLINETAIL, environment


class Terminal:
    """A terminal with `klinetail` in it."""

    def __init__(self, arguments: list[str], columns: int, lines: int, **env: str):
        self.screen = pyte.Screen(columns, lines)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            KLINETAIL[0],
            [*KLINETAIL[1:], *arguments],
            env=environment(**env),
            dimensions=(lines, columns),
            timeout=DEADLINE,
        )

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def read(self, seconds: float = 0.1) -> bool:
        """Take in what it writes; False at its end."""
        try:
            data = self.child.read_nonblocking(65_536, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        # pyte knows neither: synchronized output is one frame or another.
        self._stream.feed(re.sub(rb"\x1b\[\?2026[hl]", b"", data))
        return True

    def until(self, seen: Callable[[str], object]) -> str:
        until = time.monotonic() + DEADLINE
        while not seen(self.text()):
            assert self.read(), self.text()
            assert time.monotonic() < until, self.text()
        return self.text()

    def end(self) -> int:
        """Its exit code, after it ended."""
        until = time.monotonic() + DEADLINE
        while self.read():
            assert time.monotonic() < until, self.text()
        self.child.wait()
        return int(self.child.exitstatus or 0)

    def restored(self) -> bool:
        """Whether the cursor is shown and the main screen is back."""
        shown = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        main = self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
        return shown and main


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts `klinetail watch` in a terminal, which is closed in the end."""
    opened: list[Terminal] = []

    def start(
        *arguments: str, columns: int = 100, lines: int = 24, **env: str
    ) -> Terminal:
        opened.append(Terminal(["watch", *arguments], columns, lines, **env))
        return opened[-1]

    yield start
    for one in opened:
        one.child.close(force=True)
