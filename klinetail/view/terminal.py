"""The terminal itself: what it can do, and bytes to it that never block."""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Mapping
from typing import Final, Literal, TextIO

from klinetail.errors import OutputError
from klinetail.view.theme import Glyphs, glyphs_for

Color = Literal["auto", "always", "never"]

_CHUNK: Final = 1 << 16


def is_dumb(environ: Mapping[str, str]) -> bool:
    """Whether a terminal there shows characters and heeds no sequences."""
    return environ.get("TERM", "") in ("", "dumb", "unknown")


def can_draw(stdout: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a live table can be shown there: a terminal with a cursor to move."""
    if is_dumb(environ):
        return False
    try:
        return stdout.isatty() and os.isatty(stdout.fileno())
    except (OSError, ValueError):
        return False


def wants_lines(environ: Mapping[str, str]) -> bool:
    """Whether lines are wanted that nothing moves or overwrites, for a screen reader:
    `ACCESSIBLE` is set, and not to 0, false or no."""
    return environ.get("ACCESSIBLE", "").lower() not in ("", "0", "false", "no")


def coloured(environ: Mapping[str, str], color: Color = "auto") -> bool:
    """Whether to use colours there.

    Args:
        environ: `NO_COLOR` decides where `color` does not.
        color: `always` and `never` overrule the environment.
    """
    return color == "always" or (color == "auto" and not environ.get("NO_COLOR"))


def glyphs_of(stdout: TextIO) -> Glyphs:
    """What this terminal can show."""
    return glyphs_for(stdout.encoding)


class Terminal:
    """Writes to one terminal without ever waiting for it.

    What it does not take at once is kept; nothing new should be offered before
    `flush` says that all is out. It is opened afresh by its name, so that being
    non-blocking is not shared with the shell and whoever else has it open.

    Args:
        fd: the terminal's file descriptor; it stays the caller's.
    """

    def __init__(self, fd: int) -> None:
        self._given = fd
        self._pending = b""
        self._saved: list[int | list[bytes | int]] | None = None
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._fd = os.open(os.ttyname(fd), flags)
        except OSError:
            self._fd = fd

    def size(self) -> tuple[int, int]:
        """Columns and lines; 80x24 where the terminal does not know."""
        try:
            columns, lines = os.get_terminal_size(self._given)
        except OSError:
            return 80, 24
        return columns or 80, lines or 24

    def foreground(self) -> bool:
        """Whether it is ours to draw on: a job in the background must not."""
        try:
            return os.tcgetpgrp(self._given) == os.getpgrp()
        except OSError:
            return True

    def write(self, data: bytes) -> bool:
        """Put `data` after what is pending; whether all of it is out.

        Raises:
            OutputError: the terminal is gone.
        """
        self._pending += data
        return self.flush()

    def flush(self) -> bool:
        """Write what the terminal takes now; whether all of it is out.

        Raises:
            OutputError: the terminal is gone.
        """
        try:
            while self._pending:
                written = os.write(self._fd, self._pending[:_CHUNK])
                self._pending = self._pending[written:]
        except BlockingIOError:
            return False
        except OSError as error:
            self._pending = b""
            raise OutputError(f"the terminal is gone: {error.strerror}") from error
        return True

    def drain(self, seconds: float) -> bool:
        """Wait until all is out, `seconds` at most; whether it is.

        Raises:
            OutputError: the terminal is gone.
        """
        deadline = time.monotonic() + seconds
        while not self.flush():
            left = deadline - time.monotonic()
            if left <= 0:
                self._pending = b""
                return False
            ready = select.poll()
            ready.register(self._fd, select.POLLOUT)
            ready.poll(left * 1000)
        return True

    def mute(self) -> None:
        """Stop echoing what is typed: it would tear the screen."""
        try:
            saved = termios.tcgetattr(self._given)
            quiet = termios.tcgetattr(self._given)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(self._given, termios.TCSANOW, quiet)
        except termios.error:
            return
        self._saved = self._saved or saved

    def unmute(self) -> None:
        """Undo `mute`; what was typed meanwhile is not left to the shell."""
        saved, self._saved = self._saved, None
        if saved is None or not self.foreground():
            return
        try:
            termios.tcsetattr(self._given, termios.TCSANOW, saved)
            termios.tcflush(self._given, termios.TCIFLUSH)
        except termios.error:
            return

    def close(self) -> None:
        """Let go of our own descriptor."""
        if self._fd != self._given:
            os.close(self._fd)
            self._fd = self._given
