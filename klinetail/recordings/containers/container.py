"""What every container of recordings can do, and the words for it: frames and errors.

The functions read through a parameter: a `Read` for a file whose size is known, a
`More` for an input that is read from the beginning to the end.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

from klinetail.errors import BadRecording

Read: TypeAlias = Callable[[int, int], bytes]
"""Return the bytes of a file at (offset, size): fewer than `size` only at the end of
the file."""

More: TypeAlias = Callable[[int], bytes]
"""Return the next bytes of an input, at most as many as asked for; b"" at the end."""

PIECE: Final = 1 << 20
"""Bytes of content handed over at once at most, for a frame of any size; a whole frame
of at most `WHOLE` bytes found from the back is handed over whole."""

WHOLE: Final = 16 << 20
"""The largest content (bytes) of a frame that is decompressed at once: more than a
batch of lines ever holds."""

LOOK_BACK: Final = 8 << 20
"""Bytes searched backwards for the beginning of a frame; a compressed batch of lines is
shorter."""


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
