"""Where the figures go at the end, opened at the start: a run may take a month."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from types import TracebackType
from typing import Final, Self

from klinetail.cli.voice import LAST_WORDS, VOICE
from klinetail.errors import OutputError

_PATIENCE: Final = 200
"""Milliseconds in which whoever reads it has to make room."""


class Statement:
    """A file that is written once. It keeps what is in it until then.

    A context manager; a file that was made for nothing is taken away again.

    Args:
        path: `-` is stderr.

    Raises:
        OutputError: it cannot be written to.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._mine = path != "-"
        self._made = self._mine and not os.path.exists(path)
        if not self._mine:
            if sys.stderr is None:
                raise OutputError("--stats -: stderr is closed")
            return
        # Non-blocking, since a FIFO without a reader would not let the run begin.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._mine:
            os.close(self._fd)
        if self._made:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def write(self, data: bytes) -> None:
        """Write it, in place of what was there.

        Raises:
            OutputError: it could not be written.
        """
        if not self._mine:
            self._say(data)
            return
        with contextlib.suppress(OSError):  # a pipe or a device has no length
            os.ftruncate(self._fd, 0)
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        if not poller.poll(_PATIENCE):
            raise OutputError(f"--stats {self._path}: nobody reads it")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            raise self._failure(error) from error
        self._made = False

    def _say(self, data: bytes) -> None:
        """Write it to stderr, after what was said before."""
        VOICE.write(data)
        if not VOICE.finish(LAST_WORDS):
            raise OutputError("--stats -: nobody reads it")
        if VOICE.failure is not None:
            raise self._failure(VOICE.failure)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"--stats {self._path}: {error.strerror}")
