"""An input with a buffer, and the end of what was written to a file."""

from __future__ import annotations

from typing import Final

from klinetail.recordings.containers.container import More, Read

STEP: Final = 64 << 10
"""Bytes read from a file at once."""


class Input:
    """A buffer before a `More`: bytes can be looked at and given back."""

    def __init__(self, more: More, offset: int = 0) -> None:
        self._more = more
        """Reads the input."""
        self._buffer = b""
        """The bytes read last."""
        self._at = 0
        """The index of the next byte in the buffer."""
        self._before = offset
        """The offset of the buffer's first byte in the file."""

    @property
    def offset(self) -> int:
        """The offset of the next byte in the file."""
        return self._before + self._at

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them; fewer only at the end."""
        while len(self._buffer) - self._at < size and (data := self._more(STEP)):
            self._buffer, self._before = self._buffer[self._at :] + data, self.offset
            self._at = 0
        return self._buffer[self._at : self._at + size]

    def take(self, size: int) -> memoryview:
        """Return the next bytes, at most `size`; none only at the end."""
        if self._at == len(self._buffer):
            self.peek(1)
        data = memoryview(self._buffer)[self._at : self._at + size]
        self._at += len(data)
        return data

    def give_back(self, size: int) -> None:
        """Give the last bytes of the last `take` back to the input."""
        self._at -= size

    def skip(self, size: int) -> bool:
        """Skip bytes; return False if the input ended before."""
        while size and (data := self.take(min(size, STEP))):
            size -= len(data)
        return not size


def input_of(read: Read, start: int, end: int) -> Input:
    """Return the bytes of a file from `start` to `end` as an input."""
    at = start

    def more(size: int) -> bytes:
        nonlocal at
        data = read(at, min(size, end - at))
        at += len(data)
        return data

    return Input(more, start)


def written_size(read: Read, size: int) -> int:
    """Return the offset after the last byte of a file that is not NUL."""
    while size:
        start = max(0, size - STEP)
        if block := read(start, size - start).rstrip(b"\0"):
            return start + len(block)
        size = start
    return 0
