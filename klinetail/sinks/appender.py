"""The appender: an open, locked file to which bytes are appended as a whole or not at
all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable
from typing import Final, NamedTuple

from klinetail.sinks.lock import Flock, lock, open_locked

_FLAGS: Final = os.O_RDWR | os.O_APPEND
"""To read, too: the present content has to be a recording to continue."""

_NO_SYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
"""The system's error numbers for a file without syncs."""


class WasCut(OSError):
    """Somebody has cut the file."""


def sync_folder(folder: str) -> None:
    """Write the names in a folder to the disk. A folder that cannot be read, or a file
    system without syncs of folders, is left alone.

    Raises:
        OSError: the names cannot be written.
    """
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(fd)


class Calls(NamedTuple):
    """The calls to the system for a file that is written; a test can make them fail."""

    write: Callable[[int, bytes], int] = os.write
    """Writes bytes to a descriptor; returns the number of bytes written."""
    ftruncate: Callable[[int, int], object] = os.ftruncate
    """Cuts the file of a descriptor to a size."""
    fdatasync: Callable[[int], object] = os.fdatasync
    """Writes the data of a descriptor to the disk."""
    sync_folder: Callable[[str], object] = sync_folder
    """Writes the names in a folder to the disk."""
    flock: Flock = fcntl.flock
    """Locks a descriptor."""


CALLS: Final = Calls()
"""The system's own calls."""


class Appender:
    """An open file at whose end bytes are written; a regular file is locked.

    Args:
        path: the name of the file; a missing file is made.
        opened: called with the open descriptor before the lock.
        say: is told that the file system has no locks, and that another program writes
            to the file.
        calls: the calls to the system.

    Raises:
        OSError: the file cannot be opened.
        OutputError: another process writes to the file.
    """

    def __init__(
        self,
        path: str,
        *,
        opened: Callable[[int], object] = lambda _: None,
        say: Callable[[str], object],
        calls: Calls = CALLS,
    ) -> None:
        self.path = path
        """The name of the file."""
        self._say = say
        """Is told what another program can do, or does, to the file."""
        self._calls = calls
        """The calls to the system."""
        self._file = open_locked(
            path, _FLAGS, opened=opened, say=say, flock=calls.flock
        )
        """The open file."""
        self.regular = stat.S_ISREG(os.fstat(self.fd).st_mode)
        """Whether the file is a regular file, not a pipe or a device."""
        self.size = 0
        """The size of the whole records in the file, bytes."""
        self.torn = 0
        """The bytes after the whole records, which have to be cut off."""
        self._shared = False
        """Whether a line said that another program writes to the file."""
        self._named = False
        """Whether the name of the file is surely on the disk."""

    @property
    def fd(self) -> int:
        """The descriptor of the file."""
        return self._file.fd

    def append_if_room(self, data: bytes) -> bool:
        """Append bytes, unless the disk has no space left; return whether the bytes are
        in the file.

        Raises:
            OSError: the bytes could not be written, for another reason.
        """
        try:
            self.append(data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            return False
        return True

    def append(self, data: bytes) -> None:
        """Append bytes as a whole, or not at all.

        Raises:
            OSError: the bytes could not be written, and are not in the file; `torn`
                counts a part that could not be taken back.
            WasCut: the file was cut by somebody else meanwhile; the bytes are not in
                the file.
        """
        fd, written = self.fd, 0
        if not data:
            return
        try:
            while written < len(data):
                written += self._calls.write(fd, data[written:])
        except OSError:
            if written and self.regular:
                self._take_back(written)
            raise
        if not self.regular:
            return
        end = os.lseek(fd, 0, os.SEEK_CUR)
        if end < self.size + len(data):
            with contextlib.suppress(OSError):
                self._calls.ftruncate(fd, max(0, end - len(data)))
            raise WasCut(errno.ESTALE, "somebody has cut the file")
        if end > self.size + len(data) and not self._shared:
            self._shared = True
            self._say(
                f"{self.path}: another program writes to the file, too; klinetail check"
                f" {self.path} shows what the file holds"
            )
        self.size = end

    def _take_back(self, torn: int) -> None:
        """Take back the bytes written last; not if somebody else has written behind
        them since."""
        with contextlib.suppress(OSError):
            end = os.lseek(self.fd, 0, os.SEEK_CUR)
            if os.fstat(self.fd).st_size == end:
                self.size, self.torn = end - torn, torn
                self.cut()

    def cut(self) -> int:
        """Cut off all after the whole records; return the number of bytes.

        Raises:
            OSError: the file cannot be cut.
        """
        torn = self.torn
        if torn:
            self._calls.ftruncate(self.fd, self.size)
            self.torn = 0
        return torn

    def sync(self) -> None:
        """Write the file's data to the disk, and the file's name once.

        Raises:
            OSError: the data cannot be written. The system may take unwritten data for
                written from now on: only `reopen` makes the file good again.
        """
        try:
            self._calls.fdatasync(self.fd)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
        if not self._named:
            self._calls.sync_folder(os.path.dirname(os.path.realpath(self.path)))
            self._named = True

    def reopen(self, size: int) -> None:
        """Open the file anew, wherever the file is now, and cut the file.

        Args:
            size: the size to which the file is cut, bytes.

        Raises:
            OSError: the file cannot be opened or cut.
            OutputError: another process writes to the file.
        """
        self._file.reopen(_FLAGS)
        lock(self.fd, self.path, self._say, self._calls.flock)
        self._calls.ftruncate(self.fd, size)
        self.size, self.torn = size, 0

    def remove_unused(self, unused: bytes) -> None:
        """See `OutputFile.remove_unused`."""
        self._file.remove_unused(unused)

    def close(self) -> None:
        """See `OutputFile.close`."""
        self._file.close()


def path_of(fd: int) -> str:
    """Return the path that a descriptor's file has now; empty if unknown."""
    with contextlib.suppress(OSError):
        path = os.readlink(f"/proc/self/fd/{fd}")
        return os.path.relpath(path) if not path.startswith("/proc") else ""
    return ""
