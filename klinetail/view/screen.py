"""The live screen, which draws the lines of a view.

The screen gives the terminal back at the end, whatever happens.
"""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from klinetail.errors import OutputError
from klinetail.escape import printable
from klinetail.view.terminal import Terminal
from klinetail.view.theme import Line, drawn

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_BEGIN: Final = "\x1b[?2026h"
"""Begins synchronized output: the terminal shows a frame only when it is whole."""

_END: Final = "\x1b[?2026l"
_CLEAR_REST: Final = "\x1b[K"

_IDLE: Final = 1.0
"""Seconds after which a frame is due even if nothing changes."""

_FAREWELL: Final = 0.5
"""Seconds that the last bytes may take."""

_ROOM_FOR_PROMPT: Final = 3
"""Lines of the terminal below the summary, for the prompt of the shell."""

_SAID_KEPT: Final = 1_000
"""Log lines to keep while the terminal takes none, as in the background."""


class View(Protocol):
    """The content of a screen."""

    def render(self, width: int, height: int) -> Sequence[Line]:
        """Return the whole screen: at most `height` lines of at most `width` cells."""
        ...

    def summary(self, width: int, height: int) -> Sequence[Line]:
        """Return the lines that stay on the terminal after the end."""
        ...


class Screen:
    """The alternate screen of one terminal, used as a context manager.

    A frame is one write of the changed lines. A slow terminal gets the newest frame
    after it has taken the previous frame, and the caller never waits.

    Args:
        stdout: the terminal.
        color: whether to use colours.
        rate: the greatest number of frames a second.
    """

    def __init__(
        self, stdout: TextIO, *, color: bool = True, rate: float = 8.0
    ) -> None:
        self._stdout = stdout
        self._color = color
        self._pause = 1 / rate
        """Seconds between two frames at least."""
        self._terminal: Terminal | None = None
        """The terminal between `__enter__` and `__exit__`."""
        self._on = False
        """Whether the alternate screen is on."""
        self._view: View | None = None
        """The view of the latest `draw`, for the summary."""
        self._lines: list[Line] = []
        """The lines on the terminal; empty if the next frame must be whole."""
        self._size = (0, 0)
        """The columns and lines of the latest frame."""
        self._drawn_at = float("-inf")
        """When the latest frame was drawn, monotonic seconds."""
        self._said: deque[str] = deque()
        """Log lines to write with the next frame."""
        self._lost = 0
        """Log lines dropped because too many were waiting."""

    def __enter__(self) -> Self:
        self._terminal = Terminal(self._stdout.fileno())
        atexit.register(self.suspend)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        atexit.unregister(self.suspend)
        terminal, self._terminal = self._terminal, None
        if terminal is None:
            return
        try:
            self._leave(terminal, with_summary=True)
        except OutputError:
            if kind is None:
                raise
        finally:
            terminal.close()

    def draw(self, view: View, now: float) -> float:
        """Draw `view` if a frame is due.

        Args:
            view: the view, which may have changed since the latest call.
            now: monotonic seconds.

        Returns:
            When to draw again even if nothing changes, monotonic seconds.

        Raises:
            OutputError: the terminal is gone.
        """
        if (terminal := self._terminal) is None:
            raise RuntimeError("the screen is not entered")
        self._view = view
        if now < self.due:
            return self.due
        self._drawn_at = now
        if not terminal.flush():
            return now + self._pause
        if not terminal.foreground():
            return now + _IDLE
        frame = self._frame(view, terminal)
        if frame:
            terminal.write(self._bytes(frame))
        return now + _IDLE

    @property
    def due(self) -> float:
        """The earliest time for the next frame, monotonic seconds."""
        return self._drawn_at + self._pause

    def say(self, text: str) -> None:
        """Write a log line to the main screen, above the table, with the next frame.

        Args:
            text: one line; characters that could harm a terminal are escaped.
        """
        if len(self._said) >= _SAID_KEPT:
            self._said.popleft()
            self._lost += 1
        self._said.append(printable(text))

    def resized(self) -> None:
        """Make a whole frame due at once, because the terminal's size changed."""
        self._lines = []
        self._drawn_at = float("-inf")

    def suspend(self) -> None:
        """Give the terminal back until the next frame. Never raises."""
        if self._terminal is None:
            return
        try:
            self._leave(self._terminal, with_summary=False)
        except OutputError:
            return

    def resume(self) -> None:
        """Take the terminal again with the next frame in the foreground."""
        self._on = False
        self.resized()

    def _frame(self, view: View, terminal: Terminal) -> str:
        width, height = size = terminal.size()
        if size != self._size:
            self._lines = []
            self._size = size
        above = self._take_said()
        parts: list[str] = []
        if not self._on or above:
            if self._on:
                parts.append(_LEAVE)
            else:
                terminal.mute()
            parts += [above, _ENTER]
            self._on = True
            self._lines = []
        lines = list(view.render(width, height))[:height]
        lines += [Line()] * (height - len(lines))
        for row, line in enumerate(lines):
            known = self._lines[row] if row < len(self._lines) else None
            if known is not line and known != line:
                parts.append(f"\x1b[{row + 1};1H{drawn(line, color=self._color)}")
                # If the line is full, the cursor is still in the last column, and
                # clearing the rest of the line would clear that column.
                parts.append(_CLEAR_REST if line.cell_len < width else "")
        self._lines = lines
        return f"{_BEGIN}{''.join(parts)}{_END}" if parts else ""

    def _bytes(self, text: str) -> bytes:
        return text.encode(self._stdout.encoding, "replace")

    def _take_said(self) -> str:
        said, self._said = self._said, deque()
        lost, self._lost = self._lost, 0
        if lost:
            said.appendleft(f"klinetail: ({lost} lines could not be shown in time)")
        return "".join(f"{line}\r\n" for line in said)

    def _leave(self, terminal: Terminal, *, with_summary: bool) -> None:
        if not self._on:
            return
        self._on = False
        parts = [_END, _LEAVE, self._take_said()]
        if with_summary and self._view is not None:
            width, height = terminal.size()
            lines = self._view.summary(width, height - _ROOM_FOR_PROMPT)
            parts += [f"{drawn(line, color=self._color)}\r\n" for line in lines]
        try:
            terminal.write(self._bytes("".join(parts)))
            terminal.drain(_FAREWELL)
        finally:
            terminal.unmute()
            self._lines = []
