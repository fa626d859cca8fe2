"""Containers of recordings: plain lines, gzip members, zstd frames. Pure.

A compressed recording is a row of whole frames: a gzip member or a zstd frame for each
batch of lines, with a checksum. A reader that opens the file at any moment between two
writes can read all of the file, and after a kill at most the last frame is torn. The
end of the last whole frame is found from the back of the file, without reading the
file.

Files of other programs are read too: one large frame, frames without a checksum,
skippable frames. Such a file is read forwards, in bounded memory.

The functions read through a parameter: a `Read` for a file whose size is known, a
`More` for an input that is read from the beginning to the end.

Sources: RFC 1952 (gzip), RFC 8878 (zstd).
"""

from __future__ import annotations

import abc
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import PurePath
from types import ModuleType
from typing import Final, NamedTuple, Protocol, TypeAlias

from klinetail.errors import BadRecording

Read: TypeAlias = Callable[[int, int], bytes]
"""Return the bytes of a file at (offset, size): fewer than `size` only at the end of
the file."""

More: TypeAlias = Callable[[int], bytes]
"""Return the next bytes of an input, at most as many as asked for; b"" at the end."""

STEP: Final = 64 << 10
"""Bytes read from a file at once."""

PIECE: Final = 1 << 20
"""Bytes of content handed over at once at most, for a frame of any size; a whole frame
of at most `WHOLE` bytes found from the back is handed over whole."""

WHOLE: Final = 16 << 20
"""The largest content (bytes) of a frame that is decompressed at once: more than a
batch of lines ever holds."""

LOOK_BACK: Final = 8 << 20
"""Bytes searched backwards for the beginning of a frame; a compressed batch of lines is
shorter."""

WINDOW: Final = 32 << 20
"""Bytes of content kept in memory while a file of another program is read
backwards."""

_TRIES: Final = 16
"""Beginnings of a frame tried from the back before the file is read forwards."""

_FEED: Final = 512
"""Bytes given to a decompressor at first; most frames of a few lines are shorter."""


class BadFrame(BadRecording):
    """A frame is torn or damaged, or something else than a frame follows a frame.

    Args:
        reason: what is wrong, with the offset.
        start: the offset where the last whole frame ends and the trouble begins.
        torn: whether the input ended within the frame, without a fault before.
    """

    def __init__(self, reason: str, start: int, *, torn: bool = False) -> None:
        super().__init__(reason)
        self.start = start
        self.torn = torn


class Frame(NamedTuple):
    """Some content of a file, whole lines if the file holds whole lines."""

    start: int
    """The offset in the file where the frame begins that the content begins in."""
    data: bytes
    """The decompressed content."""


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


class Container(abc.ABC):
    """How the bytes of a file hold the lines of a recording."""

    name: str
    """The word for messages: `gzip`."""
    suffix: str
    """The suffix of the files, lower case, after the suffix of the format; empty for
    plain files."""

    @abc.abstractmethod
    def pack(self, data: bytes) -> bytes:
        """Return lines as one whole frame, to be appended by a single write.

        Args:
            data: whole lines, at most `WHOLE` bytes; for b"" the answer is b"".
        """

    @abc.abstractmethod
    def recognises(self, beginning: bytes) -> bool:
        """Return whether a file with the beginning is of the container.

        Args:
            beginning: the first bytes of a file, eight or all; the first byte alone can
                tell.
        """

    @abc.abstractmethod
    def end(self, read: Read, size: int) -> int:
        """Return the offset where the last whole frame of a file ends; 0 without any.

        The bytes after the offset are the beginning of a frame, or NUL bytes, or both:
        what a kill or a power loss leaves. They are to be cut off.

        Args:
            read: reads the file.
            size: the size of the file, bytes.

        Raises:
            BadFrame: the bytes after the last whole frame are anything else, and are
                not to be cut off: damage, or a frame of another program.
        """

    @abc.abstractmethod
    def backwards(self, read: Read, end: int) -> Iterator[Frame]:
        """Yield the content of a file from the end to the beginning.

        Each `Frame` begins and ends at a line break or at an end of the file. A line of
        more than `PIECE` bytes comes in several parts. Frames that this module packed
        come one by one, with at most `WHOLE` bytes. The content of other programs'
        frames comes in parts of about `PIECE` bytes and takes a pass over the file
        first, and one more for every `WINDOW` bytes of content.

        Args:
            read: reads the file.
            end: where the content ends, as `end` returned.

        Raises:
            BadFrame: a frame is damaged.
        """

    @abc.abstractmethod
    def forwards(self, more: More) -> Iterator[bytes]:
        """Yield the content of an input from the beginning to the end, in parts of at
        most 2 `PIECE`.

        The content of a frame is yielded after the frame's checksum was found right,
        but for frames with more content than `PIECE`.

        Args:
            more: reads the input.

        Raises:
            BadFrame: a frame is torn or damaged; everything before was yielded.
        """


