"""A download that broke off is gone on with, if it is the same version."""

import fcntl
import hashlib
import os
import threading

import pytest

from klinetail.errors import OutputError
from klinetail.exchange.part import Part, joins, wanted

ETAG = '"abc"'


@pytest.fixture
def final(tmp_path):
    return tmp_path / "folder" / "A.zip"


def beside(final, suffix):
    return final.with_name(final.name + suffix)


def test_a_part_is_there_for_the_next_process(final):
    with Part(final) as part:
        part.restart(ETAG)
        part.append(b"12")
    with Part(final) as part:
        assert (part.size, part.etag) == (2, ETAG)
        part.append(b"3")
        assert part.digest() == hashlib.sha256(b"123").hexdigest()
        part.append(b"4")
        part.finish()
    assert final.read_bytes() == b"1234"
    assert os.listdir(final.parent) == ["A.zip"]


def test_a_new_version_begins_afresh(final):
    with Part(final) as part:
        part.restart(ETAG)
        part.append(b"12")
        part.restart('"other"')
        assert (part.size, part.etag) == (0, '"other"')
        part.append(b"1")
        part.restart("")
        assert (part.size, part.etag) == (0, "")


@pytest.mark.parametrize("etag", ["", "abc", 'W/"abc"', '"a\r\nX: y"', '"é"', '"' * 3])
def test_a_version_that_vouches_for_no_bytes_is_not_kept(final, etag):
    with Part(final) as part:
        part.restart(ETAG)
        part.restart(etag)
        part.append(b"1")
        assert part.etag == ""


def test_a_damaged_note_of_the_version_is_no_version(final):
    with Part(final) as part:
        part.restart(ETAG)
        part.append(b"1")
    for content in (b"\xff", b'"a\nb"', b""):
        beside(final, ".part.etag").write_bytes(content)
        with Part(final) as part:
            assert part.etag == ""


def test_nothing_stays_of_nothing(final):
    with Part(final) as part:
        part.restart(ETAG)
    assert os.listdir(final.parent) == []


def test_one_process_at_a_time(final):
    with Part(final):
        with pytest.raises(OutputError, match="another klinetail downloads the same"):
            Part(final)
        assert beside(final, ".part").exists()
    with Part(final):
        pass


def test_a_part_that_another_process_has_just_finished(final):
    """The lock is got on a file that has its final name by now."""
    final.parent.mkdir()
    path = beside(final, ".part")
    path.write_bytes(b"whole")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        os.replace(path, final)
        with Part(final) as part:
            part.append(b"x")
            assert part.size == 1
    assert final.read_bytes() == b"whole"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="choose another folder for dumps"):
        Part(tmp_path / "file" / "A.zip")
    (tmp_path / "A.zip").mkdir()
    (tmp_path / "A.zip" / "x").mkdir()
    with Part(tmp_path / "A.zip") as part:
        part.append(b"1")
        with pytest.raises(OutputError, match="choose another folder for dumps"):
            part.finish()


def test_a_full_disk(tmp_path):
    final = tmp_path / "A.zip"
    beside(final, ".part").symlink_to("/dev/full")
    with Part(final) as part, pytest.raises(OutputError, match="No space left"):
        part.append(b"1")


def test_threads_do_not_share_a_part(final):
    failed = []

    def download():
        try:
            Part(final)
        except OutputError as error:
            failed.append(error)

    with Part(final):
        thread = threading.Thread(target=download)
        thread.start()
        thread.join(60)
    assert len(failed) == 1


def test_what_is_asked_for():
    assert wanted(0, "") == wanted(0, ETAG) == wanted(7, "") == {}
    assert wanted(7, ETAG) == {"Range": "bytes=7-", "If-Range": ETAG}


@pytest.mark.parametrize(
    ("status", "given", "answer"),
    [
        (206, "bytes 7-9/10", True),
        (206, "bytes 7-9/*", True),
        (206, "bytes 6-9/10", False),
        (206, "bytes 0-9/10", False),
        (206, "", False),
        (206, "bytes */10", False),
        (206, "lines 7-9/10", False),
        (200, "", False),
        (200, "bytes 7-9/10", False),
        (416, "bytes */7", True),
        (416, "bytes */9", False),
        (416, "bytes */*", False),
        (416, "", False),
    ],
)
def test_what_goes_on(status, given, answer):
    assert joins(status, given, 7) is answer
