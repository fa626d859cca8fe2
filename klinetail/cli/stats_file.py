"""The stats file of `--stats`, written at the end of a run.

The file is opened at the start, so that a wrong name is told at once and not after a
month.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from types import TracebackType
from typing import Final, Self

from klinetail.cli.stderr import LAST_WORDS, STDERR
from klinetail.errors import OutputError, UsageError
from klinetail.formats import BEGINNING, recognised
from klinetail.sinks.output import OutputFile, Outputs

_PATIENCE: Final = 200
"""Milliseconds that a write waits for the reader of a FIFO to make room."""


class StatsFile:
    """The file for the figures of a run; its former content stays until the write.

    A context manager; a file that was created and never written is removed again.

    Args:
        path: the name of the file; `-` is stderr.
        outputs: the other outputs of the run; the same file is refused.

    Raises:
        UsageError: another output leads to the file, or the file holds candles.
        OutputError: the file cannot be written to.
    """

    def __init__(self, path: str, outputs: Outputs | None = None) -> None:
        self._path = path
        self._file: OutputFile | None = None
        """The opened file; None for stderr."""
        if path == "-":
            if sys.stderr is None:
                raise OutputError("--stats -: stderr is closed")
            return
        try:
            # Non-blocking, since a FIFO without a reader would not let the run begin.
            self._file = OutputFile(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            raise self._failure(error) from error
        try:
            if outputs is not None:
                outputs.take(self._file.fd, f"--stats {path}")
            if recognised(_beginning(path)) is not None:
                raise UsageError(
                    f"--stats {path}: the file holds candles, and the figures would"
                    " replace the candles; choose another file"
                )
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.remove_unused()
            with contextlib.suppress(OSError):
                self._file.close()

    def write(self, data: bytes) -> None:
        """Write the figures in place of the file's former content.

        Raises:
            OutputError: the figures could not be written.
        """
        if self._file is None:
            self._say(data)
            return
        fd = self._file.fd
        with contextlib.suppress(OSError):  # a pipe or a device has no length
            os.ftruncate(fd, 0)
        poller = select.poll()
        poller.register(fd, select.POLLOUT)
        if not poller.poll(_PATIENCE):
            raise OutputError(f"--stats {self._path}: no process reads the pipe")
        try:
            while data:
                data = data[os.write(fd, data) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            raise self._failure(error) from error

    def _say(self, data: bytes) -> None:
        """Write the figures to stderr, after all earlier lines.

        Raises:
            OutputError: the figures could not be written.
        """
        STDERR.write(data)
        if not STDERR.finish(LAST_WORDS):
            raise OutputError("--stats -: no process reads stderr")
        if STDERR.failure is not None:
            raise self._failure(STDERR.failure)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"--stats {self._path}: {error.strerror}")


def _beginning(path: str) -> bytes:
    """Return the first bytes of a regular file; no bytes if the file is unreadable."""
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read(BEGINNING)
    except OSError:
        pass
    return b""