def container_of(path: str) -> tuple[Container, str]:
    """Return the container told by a path's suffix, and the path without that suffix:
    for `m.csv.zst` zstd and `m.csv`."""
    suffix = PurePath(path).suffix
    found = CONTAINERS.get(suffix.lower(), PLAIN)
    return found, path.removesuffix(suffix) if found is not PLAIN else path


def container_in(beginning: bytes) -> Container:
    """Return the container told by the first bytes of a file."""
    return next((c for c in CONTAINERS.values() if c.recognises(beginning)), PLAIN)


class _Input:
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
        """Take back the last bytes of what `take` returned last."""
        self._at -= size

    def skip(self, size: int) -> bool:
        """Pass over bytes; return whether there were that many."""
        while size and (data := self.take(min(size, STEP))):
            size -= len(data)
        return not size


def _from(read: Read, start: int, end: int) -> _Input:
    """Return the bytes of a file from `start` to `end` as an input."""
    at = start

    def more(size: int) -> bytes:
        nonlocal at
        data = read(at, min(size, end - at))
        at += len(data)
        return data

    return _Input(more, start)


class _Compressed(Container):
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
        written = _without_nuls(read, size)
        at = self._some_end(read, written, size)
        source = _from(read, at, size)
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
        source = _Input(more)
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

    def _next(self, source: _Input) -> Iterator[bytes]:
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

    def _decompressed(self, source: _Input, start: int) -> Iterator[bytes]:
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

    def _checked(self, source: _Input) -> Iterator[bytes]:
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
        source = _from(read, start, end)
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
                deque(self._next(_from(read, bad.start, written)), 0)
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
            source = _from(read, 0, end)
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


def _without_nuls(read: Read, size: int) -> int:
    """Return the offset after the last byte of a file that is not NUL."""
    while size:
        start = max(0, size - STEP)
        if block := read(start, size - start).rstrip(b"\0"):
            return start + len(block)
        size = start
    return 0


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


