"""A file as a sink: appended to, one whole line a write, by one writer at a time."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from klinetail.candle import Candle
from klinetail.errors import OutputError, SlowConsumer, UsageError
from klinetail.formats import (
    BEGINNING,
    by_suffix,
    holds_candle,
    joined,
    whole_lines,
)
from klinetail.mailbox import Mailbox
from klinetail.shortage import cause
from klinetail.sinks.output import OutputFile, Outputs, take_back

_TOGETHER: Final = 4_096
"""Bytes of whole lines that are written together: a kill leaves none of them torn."""


class FileSink:
    """Appends candles to a file. What fails to be written whole is taken back.

    A context manager; the file is locked while it is open.

    Args:
        path: its suffix tells the format.
        updates: whether many lines are to come, which are then written together.
        outputs: those of the run, none of which may be the same file.

    Raises:
        UsageError: the suffix tells none, the file is no recording of that format, or
            another output leads to it.
        OutputError: it cannot be opened, or another process writes to it.
    """

    def __init__(
        self, path: str, *, updates: bool = False, outputs: Outputs | None = None
    ) -> None:
        self.path = path
        self._together = _TOGETHER if updates else 1
        self.written = 0
        """Candles."""
        self._format = by_suffix(path)
        try:
            # To read, too: what is there already has to be what continues.
            self._file = OutputFile(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from error
        try:
            if outputs is not None:
                outputs.take(self._file.fd, f"--out {path}")
            self._lock()
            self._check()
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
        """Close it; one that was made for nothing is removed again.

        Raises:
            OutputError: what was written is not all in the file.
        """
        if not self.written:
            self._file.remove_unused(self._format.HEADER)
        try:
            self._file.close()
        except OSError as problem:
            raise OutputError(f"{self.path}: {problem.strerror}") from problem

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{self.path}: another process is writing to it"
            ) from error
        except OSError:
            pass  # a file system without locks

    def _check(self) -> None:
        """Only append to what continues: the same header, whole lines, candles."""
        header, fd = self._format.HEADER, self._file.fd
        try:
            size = os.fstat(fd).st_size
            if size == 0:
                self._write(header)
                return
            begins = os.pread(fd, BEGINNING, 0)
            ends = os.pread(fd, 1, size - 1)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror}") from error
        if not begins.startswith(header):
            raise UsageError(
                f"{self.path}: it begins with another header than klinetail's;"
                " choose another file"
            )
        first, end, _ = begins[len(header) :].lstrip().partition(b"\n")
        if (end or size > BEGINNING) and not holds_candle(self._format, first):
            raise UsageError(
                f"{self.path}: it holds something else than klinetail's candles in"
                " the format of its suffix; choose another file"
            )
        if ends != b"\n":
            raise UsageError(
                f"{self.path}: its last line is torn; remove that line or choose"
                " another file"
            )

    @property
    def line(self) -> Callable[[Candle], str]:
        """What makes a line of a candle."""
        return self._format.line

    def write(self, lines: Sequence[str]) -> None:
        """Append whole lines.

        Raises:
            OutputError: it could not be written; the file still ends in a whole line.
        """
        rest = joined(lines)
        while rest:
            part = whole_lines(rest, self._together)
            self._write(part)
            self.written += part.count(b"\n")
            rest = rest[len(part) :]

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file.fd, line[written:])
        except OSError as error:
            if written:
                end = os.lseek(self._file.fd, 0, os.SEEK_CUR)
                take_back(self._file.fd, written, end)
            raise OutputError(f"{self.path}: {error.strerror}") from error


class FileThread(threading.Thread):
    """Writes what comes through a mailbox to a file until the mailbox is done.

    Args:
        sink: closed at the end.
        mailbox: ended if the file fails, so that nobody waits for it.
        on_end: called on this thread at the end, with the error if the file failed.
    """

    def __init__(
        self,
        sink: FileSink,
        mailbox: Mailbox[Candle, str],
        on_end: Callable[[OutputError | None], object],
    ) -> None:
        super().__init__(name=f"klinetail-file-{sink.path}", daemon=True)
        self.ended = False
        """Whether the file is closed. `on_end` finds it set, but the thread alive."""
        self._sink = sink
        self._mailbox = mailbox
        self._on_end = on_end

    def run(self) -> None:
        """Write until there is no more."""
        failure: OutputError | None = None
        try:
            with self._sink:
                for lines in self._mailbox.batches():
                    self._sink.write(lines)
        except OutputError as error:
            failure = error
        except SlowConsumer:
            pass  # What was queued is written; the mailbox's `on_pace` told the rest.
        except Exception as error:  # noqa: BLE001 - a silent end would look like success
            failure = OutputError(f"{self._sink.path}: {cause(error)}")
        finally:
            self._mailbox.close()
            self.ended = True
            self._on_end(failure)
