"""The sink of stdout: the sink never blocks and never tears a line.

A pipe with content takes 4 KiB without blocking, an empty pipe takes the whole capacity
of the pipe; more is not tried. Therefore the writer can still hear a signal while the
reader of the pipe sleeps, and the reader's end is noticed at once, not at the next
candle. A socket is written to like a pipe with content. Further writers to the same
pipe, and a terminal stopped in the middle of a line, require another descriptor: see
`unblocking`.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import struct
import termios
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.errors import OutputError, UsageError
from klinetail.formats import BEGINNING, joined, recognised, whole_lines
from klinetail.formats.registry import FORMATS
from klinetail.sinks.output import take_back
from klinetail.sinks.sink import NO_RETRY, EventClasses, WrittenOn

MOST: Final = 65_536
"""The most bytes of a write."""


class ReaderGone(Exception):
    """The reader of the pipe went away."""


def _no_line(candle: Candle) -> str:
    raise TypeError(f"no format was given for {candle}")


class StdoutSink:
    """Puts out lines at the pace of a file descriptor: a `DirectSink`.

    Args:
        fd: the descriptor; `close` leaves the descriptor open.
        header: the bytes to put out first.
        line: makes the line of a candle.

    Raises:
        OutputError: the descriptor is not open.
    """

    written_on = WrittenOn.DELIVERY
    events: EventClasses = ()
    retry = NO_RETRY
    name = "stdout"

    def __init__(
        self, fd: int, header: bytes = b"", line: Callable[[Candle], str] = _no_line
    ) -> None:
        self.fd = fd
        self.prepare = line
        """The format's own function, without a call around the function; see `Sink`."""
        self.written = 0
        """The lines taken in by `write`, counted once all lines are put out."""
        self._pending = header
        """The bytes being put out."""
        self._at = 0
        """The number of bytes of `_pending` put out already."""
        self._taken_in = 0
        """The number of lines taken in by `write`."""
        try:
            mode = os.fstat(fd).st_mode
        except OSError as error:
            raise OutputError(f"stdout is closed: {error.strerror}") from error
        self._is_pipe = stat.S_ISFIFO(mode)
        self._is_file = stat.S_ISREG(mode)
        self._poller = select.poll()
        self._poller.register(fd, select.POLLOUT)
        self._torn = 0
        """Bytes of the line begun and not ended by the latest write to a file."""
        self._end = 0
        """The position of the end of the bytes of `_torn` in the file."""
        self._most = select.PIPE_BUF if stat.S_ISSOCK(mode) else MOST

    @property
    def never_blocks(self) -> bool:
        """Whether the descriptor is a pipe; see `DirectSink`."""
        return self._is_pipe

    @property
    def writable(self) -> bool:
        """Whether the descriptor takes bytes now."""
        return any(ready & select.POLLOUT for _, ready in self._poller.poll(0))

    @property
    def pending(self) -> int:
        """The number of bytes waiting to be put out."""
        return len(self._pending) - self._at

    def write(self, batch: Sequence[str]) -> None:
        """Take in whole lines; `flush` puts out the lines."""
        rest = self._pending[self._at :]
        self._pending, self._at = rest + joined(batch), 0
        self._taken_in += len(batch)

    def flush(self) -> None:
        """Put out the bytes that the descriptor takes without blocking; to be called
        when `poll` reports that the descriptor takes bytes.

        Raises:
            ReaderGone: nobody reads the pipe any more.
            OutputError: stdout cannot be written, since a disk is full for instance.
        """
        if not self.pending:
            return
        most = select.PIPE_BUF if self.pending <= select.PIPE_BUF else self._room()
        data = whole_lines(self._pending, most, self._at)
        try:
            written = os.write(self.fd, data)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ReaderGone from error
        except OSError as error:
            if self._torn:
                take_back(self.fd, self._torn, self._end)
            raise OutputError(f"stdout: {error.strerror}") from error
        self._at += written
        if not self.pending:
            self.written = self._taken_in
        if self._is_file:
            self._torn = written - (data.rfind(b"\n", 0, written) + 1)
            self._end = os.lseek(self.fd, 0, os.SEEK_CUR) if self._torn else 0

    def resume_points(self, streams: Collection[Stream]) -> Mapping[Stream, int]:  # noqa: ARG002
        """Return no points: the reader of stdout knows the reader's own progress."""
        return {}

    def close(self) -> None:
        """Do nothing: the descriptor was open before, and stays open."""

    def _room(self) -> int:
        if not self._is_pipe:
            return self._most
        unread = struct.unpack(
            "i", fcntl.ioctl(self.fd, termios.FIONREAD, struct.pack("i", 0))
        )[0]
        if unread:
            return select.PIPE_BUF
        return min(MOST, fcntl.fcntl(self.fd, fcntl.F_GETPIPE_SZ))


def unblocking(fd: int) -> int:
    """Return another, never blocking descriptor for the same pipe or terminal.

    For any other target, and if no other descriptor is to be had, return the same
    descriptor. Not to block is a property of an open file, shared with the shell and
    every other holder of the descriptor; therefore the returned descriptor is opened
    afresh.
    """
    flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if os.isatty(fd):
            return os.open(os.ttyname(fd), flags)
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            return os.open(f"/dev/fd/{fd}", flags)
    except OSError:  # the target is another user's, as after `su`
        pass
    return fd


def header_for(fd: int, output: str) -> bytes:
    """Return the first bytes for stdout: the format's header, or nothing if stdout is
    appended to a file with the header.

    Args:
        fd: stdout's descriptor.
        output: the name of the format.

    Raises:
        UsageError: stdout is appended to candles in another format, or to a torn line.
    """
    header = FORMATS[output].HEADER if output in FORMATS else b""
    beginning, end = _before(fd)
    found = recognised(beginning)
    if found is None:  # an empty file, or no recording: a log, for instance
        return header
    if found != output:
        raise UsageError(
            f"stdout is a file of candles in another format than {output}; choose"
            " another file"
        )
    if end != b"\n":
        raise UsageError(
            "the last line of the file that stdout is appended to is torn; remove that"
            " line or choose another file"
        )
    return b""


def _before(fd: int) -> tuple[bytes, bytes]:
    """Return the first bytes and the last byte of the file before the place of the next
    write; empty without bytes, for any target but a file, or if the file must not be
    read."""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b"", b""
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND:
            size = os.fstat(fd).st_size
        else:
            size = os.lseek(fd, 0, os.SEEK_CUR)
        # The shell has opened it for writing alone.
        reading = os.open(f"/dev/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b"", b""
    try:
        first = os.pread(reading, min(size, BEGINNING), 0)
        return first, os.pread(reading, 1, size - 1) if size else b""
    except OSError:
        return b"", b""
    finally:
        os.close(reading)
