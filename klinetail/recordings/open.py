"""The one opener of recordings: plain, `.gz`, `.zst`, a public dump's `.zip`, stdin.

The content tells the container, whatever the file is called. The content comes in
pieces, in bounded memory, however much a small compressed file holds.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import IO, Final

from klinetail.errors import BadRecording
from klinetail.formats.zipped import MAX_ZIP, only_member
from klinetail.recordings.containers.container import BadFrame, More
from klinetail.recordings.containers.registry import container_in, container_of

STDIN: Final = "-"
"""The path that means stdin."""

_BLOCK: Final = 256 << 10
"""Bytes of a file read at once."""

_ZIP: Final = b"PK\x03\x04", b"PK\x05\x06"
"""The first bytes of a zip archive with and without members."""


class CutShort(BadRecording):
    """A compressed recording is torn or damaged: everything before was read."""


class Opened:
    """An opened recording, decompressed.

    Args:
        name: the name of the file for messages.
        path: the name that can tell the stream of a dump.
        pieces: the content; `BadFrame` is raised where a compressed content ends that
            is torn or damaged.
    """

    def __init__(self, name: str, path: str, pieces: Iterator[bytes]) -> None:
        self.name = name
        """The name of the file, for messages."""
        self.path = path
        """The name without the suffix of a container, or of the file in a zip."""
        self._pieces = pieces
        """The content."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in pieces of some MiB at most, cut anywhere.

        Raises:
            CutShort: the content is torn or damaged from here on. Everything that is
                whole was yielded before.
            BadRecording: the file cannot be read any further. The text of either error
                begins with the file's name.
        """
        try:
            yield from self._pieces
        except BadFrame as error:
            why = "; the writer was killed, or is writing still" if error.torn else ""
            raise CutShort(f"{self.name}: {error}{why}") from None
        except OSError as error:
            raise BadRecording(f"{self.name}: {error.strerror}") from None


@contextlib.contextmanager
def opened(path: str) -> Iterator[Opened]:
    """Open a recording to be read from the beginning.

    Args:
        path: the path of a file; `-` is stdin.

    Raises:
        BadRecording: the file cannot be read, or is a zip archive but no dump. The text
            begins with the file's name.
    """
    name = "stdin" if path == STDIN else path
    with contextlib.ExitStack() as stack:
        try:
            file = _stdin() if path == STDIN else stack.enter_context(open(path, "rb"))
            beginning = file.read(8)
        except OSError as error:
            raise BadRecording(f"{name}: {error.strerror}") from None
        if beginning.startswith(_ZIP):
            yield _zipped(file, beginning, name)
            return
        container = container_in(beginning)
        pieces = container.forwards(_behind(beginning, file))
        yield Opened(name, container_of(name)[1], pieces)


def _stdin() -> IO[bytes]:
    """Return stdin.

    Raises:
        BadRecording: stdin is closed, or is a terminal.
    """
    if sys.stdin is None:
        raise BadRecording("stdin is closed")
    if sys.stdin.isatty():
        raise BadRecording("stdin is a terminal; send a recording into a pipe")
    return sys.stdin.buffer


def _behind(beginning: bytes, file: IO[bytes]) -> More:
    """Return a reader of the beginning and then of the rest of a file. What is there
    already is returned without waiting for more, as a pipe may be slow."""
    rest = beginning
    read = file.read1 if isinstance(file, io.BufferedReader) else file.read

    def more(size: int) -> bytes:
        nonlocal rest
        if rest:
            data, rest = rest[:size], rest[size:]
            return data
        return read(min(size, _BLOCK))

    return more


def _zipped(file: IO[bytes], beginning: bytes, name: str) -> Opened:
    """Return the only file in a zip archive, one of the exchange's dumps.

    Raises:
        BadRecording: the archive is damaged, too large, or no dump.
    """
    data = beginning
    while len(data) <= MAX_ZIP and (block := file.read(MAX_ZIP)):
        data += block
    member, content = only_member(data, name)
    return Opened(name, member, content)