class _Plain(Container):
    """Lines as they are; a frame is a line."""

    name = "plain"
    suffix = ""

    def pack(self, data: bytes) -> bytes:
        """Return the lines."""
        return data

    def recognises(self, beginning: bytes) -> bool:
        """Return whether no other container recognises the beginning."""
        return container_in(beginning) is self

    def end(self, read: Read, size: int) -> int:
        """Return the offset after the last line break; see `Container.end`."""
        written = _without_nuls(read, size)
        stop = written
        while stop:
            start = max(0, stop - STEP)
            found = read(start, stop - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            if written - start > LOOK_BACK:
                raise BadFrame(
                    f"no line ends in the last {written - start:,} bytes", start
                )
            stop = start
        return 0

    def backwards(self, read: Read, end: int) -> Iterator[Frame]:
        """See `Container.backwards`; a frame starts where the lines begin."""
        stop = end
        while stop:
            size = STEP
            while True:
                start = max(0, stop - size)
                data = read(start, stop - start)
                cut = data.find(b"\n", 0, len(data) - 1) + 1 if start else 0
                if cut or not start or size >= PIECE:
                    break
                size *= 2
            stop = start + cut
            yield Frame(stop, data[cut:])

    def forwards(self, more: More) -> Iterator[bytes]:
        """See `Container.forwards`."""
        while data := more(4 * STEP):
            yield data


class _Inflater:
    """A decompressor of a gzip member that keeps its input, as that of zstd does."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the member."""
        return self._decompressor.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        """Return at most `max_length` bytes; the rest follows for b"" as `data`."""
        kept = self._decompressor.unconsumed_tail
        return self._decompressor.decompress(kept or data, max_length)


class _Gzip(_Compressed):
    name = "gzip"
    suffix = ".gz"
    word = "gzip member"
    magic = b"\x1f\x8b\x08"
    # No flags, no time, no file name, and of an unknown system: the same bytes whenever
    # and wherever the member is made.
    ours = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

    def pack(self, data: bytes) -> bytes:
        """Return the lines as one gzip member; see `Container.pack`."""
        if not data:
            return b""
        deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return b"".join(
            (
                self.ours,
                deflater.compress(data),
                deflater.flush(),
                zlib.crc32(data).to_bytes(4, "little"),
                (len(data) & 0xFFFF_FFFF).to_bytes(4, "little"),
            )
        )

    def decompressor(self) -> Decompressor:
        """Return a decompressor of one member."""
        return _Inflater()

    def error(self) -> type[Exception]:
        """Return the error of zlib."""
        return zlib.error

    def is_ours(self, beginning: bytes) -> bool:
        """Return whether the header, or the beginning of one, is that of `pack`."""
        return self.ours.startswith(beginning[: len(self.ours)])


def _zstd() -> ModuleType:
    """Return the module of zstd, imported at the first use: the import takes 17 ms."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""The last bytes of the magic number of a skippable zstd frame; the first byte is 0x50
to 0x5f."""

_CHECKSUM: Final = 0x04
"""The flag of a frame with a checksum, in a zstd frame's descriptor."""

_SINGLE: Final = 0x20
"""The flag of a frame that is its own window, in a zstd frame's descriptor."""


class _Zstd(_Compressed):
    name = "zstd"
    suffix = ".zst"
    word = "zstd frame"
    magic = b"\x28\xb5\x2f\xfd"
    ours = magic

    def pack(self, data: bytes) -> bytes:
        """Return the lines as one zstd frame; see `Container.pack`."""
        if not data:
            return b""
        zstd = _zstd()
        parameter = zstd.CompressionParameter
        options = {
            parameter.compression_level: 3,
            parameter.checksum_flag: 1,
            parameter.content_size_flag: 1,
        }
        packed: bytes = zstd.compress(data, options=options)
        return packed

    def decompressor(self) -> Decompressor:
        """Return a decompressor of one frame."""
        decompressor: Decompressor = _zstd().ZstdDecompressor()
        return decompressor

    def error(self) -> type[Exception]:
        """Return the error of zstd."""
        error: type[Exception] = _zstd().ZstdError
        return error

    def recognises(self, beginning: bytes) -> bool:
        """See `Container.recognises`; a skippable frame counts."""
        return super().recognises(beginning) or _is_skippable(beginning)

    def skippable(self, beginning: bytes) -> int | None:
        """Return the size of a skippable frame, or None."""
        if not _is_skippable(beginning):
            return None
        return 8 + int.from_bytes(beginning[4:8].ljust(4, b"\0"), "little")

    def is_ours(self, beginning: bytes) -> bool:
        """Return whether the frame has a checksum and tells its size, as `pack` makes
        it, or too little is there to tell."""
        if len(beginning) < 5:
            return self.magic.startswith(beginning)
        flags = beginning[4]
        sized = bool(flags >> 6) or bool(flags & _SINGLE)
        return beginning.startswith(self.magic) and sized and flags & 0x1F == _CHECKSUM


def _is_skippable(beginning: bytes) -> bool:
    return beginning[1:4] == _SKIPPABLE and 0x50 <= beginning[0] <= 0x5F


PLAIN: Final[Container] = _Plain()
"""The container of files that are not compressed."""

CONTAINERS: Final[dict[str, Container]] = {
    each.suffix: each for each in (_Gzip(), _Zstd())
}
"""The containers of compressed recordings by suffix. A container is one entry here."""
