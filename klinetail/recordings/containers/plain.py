"""The container of files that are not compressed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from klinetail.recordings.containers.container import (
    LOOK_BACK,
    PIECE,
    BadFrame,
    Container,
    Frame,
    More,
    Read,
)
from klinetail.recordings.containers.input import STEP, written_size


class Plain(Container):
    """The container of plain lines; a frame is a line.

    Args:
        others: all other containers. A file is plain if no other container recognises
            the file.
    """

    name = "plain"
    suffix = ""

    def __init__(self, others: Collection[Container]) -> None:
        self._others = others
        """All other containers."""

    def pack(self, data: bytes) -> bytes:
        """Return the lines."""
        return data

    def recognises(self, beginning: bytes) -> bool:
        """Return whether no other container recognises the beginning."""
        return not any(other.recognises(beginning) for other in self._others)

    def end(self, read: Read, size: int) -> int:
        """Return the offset after the last line break; see `Container.end`."""
        written = written_size(read, size)
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
