"""Files that a run writes to: which of them it made, and that no two are the same."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import Final

from klinetail.errors import UsageError


class Outputs:
    """The regular files that the outputs of one run lead to.

    Names tell nothing: a hard link, a symbolic link, `/dev/fd/1` and a redirection all
    lead to a file by another one. Device and inode do.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[int, int], str] = {}
        """By device and inode, the first output that leads there."""

    def take(self, fd: int, name: str) -> None:
        """Note what an output leads to.

        Args:
            fd: its descriptor; what is no regular file is shared by anybody.
            name: what the user calls the output.

        Raises:
            UsageError: another output leads there already.
        """
        if (place := _place(os.fstat(fd))) is None:
            return
        if (other := self._names.get(place)) is not None:
            raise UsageError(
                f"{name} is the same file as {other}; give each a file of its own"
            )
        self._names[place] = name

    def note_standard(self) -> None:
        """Note where stdout and stderr lead to, which may be the same file: `>log 2>&1`
        is what the shell was told."""
        for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
            if stream is not None:
                self.note(stream.fileno(), name)

    def note(self, fd: int, name: str) -> None:
        """Note a file that is open already, and must not be written to by an output."""
        with contextlib.suppress(OSError):
            self._note(os.fstat(fd), name)

    def note_file(self, path: str) -> None:
        """Note a file that is read, if there is one of that name."""
        with contextlib.suppress(OSError):
            self._note(os.stat(path), path)

    def _note(self, found: os.stat_result, name: str) -> None:
        if (place := _place(found)) is not None:
            self._names.setdefault(place, name)


def _place(found: os.stat_result) -> tuple[int, int] | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino


_MODE: Final = 0o644


class OutputFile:
    """A file opened to be written to. Its content is left as it is.

    Args:
        path: its name; the file is made if there is none.
        flags: those of `os.open`, the access mode among them.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str, flags: int) -> None:
        self._path = path
        self.fd, self._made = _opened(path, flags | os.O_CLOEXEC)
        """Its descriptor, -1 once it is closed; and whether this run made the file."""

    def remove_unused(self, unused: bytes = b"") -> None:
        """Remove the file if this run made it, and it is empty or holds `unused` alone,
        which takes a descriptor that can be read. Whatever its name leads to by now, if
        not to this very file, stays."""
        if not self._made:
            return
        with contextlib.suppress(OSError):
            mine = os.fstat(self.fd)
            if mine.st_size and os.pread(self.fd, len(unused) + 1, 0) != unused:
                return
            if os.path.samestat(mine, os.lstat(self._path)):
                os.unlink(self._path)

    def close(self) -> None:
        """Close it, once; later calls do nothing.

        Raises:
            OSError: what was written is not all in the file.
        """
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def _opened(path: str, flags: int) -> tuple[int, bool]:
    """A descriptor, and whether the file was made for it."""
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, _MODE), True
    except FileExistsError:
        pass
    try:
        return os.open(path, flags), False
    except FileNotFoundError:  # a symbolic link to nothing, or it is gone by now
        return os.open(path, flags | os.O_CREAT, _MODE), False


def take_back(fd: int, torn: int, end: int) -> None:
    """Take back the beginning of a line that could not be ended; not if somebody else
    has written behind it since.

    Args:
        fd: of a file.
        torn: bytes of the line.
        end: where they end in the file.
    """
    with contextlib.suppress(OSError):
        if os.fstat(fd).st_size == end:
            os.ftruncate(fd, end - torn)
