"""Reading of the end of a recording: where the whole records end, and where each stream
goes on."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from klinetail.candle import Candle, Interval, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats import BEGINNING, Format, by_suffix, holds_candle
from klinetail.recordings.containers.container import BadFrame, Container
from klinetail.recordings.containers.registry import PLAIN, container_in, container_of
from klinetail.recordings.cursor import BadTail, Tail, read_tail

_BOM: Final = b"\xef\xbb\xbf"

_OTHER_FILE: Final = "choose another file"


_SOME: Final = Candle(
    *(Stream("ANY", Interval.M1), 0, "0", "0", "0", "0", "0", 59_999, "0", 0, "0", "0"),
    closed=True,
)
"""A candle, for the bytes with which each line of a format begins."""


def way_out(path: str) -> str:
    """Return what a person can do about a file that cannot go on."""
    return (
        f"nothing was changed. klinetail check {path} shows all; choose another file,"
        f" or --out NEW --after {path}"
    )


class Kind(NamedTuple):
    """What a path tells about the bytes of a recording."""

    container: Container
    """How the bytes hold the lines."""
    form: Format
    """The format of the lines."""


def kind_of(path: str) -> Kind:
    """Return the container and the format that a path's suffixes tell.

    Raises:
        UsageError: no format has the suffix.
    """
    container, inner = container_of(path)
    try:
        return Kind(container, by_suffix(inner))
    except UsageError as error:
        raise UsageError(str(error).replace(inner, path, 1)) from None


class Recorded:
    """The content of a recording that is open for reading.

    Args:
        path: the path, for messages; the suffixes tell the container and the format.
        fd: a readable descriptor of the file.

    Raises:
        UsageError: the file is no recording of this container and format.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        """The path, for messages."""
        self._fd = fd
        """The descriptor."""
        self.container, self.form = kind_of(path)
        """How the bytes hold the lines; the format of the lines."""
        self.size = os.fstat(fd).st_size
        """The size of the file, bytes."""
        self.end = 0
        """The offset after the last whole line or frame."""
        self.empty = True
        """Whether the file holds no whole line: not even a header."""
        if self.size:
            self._look()

    def _read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def _look(self) -> None:
        """Find the end of the whole records, and check the beginning."""
        beginning = self._read(0, BEGINNING)
        written = beginning.rstrip(b"\0")  # NULs may lie behind the first few bytes
        found = container_in(written)
        if written and not self.container.recognises(written):
            raise UsageError(
                f"{self._path}: its content is {found.name}, but its name says"
                f" {self.container.name}; {_OTHER_FILE}"
            )
        header = self.form.HEADER
        alone = len(beginning) < len(header) and header.startswith(beginning)
        if alone and found is self.container:
            return  # the beginning of a header alone: as empty as a file can be
        try:
            self.end = self.container.end(self._read, self.size)
            first = self._first()
        except BadFrame as error:
            raise UsageError(f"{self._path}: {error}; {way_out(self._path)}") from None
        self.empty = not first
        if first:
            self._check(first)
        elif not self._begun_by_us(beginning):
            raise UsageError(
                f"{self._path}: it holds something else than the beginning of a"
                f" recording; {_OTHER_FILE}"
            )

    def _begun_by_us(self, beginning: bytes) -> bool:
        """Return whether a file without a whole line may be the torn beginning of a
        recording, which may be cut off."""
        if not beginning.strip(b"\0"):
            return True
        if self.container is not PLAIN:
            # The first frame of a format with a header holds the header alone.
            most = len(self.container.pack(self.form.HEADER)) or BEGINNING
            torn = len(beginning.rstrip(b"\0"))
            behind = range(BEGINNING, self.size, BEGINNING)
            return torn < most and not any(
                self._read(at, BEGINNING).strip(b"\0") for at in behind
            )
        line = beginning.partition(b"\0")[0]
        starts = self.form.HEADER or _common(self.form)
        return starts.startswith(line[: len(starts)])

    def _first(self) -> bytes:
        """Return the first lines of the file, at least one if the file has one."""
        return next(self._parts(), b"")[:BEGINNING]

    def _check(self, first: bytes) -> None:
        """Check that the file begins as a recording of the format does."""
        header, path = self.form.HEADER, self._path
        if header and not first.startswith(header):
            begins = first.partition(b"\n")[0].strip()
            plain = begins.removeprefix(_BOM)
            if begins.startswith(header.rstrip() + b","):
                why = "was written by a newer klinetail, with more columns"
                raise UsageError(f"{path}: it {why}; {way_out(path)}")
            if plain == header.rstrip():
                what = "a byte-order mark" if begins != plain else "CRLF line ends"
                why = f"has {what}, as programs of Windows write"
                raise UsageError(f"{path}: it {why}; {way_out(path)}")
            raise UsageError(
                f"{path}: it begins with another header than klinetail's; {_OTHER_FILE}"
            )
        rest = first[len(header) :].lstrip()
        line, whole, _ = rest.partition(b"\n")
        if (whole or len(first) >= BEGINNING) and not holds_candle(self.form, line):
            raise UsageError(
                f"{path}: it holds something else than klinetail's candles in the"
                f" format of its suffix; {_OTHER_FILE}"
            )

    def tail(self, wanted: Collection[Stream]) -> Tail:
        """Return what the end of the recording tells about the wanted streams.

        Raises:
            UsageError: a line near the end holds no candle, or the candles of a stream
                are not in order. The text begins with `FILE:LINE: `.
        """
        try:
            frames = self.container.backwards(self._read, self.end)
            return read_tail((frame.data for frame in frames), self.form, wanted)
        except BadTail as error:
            number = self._line_number(error.size)
            raise UsageError(
                f"{self._path}:{number}: {error}; {way_out(self._path)}"
            ) from None
        except BadFrame as error:
            raise UsageError(f"{self._path}: {error}; {way_out(self._path)}") from None

    def _line_number(self, size: int) -> int:
        """Return the number of the line that begins `size` bytes of text before the end
        of the recording, counted from 1."""
        left = sum(map(len, self._parts())) - size
        number = 1
        for part in self._parts():
            number += part.count(b"\n", 0, max(0, left))
            left -= len(part)
        return number

    def _parts(self) -> Iterator[bytes]:
        """Yield the text of the recording."""
        at = 0

        def more(size: int) -> bytes:
            nonlocal at
            data = self._read(at, min(size, self.end - at))
            at += len(data)
            return data

        return self.container.forwards(more)


def _common(form: Format) -> bytes:
    """Return the bytes with which each line of a format begins."""
    line = form.line(_SOME).encode()
    return line[: line.index(_SOME.symbol.encode())]


def tail_of(path: str, wanted: Collection[Stream]) -> Tail:
    """Return what the end of a recording tells about the wanted streams.

    Raises:
        BadRecording: the file cannot be read, or is no recording.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return Recorded(path, fd).tail(wanted)
        finally:
            os.close(fd)
    except OSError as error:
        raise BadRecording(f"{path}: {error.strerror}") from None
