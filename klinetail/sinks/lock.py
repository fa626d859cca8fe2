"""The lock of a written file: a single writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable
from typing import Final, TypeAlias

from klinetail.errors import OutputError
from klinetail.sinks.output import OutputFile

Flock: TypeAlias = Callable[[int, int], object]
"""Locks a descriptor, as `fcntl.flock` does."""

_TRIES: Final = 10
"""Times that a file is opened at most, while its name leads to another file after
each lock."""


def open_locked(
    path: str,
    flags: int,
    *,
    opened: Callable[[int], object] = lambda _: None,
    say: Callable[[str], object] = lambda _: None,
    flock: Flock = fcntl.flock,
) -> OutputFile:
    """Open a file for writing and lock the file; a pipe or device is not locked.

    A file renamed between the opening and the lock is left, and the name is opened
    again: the lock of a file that was moved away keeps no second writer out.

    Args:
        path: the file's name; a missing file is made.
        flags: the flags of `os.open`, with the access mode.
        opened: called with the open descriptor before the lock.
        say: is told that the file system has no locks.
        flock: locks a descriptor.

    Raises:
        OSError: the file cannot be opened, or is moved again and again.
        OutputError: another process writes to the file.
    """
    for _ in range(_TRIES):
        file = OutputFile(path, flags)
        try:
            opened(file.fd)
            found = os.fstat(file.fd)
            if not stat.S_ISREG(found.st_mode):
                return file
            lock(file.fd, path, say, flock)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(path), found):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()
    raise OSError(errno.ESTALE, "the file is moved again and again")


def lock(
    fd: int, path: str, say: Callable[[str], object], flock: Flock = fcntl.flock
) -> None:
    """Lock an open file until the descriptor is closed.

    Args:
        fd: the descriptor.
        path: the file's name, for messages.
        say: is told that the file system has no locks.
        flock: locks a descriptor.

    Raises:
        OutputError: another process writes to the file.
    """
    try:
        flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        writer = _writer(os.fstat(fd))
        raise OutputError(
            f"{path}: another process{writer} is writing to it"
        ) from error
    except OSError:
        say(
            f"{path}: this file system has no locks; no other program may write to the"
            " file"
        )


def _writer(found: os.stat_result) -> str:
    """Return the process that holds a file's lock, in words; empty if unknown."""
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    wanted = f"{device}:{found.st_ino}"
    with contextlib.suppress(OSError), open("/proc/locks", encoding="ascii") as locks:
        for line in locks:
            words = line.split()
            if len(words) > 5 and words[1] == "FLOCK" and words[5] == wanted:
                return f" (pid {words[4]})" if words[4].isdecimal() else ""
    return ""
