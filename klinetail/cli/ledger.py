"""The file of `serve --ledger`: the closed candles that every client has to receive."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from klinetail.candle import Candle
from klinetail.errors import OutputError, UsageError
from klinetail.formats import jsonl
from klinetail.sinks.output import OutputFile, Outputs


class LedgerFile:
    """A file of closed candles as JSON lines; its former content is replaced.

    A context manager. A run that is refused, for instance since its port is taken,
    leaves the file of an earlier run unchanged.

    Args:
        path: the name of the file.
        outputs: the other files of the run; the ledger must not be one of these.

    Raises:
        UsageError: the file cannot be opened, or is one of `outputs`.
    """

    def __init__(self, path: str, outputs: Outputs) -> None:
        self._path = path
        self._begun = False
        """Whether the content of an earlier run was removed."""
        self._lock = threading.Lock()
        """Guards the file, since two threads call `begin` and `write`."""
        try:
            # A FIFO without a reader is refused, and not waited for.
            self._file = OutputFile(path, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(self._file.fd, True)
        except OSError as error:
            raise UsageError(f"--ledger {path}: {error.strerror}") from None
        try:
            outputs.take(self._file.fd, f"--ledger {path}")
        except UsageError:
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
        """Close the file; a file created for a run that never began is removed.

        Raises:
            OutputError: the system could not store everything written.
        """
        if not self._begun:
            self._file.remove_unused()
        try:
            self._file.close()
        except OSError as problem:
            raise self._failure(problem) from None

    def begin(self) -> None:
        """Empty the file, unless candles were written already."""
        with self._lock:
            self._empty()

    def write(self, candles: Sequence[Candle]) -> None:
        """Write closed candles at once, without buffering.

        Raises:
            OutputError: the write failed.
        """
        rest = jsonl.encode(candles)
        with self._lock:
            self._empty()
            try:
                while rest:
                    rest = rest[os.write(self._file.fd, rest) :]
            except OSError as error:
                raise self._failure(error) from None

    def _empty(self) -> None:
        if not self._begun:
            self._begun = True
            with contextlib.suppress(OSError):  # a pipe or a device has no length
                os.ftruncate(self._file.fd, 0)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"--ledger {self._path}: {error.strerror}")
