"""What the compressed containers have in common: search for frames, and reading."""

from __future__ import annotations

import abc
import sys
from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

from klinetail.recordings.containers.container import (
    LOOK_BACK,
    PIECE,
    WHOLE,
    BadFrame,
    Container,
    Frame,
    More,
    Read,
)
from klinetail.recordings.containers.input import STEP, Input, input_of, written_size

WINDOW: Final = 32 << 20
"""Bytes of content kept in memory while a file of another program is read
backwards."""

_TRIES: Final = 16
"""Beginnings of a frame tried from the back before the file is read forwards."""

_FEED: Final = 512
"""Bytes given to a decompressor at first; most frames of a few lines are shorter."""


class Decompressor(Protocol):
    """A decompressor of one frame, as of `compression.zstd`."""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended, with the right checksum."""

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the frame."""

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        """Return at most `max_length` bytes; the rest follows for b"" as `data`.

        Raises:
            Exception: the `error` of the container, for damaged data.
        """


class Compressed(Container):
    """A container of frames: a frame has a beginning, a checksum and an end.

    Args:
        window: bytes of content kept while a file of another program is read backwards.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        """Bytes of content kept while a file of another program is read backwards."""

    word: str
    """The word for one frame: `gzip member`."""
    magic: bytes
    """The first bytes of every frame."""
    ours: bytes
    """The first bytes of every frame that `pack` makes, for the search from the
    back."""

    @abc.abstractmethod
    def decompressor(self) -> Decompressor:
        """Return a decompressor of one frame."""

    @abc.abstractmethod
    def error(self) -> type[Exception]:
        """Return the error that a decompressor raises for damaged data."""

    @abc.abstractmethod
    def is_ours(self, beginning: bytes) -> bool:
        """Return whether `pack` may have made a frame with the first bytes given."""

    def skippable(self, _beginning: bytes) -> int | None:
        """Return the size of a frame without content that begins like this, or
        None."""
        return None

    def recognises(self, beginning: bytes) -> bool:
        """See `Container.recognises`."""
        some = beginning[: len(self.magic)]
        return bool(some) and self.magic.startswith(some)

    def end(self, read: Read, size: int) -> int:
        """See `Container.end`."""
        written = written_size(read, size)
        at = self._some_end(read, written, size)
        source = input_of(read, at, size)
        try:
            while source.peek(1):
                deque(self._next(source), 0)
                at = source.offset
        except BadFrame as bad:
            self._check_tail(read, written, bad)
        return at

    def backwards(self, read: Read, end: int) -> Iterator[Frame]:
        """See `Container.backwards`."""
        while end:
            frame = self._frame_before(read, end)
            if frame is None:
                yield from _lines_backwards(self._parts_backwards(read, end))
                return
            yield frame
            end = frame.start

    def forwards(self, more: More) -> Iterator[bytes]:
        """See `Container.forwards`."""
        source = Input(more)
        ready: list[bytes] = []
        waiting = 0
        try:
            while source.peek(1):
                for piece in self._checked(source):
                    ready.append(piece)
                    waiting += len(piece)
                    if waiting >= PIECE:
                        yield b"".join(ready)
                        ready.clear()
                        waiting = 0
        except BadFrame:
            if ready:
                yield b"".join(ready)
            raise
        if ready:
            yield b"".join(ready)

    def _next(self, source: Input) -> Iterator[bytes]:
        """Yield the content of the next frame, in pieces, unchecked at first."""
        start = source.offset
        beginning = source.peek(8)
        length = self.skippable(beginning)
        if length is not None:
            if not source.skip(length):
                raise self._torn(start)
        elif self.recognises(beginning):
            yield from self._decompressed(source, start)
        elif beginning.strip(b"\0"):
            raise BadFrame(f"no {self.word} begins at byte {start:,}", start)
        else:
            raise BadFrame(f"NUL bytes from byte {start:,} on", start)

    def _decompressed(self, source: Input, start: int) -> Iterator[bytes]:
        decompressor, damage = self.decompressor(), self.error()
        feed = _FEED
        while not decompressor.eof:
            data: bytes | memoryview = source.take(feed)
            feed = min(feed * 2, STEP)
            if not data:
                raise self._torn(start)
            length = PIECE
            while length == PIECE:  # and so there may be more
                try:
                    piece = decompressor.decompress(data, PIECE)
                except damage as error:
                    raise BadFrame(
                        f"the {self.word} at byte {start:,} cannot be decompressed:"
                        f" {error}",
                        start,
                    ) from None
                length, data = len(piece), b""
                if piece:
                    yield piece
                if decompressor.eof:
                    break
        source.give_back(len(decompressor.unused_data))

    def _torn(self, start: int) -> BadFrame:
        return BadFrame(f"the {self.word} at byte {start:,} is torn", start, torn=True)

    def _checked(self, source: Input) -> Iterator[bytes]:
        """Yield the content of the next frame, after the check if the frame is not
        large."""
        pieces: list[bytes] = []
        size = 0
        for piece in self._next(source):
            pieces.append(piece)
            size += len(piece)
            if size > PIECE:
                yield from pieces
                pieces.clear()
        yield from pieces

    def _whole(self, read: Read, start: int, end: int) -> tuple[int, bytes] | None:
        """Return the end and the content of the frame at `start`, or None for a frame
        that is torn, damaged or larger than `WHOLE`."""
        source = input_of(read, start, end)
        pieces: list[bytes] = []
        size = 0
        try:
            for piece in self._next(source):
                pieces.append(piece)
                size += len(piece)
                if size > WHOLE:
                    return None
        except BadFrame:
            return None
        return source.offset, b"".join(pieces)

    def _starts(self, read: Read, end: int) -> Iterator[int]:
        """Yield offsets before `end` where frames of ours seem to begin, the last
        first."""
        pattern = self.ours
        stop, tries = end, 0
        lowest = max(0, end - LOOK_BACK)
        step = 2 * _FEED  # most frames are short; a frame may also be long
        while stop > lowest:
            start = max(lowest, stop - step)
            step = min(4 * step, STEP)
            # A beginning may lie across two blocks.
            block = read(start, min(stop + len(pattern) - 1, end) - start)
            found = len(block)
            while (found := block.rfind(pattern, 0, found)) >= 0:
                if self.is_ours(block[found:]):
                    yield start + found
                    tries += 1
                    if tries == _TRIES:
                        return
                found += len(pattern) - 1
            stop = start

    def _some_end(self, read: Read, written: int, size: int) -> int:
        """Return an end of a whole frame as near to the end of the file as can be found
        from the back; 0 if none is found."""
        for start in self._starts(read, written):
            if (frame := self._whole(read, start, size)) is not None:
                return frame[0]
        return 0

    def _check_tail(self, read: Read, written: int, bad: BadFrame) -> None:
        """Check that the bytes after the last whole frame are a beginning of a frame of
        ours, or NUL bytes.

        Args:
            read: reads the file.
            written: the offset after the last byte that is not NUL.
            bad: what was found after the last whole frame.

        Raises:
            BadFrame: the bytes are anything else.
        """
        if written <= bad.start:
            return
        if not bad.torn:
            try:  # once more, without the NUL bytes
                deque(self._next(input_of(read, bad.start, written)), 0)
            except BadFrame as error:
                if not error.torn:
                    raise bad from None
        if not self.is_ours(read(bad.start, 16)[: written - bad.start]) or (
            written - bad.start > LOOK_BACK
        ):
            raise BadFrame(
                f"the {self.word} at byte {bad.start:,} was begun by another program"
                " and is torn",
                bad.start,
            ) from None

    def _frame_before(self, read: Read, end: int) -> Frame | None:
        """Return the frame of ours that ends at `end`, or None."""
        for start in self._starts(read, end):
            whole = self._whole(read, start, end)
            if whole is not None:
                return Frame(start, whole[1]) if whole[0] == end else None
        return None

    def _parts_backwards(self, read: Read, end: int) -> Iterator[Frame]:
        """Yield the content of any frames from the end to the beginning, in pieces that
        may begin and end within a line."""
        upper = sys.maxsize
        while upper:
            kept: deque[Frame] = deque()
            size = lower = 0
            source = input_of(read, 0, end)
            while size + lower < upper and source.peek(1):
                start = source.offset
                for piece in self._next(source):
                    part = piece[: upper - lower - size]
                    kept.append(Frame(start, part))
                    size += len(part)
                    while size > self._window:
                        first = len(kept.popleft().data)
                        size -= first
                        lower += first
                    if size + lower == upper:
                        break
            while kept:
                yield kept.pop()
            upper = lower


def _lines_backwards(parts: Iterator[Frame]) -> Iterator[Frame]:
    """Yield the content of `parts`, which come from the end to the beginning, cut at
    line breaks."""
    rest = b""
    start = 0
    for part in parts:
        start, data = part.start, part.data + rest
        cut = data.find(b"\n") + 1 or len(data)
        if cut > PIECE:
            cut = 0  # a part of a long line
        rest = data[:cut]
        if cut < len(data):
            yield Frame(start, data[cut:])
    if rest:
        yield Frame(start, rest)
