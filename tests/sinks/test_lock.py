"""The lock: one writer at a time, of the file that the name leads to."""

import errno
import fcntl
import os

import pytest

from klinetail.errors import OutputError, UsageError
from klinetail.sinks.lock import open_locked

FLAGS = os.O_RDWR | os.O_APPEND


def test_a_file_moved_between_opening_and_lock_is_left(tmp_path):
    path, seen = tmp_path / "a", []

    def opened(fd):
        seen.append(os.fstat(fd).st_ino)
        if len(seen) == 1:
            path.rename(tmp_path / "moved")
            path.write_bytes(b"new\n")
        if len(seen) == 2:
            path.unlink()

    file = open_locked(str(path), FLAGS, opened=opened)
    assert len(seen) == 3
    os.write(file.fd, b"mine\n")
    assert path.read_bytes() == b"mine\n"
    open_locked(str(tmp_path / "moved"), FLAGS).close()  # not locked
    with pytest.raises(OutputError, match="is writing to it"):
        open_locked(str(path), FLAGS)
    file.close()


def test_a_file_moved_again_and_again_is_given_up(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="again and again") as caught:
        open_locked(
            str(tmp_path / "a"), FLAGS, opened=lambda fd: (tmp_path / "a").unlink()
        )
    assert caught.value.errno == errno.ESTALE
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_other_writer_is_named(tmp_path):
    with (tmp_path / "a").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        words = rf"a: another process \(pid {os.getpid()}\) is writing to it"
        with pytest.raises(OutputError, match=words):
            open_locked(str(tmp_path / "a"), FLAGS)


def test_what_refuses_the_open_file_leaves_no_descriptor(tmp_path):
    def refuse(fd):
        raise UsageError("no")

    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(UsageError):
        open_locked(str(tmp_path / "a"), FLAGS, opened=refuse)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pipe_and_a_device_are_not_locked(tmp_path):
    os.mkfifo(tmp_path / "a")
    for path in (tmp_path / "a", "/dev/null"):
        files = [open_locked(str(path), FLAGS) for _ in range(2)]
        for file in files:
            file.close()


def test_a_file_system_without_locks_is_said(tmp_path):
    def no_locks(fd, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    said = []
    path = str(tmp_path / "a")
    files = [
        open_locked(path, FLAGS, say=said.append, flock=no_locks) for _ in range(2)
    ]
    for file in files:
        file.close()
    line = f"{path}: this file system has no locks; no other program may write to it"
    assert len(said) == 2
    assert said[0].startswith(line[:-2])
