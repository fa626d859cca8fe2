"""The terminal: its abilities, and writing without ever waiting."""

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
"""The choices of `--color`."""

_CHUNK: Final = 1 << 16
"""Bytes offered to the terminal at once."""


def is_dumb(environ: Mapping[str, str]) -> bool:
    """Return whether `TERM` names a terminal without control sequences."""
    return environ.get("TERM", "") in ("", "dumb", "unknown")


def can_draw(stdout: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether `stdout` is a terminal that can show a live table."""
    if is_dumb(environ):
        return False
    try:
        return stdout.isatty() and os.isatty(stdout.fileno())
    except (OSError, ValueError):
        return False


def wants_lines(environ: Mapping[str, str]) -> bool:
    """Return whether the user wants plain lines, which suit a screen reader.

    `ACCESSIBLE` says so, unless its value is empty, 0, false or no.
    """
    return environ.get("ACCESSIBLE", "").lower() not in ("", "0", "false", "no")


def coloured(environ: Mapping[str, str], color: Color = "auto") -> bool:
    """Return whether to use colours.

    Args:
        environ: with `auto`, a `NO_COLOR` that is not empty switches colours off.
        color: `always` and `never` overrule the environment.
    """
    return color == "always" or (color == "auto" and not environ.get("NO_COLOR"))


def glyphs_of(stdout: TextIO) -> Glyphs:
    """Return the glyphs for the encoding of `stdout`."""
    return glyphs_for(stdout.encoding)


class Terminal:
    """Writes to one terminal without ever waiting.

    Bytes that the terminal does not take at once are kept. A caller should write new
    bytes only after `flush` has returned True. The terminal is opened a second time,
    by its name: non-blocking mode belongs to an open file, and the file of `fd` is
    shared with the shell and other programs.

    Args:
        fd: the file descriptor of the terminal, which the caller has to close.
    """

    def __init__(self, fd: int) -> None:
        self._given = fd
        """The descriptor of the caller."""
        self._pending = b""
        """Bytes that wait for the terminal."""
        self._saved: list[int | list[bytes | int]] | None = None
        """The terminal's settings before `mute`; None while typing is echoed."""
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._fd = os.open(os.ttyname(fd), flags)
        except OSError:
            self._fd = fd

    def size(self) -> tuple[int, int]:
        """Return columns and lines; 80 and 24 if the size is unknown."""
        try:
            columns, lines = os.get_terminal_size(self._given)
        except OSError:
            return 80, 24
        return columns or 80, lines or 24

    def foreground(self) -> bool:
        """Return whether our job is in the foreground and may draw."""
        try:
            return os.tcgetpgrp(self._given) == os.getpgrp()
        except OSError:
            return True

    def write(self, data: bytes) -> bool:
        """Write `data` after the pending bytes; return whether no byte is pending.

        Raises:
            OutputError: the terminal is gone.
        """
        self._pending += data
        return self.flush()

    def flush(self) -> bool:
        """Write pending bytes that the terminal takes now; return whether none is left.

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
        """Write all pending bytes, for at most `seconds`; return whether none is left.

        Bytes that are pending when the time is up are dropped.

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
        """Stop the echo of typed characters, which would tear the screen."""
        try:
            saved = termios.tcgetattr(self._given)
            quiet = termios.tcgetattr(self._given)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(self._given, termios.TCSANOW, quiet)
        except termios.error:
            return
        self._saved = self._saved or saved

    def unmute(self) -> None:
        """Undo `mute` and discard typed characters, lest the shell should run them."""
        saved, self._saved = self._saved, None
        if saved is None or not self.foreground():
            return
        try:
            termios.tcsetattr(self._given, termios.TCSANOW, saved)
            termios.tcflush(self._given, termios.TCIFLUSH)
        except termios.error:
            return

    def close(self) -> None:
        """Close our own descriptor; the descriptor of the caller stays open."""
        if self._fd != self._given:
            os.close(self._fd)
            self._fd = self._given
