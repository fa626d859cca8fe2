"""The appender: what it writes is in the file as a whole, or not at all."""

import errno
import os

import pytest

from klinetail.sinks.appender import CALLS, Appender, WasCut, sync_folder


def opened(path, **calls):
    return Appender(str(path), say=print, calls=CALLS._replace(**calls))


def half_then_fail(fd, data):
    if len(data) == 6:
        return os.write(fd, data[:3])
    raise OSError(errno.ENOSPC, "full")


def fail(*arguments):
    raise OSError(errno.EIO, "broken")


def test_it_counts_what_it_writes(tmp_path):
    file = opened(tmp_path / "a")
    file.append(b"one\n")
    file.append(b"")
    file.append(b"two\n")
    assert (file.size, file.torn, file.cut()) == (8, 0, 0)
    file.close()
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\n"


def test_half_is_taken_back(tmp_path):
    file = opened(tmp_path / "a", write=half_then_fail)
    with pytest.raises(OSError, match="full"):
        file.append(b"12345\n")
    assert (file.size, file.torn) == (0, 0)
    assert (tmp_path / "a").read_bytes() == b""
    file.close()


def test_half_that_cannot_be_taken_back_is_cut_later(tmp_path):
    faults = [fail, os.ftruncate]
    file = opened(
        tmp_path / "a",
        write=half_then_fail,
        ftruncate=lambda *arguments: faults.pop(0)(*arguments),
    )
    with pytest.raises(OSError, match="full"):
        file.append(b"12345\n")
    assert (file.size, file.torn) == (0, 3)
    assert (tmp_path / "a").read_bytes() == b"123"
    assert file.cut() == 3
    assert (tmp_path / "a").read_bytes() == b""
    file.close()


def test_what_others_wrote_behind_half_is_left(tmp_path):
    path = tmp_path / "a"

    def write(fd, data):
        if len(data) < 6:
            with path.open("ab") as other:
                other.write(b"theirs\n")
        return half_then_fail(fd, data)

    file = opened(path, write=write)
    with pytest.raises(OSError, match="full"):
        file.append(b"12345\n")
    assert path.read_bytes() == b"123theirs\n"
    file.close()


def test_a_cut_during_a_write_is_told(tmp_path):
    path = tmp_path / "a"
    cut = []

    def write(fd, data):
        if cut:
            os.truncate(path, cut.pop())
        return os.write(fd, data)

    file = opened(path, write=write)
    file.append(b"one\n")
    cut.append(2)
    with pytest.raises(WasCut):
        file.append(b"two\n")
    assert path.read_bytes() == b"on"
    assert file.size == 4
    file.close()


def test_opened_anew_it_is_the_same_file_and_locked_still(tmp_path):
    path = tmp_path / "a"
    file = opened(path)
    file.append(b"one\ntwo\n")
    path.rename(tmp_path / "b")
    path.write_bytes(b"theirs\n")
    file.reopen(4)
    file.append(b"three\n")
    assert (tmp_path / "b").read_bytes() == b"one\nthree\n"
    assert path.read_bytes() == b"theirs\n"
    with pytest.raises(Exception, match="another process"):
        opened(tmp_path / "b")
    file.close()
    opened(tmp_path / "b").close()


def test_the_folder_is_synced_once_and_again_after_a_failure(tmp_path):
    calls = [fail, print, fail]
    file = opened(tmp_path / "a", sync_folder=lambda folder: calls.pop(0)(folder))
    with pytest.raises(OSError, match="broken"):
        file.sync()
    file.sync()
    file.sync()
    assert len(calls) == 1
    file.close()


def test_a_folder_that_cannot_be_opened_is_left_alone(tmp_path):
    sync_folder(str(tmp_path))
    sync_folder(str(tmp_path / "none"))
