"""A file as a sink: a single writer at a time appends a whole line a write."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Final, Self, TypeAlias

from klinetail.candle import Candle, Stream
from klinetail.errors import OutputError, UsageError
from klinetail.formats import (
    BEGINNING,
    by_suffix,
    holds_candle,
    joined,
    whole_lines,
)
from klinetail.sinks.output import OutputFile, Outputs, take_back
from klinetail.sinks.sink import Sink

Line: TypeAlias = tuple[str, Candle]
"""A candle's whole line, and the candle."""

_TOGETHER: Final = 4_096
"""Bytes of whole lines written together: a kill leaves no line torn."""


class FileSink(Sink[Candle, Line]):
    """Appends candles to a file. A line not written as a whole is taken back.

    A context manager; the open file is locked.

    Args:
        path: the name of the file; the suffix tells the format.
        updates: whether many lines are to come; many lines are written together.
        outputs: the outputs of the run; no output may be the same file.

    Raises:
        UsageError: the suffix tells no format, the file is no recording of the format,
            or another output leads to the file.
        OutputError: the file cannot be opened, or another process writes to the file.
    """

    def __init__(
        self, path: str, *, updates: bool = False, outputs: Outputs | None = None
    ) -> None:
        self.name = path
        """The path as given."""
        self.written = 0
        """The number of candles written."""
        self._together = _TOGETHER if updates else 1
        """Bytes of whole lines written together."""
        self._reached: dict[Stream, int] = {}
        """By stream, the resume point: see `Sink.resume_points`."""
        self._format = by_suffix(path)
        try:
            # To read, too: the present content has to be a recording to continue.
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
        """See `close`."""
        self.close()

    def close(self) -> None:
        """Close the file; a file made for nothing is removed again.

        Raises:
            OutputError: some of the written bytes are not in the file.
        """
        if not self.written:
            self._file.remove_unused(self._format.HEADER)
        try:
            self._file.close()
        except OSError as problem:
            raise OutputError(f"{self.name}: {problem.strerror}") from problem

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{self.name}: another process is writing to it"
            ) from error
        except OSError:
            pass  # a file system without locks

    def _check(self) -> None:
        """Check that the file can go on: the same header, whole lines, candles."""
        header, fd = self._format.HEADER, self._file.fd
        try:
            size = os.fstat(fd).st_size
            if size == 0:
                self._write(header)
                return
            begins = os.pread(fd, BEGINNING, 0)
            ends = os.pread(fd, 1, size - 1)
        except OSError as error:
            raise OutputError(f"{self.name}: {error.strerror}") from error
        if not begins.startswith(header):
            raise UsageError(
                f"{self.name}: it begins with another header than klinetail's;"
                " choose another file"
            )
        first, end, _ = begins[len(header) :].lstrip().partition(b"\n")
        if (end or size > BEGINNING) and not holds_candle(self._format, first):
            raise UsageError(
                f"{self.name}: it holds something else than klinetail's candles in"
                " the format of its suffix; choose another file"
            )
        if ends != b"\n":
            raise UsageError(
                f"{self.name}: its last line is torn; remove that line or choose"
                " another file"
            )

    def prepare(self, candle: Candle) -> Line:
        """Return the candle's line, and the candle."""
        return self._format.line(candle), candle

    def write(self, batch: Sequence[Line]) -> None:
        """Append whole lines.

        Raises:
            OutputError: a line could not be written; the file still ends in a whole
                line.
        """
        rest = joined([line for line, _ in batch])
        done = 0
        while rest:
            part = whole_lines(rest, self._together)
            self._write(part)
            rest = rest[len(part) :]
            before, done = done, done + part.count(b"\n")
            self.written += done - before
            for _, candle in batch[before:done]:
                if candle.closed:
                    self._reached[candle.stream] = candle.close_time + 1

    def flush(self) -> None:
        """Do nothing: `write` keeps nothing back."""

    def resume_points(self, streams: Collection[Stream]) -> Mapping[Stream, int]:
        """Return the file's progress in the run; see `Sink.resume_points`."""
        return {
            stream: self._reached[stream]
            for stream in streams
            if stream in self._reached
        }

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file.fd, line[written:])
        except OSError as error:
            if written:
                end = os.lseek(self._file.fd, 0, os.SEEK_CUR)
                take_back(self._file.fd, written, end)
            raise OutputError(f"{self.name}: {error.strerror}") from error
