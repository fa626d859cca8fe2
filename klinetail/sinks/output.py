"""The files written by a run: files made by the run, and no two the same file."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import Final

from klinetail.errors import UsageError


class Outputs:
    """The regular files behind the outputs of a run.

    Names do not identify a file: a hard link, a symbolic link, `/dev/fd/1` and a
    redirection all lead to a file by another name. Device and inode identify the file.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[int, int], str] = {}
        """By device and inode, the first output noted for the file."""

    def take(self, fd: int, name: str) -> None:
        """Note the file of an output.

        Args:
            fd: the output's descriptor; anybody may share a target that is no regular
                file.
            name: the user's name for the output.

        Raises:
            UsageError: another output leads to the file already.
        """
        if (place := _place(os.fstat(fd))) is None:
            return
        if (other := self._names.get(place)) is not None:
            raise UsageError(
                f"{name} is the same file as {other}; give each a file of its own"
            )
        self._names[place] = name

    def note_standard(self) -> None:
        """Note the files of stdout and stderr; both may be the same file: the shell was
        told `>log 2>&1`."""
        for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
            if stream is not None:
                self.note(stream.fileno(), name)

    def note(self, fd: int, name: str) -> None:
        """Note an open file; no output may write to the file."""
        with contextlib.suppress(OSError):
            self._note(os.fstat(fd), name)

    def note_file(self, path: str) -> None:
        """Note a file to be read, if a file of the name exists."""
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
    """A file opened for writing. The content of the file is left unchanged.

    Args:
        path: the file's name; a missing file is made.
        flags: the flags of `os.open`, with the access mode.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: str, flags: int) -> None:
        self._path = path
        self.fd, self._made = _opened(path, flags | os.O_CLOEXEC)
        """The file's descriptor, -1 once closed; and whether the run made the file."""

    def remove_unused(self, unused: bytes = b"") -> None:
        """Remove the file if the run made the file, and the file is empty or holds
        `unused` alone; to look for `unused` takes a readable descriptor. If the name
        leads to a different file by now, the different file stays."""
        if not self._made:
            return
        with contextlib.suppress(OSError):
            mine = os.fstat(self.fd)
            if mine.st_size and os.pread(self.fd, len(unused) + 1, 0) != unused:
                return
            if os.path.samestat(mine, os.lstat(self._path)):
                os.unlink(self._path)

    def reopen(self, flags: int) -> None:
        """Open the same file anew, wherever the file is now.

        Args:
            flags: the flags of `os.open`, with the access mode.

        Raises:
            OSError: the file cannot be opened; the descriptor is unchanged.
        """
        flags |= os.O_CLOEXEC
        try:
            fd = os.open(f"/proc/self/fd/{self.fd}", flags)
        except FileNotFoundError:  # a system without /proc
            fd = os.open(self._path, flags)
            if not os.path.samestat(os.fstat(fd), os.fstat(self.fd)):
                os.close(fd)
                raise
        old, self.fd = self.fd, fd
        with contextlib.suppress(OSError):
            os.close(old)

    def close(self) -> None:
        """Close the file, once; later calls do nothing.

        Raises:
            OSError: some of the written bytes are not in the file.
        """
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def _opened(path: str, flags: int) -> tuple[int, bool]:
    """Return a descriptor, and whether the call made the file."""
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, _MODE), True
    except FileExistsError:
        pass
    try:
        return os.open(path, flags), False
    except FileNotFoundError:  # a symbolic link to nothing, or the file is gone
        return os.open(path, flags | os.O_CREAT, _MODE), False


def take_back(fd: int, torn: int, end: int) -> None:
    """Take back the beginning of a line without an end; not if somebody else has
    written behind the line since.

    Args:
        fd: the descriptor of a file.
        torn: the number of the line's bytes in the file.
        end: the position of the end of the bytes in the file.
    """
    with contextlib.suppress(OSError):
        if os.fstat(fd).st_size == end:
            os.ftruncate(fd, end - torn)
