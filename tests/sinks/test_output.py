"""Which files are a run's own, and which outputs lead to the same one."""

import os

import pytest

from klinetail.errors import UsageError
from klinetail.sinks.output import OutputFile, Outputs, take_back


@pytest.fixture
def opened():
    files = []

    def open_file(path, flags=os.O_RDWR):
        files.append(OutputFile(str(path), flags))
        return files[-1]

    yield open_file
    for file in files:
        file.close()


class TestOutputFile:
    def test_one_that_was_made_for_nothing_is_removed(self, tmp_path, opened):
        opened(tmp_path / "a").remove_unused()
        assert not (tmp_path / "a").exists()

    def test_one_that_holds_what_was_begun_alone_is_removed(self, tmp_path, opened):
        file = opened(tmp_path / "a")
        os.write(file.fd, b"header\n")
        file.remove_unused(b"header\n")
        assert not (tmp_path / "a").exists()

    @pytest.mark.parametrize("content", [b"header\nx", b"head", b"heADER\n", b"x"])
    def test_one_that_holds_anything_else_stays(self, tmp_path, opened, content):
        file = opened(tmp_path / "a")
        os.write(file.fd, content)
        file.remove_unused(b"header\n")
        assert (tmp_path / "a").read_bytes() == content

    def test_one_that_was_there_stays(self, tmp_path, opened):
        (tmp_path / "a").touch()
        opened(tmp_path / "a").remove_unused()
        assert (tmp_path / "a").exists()

    @pytest.mark.parametrize("flags", [os.O_RDWR, os.O_WRONLY])
    def test_somebody_s_file_of_the_same_name_stays(self, tmp_path, opened, flags):
        file = opened(tmp_path / "a", flags)
        (tmp_path / "a").rename(tmp_path / "moved")
        (tmp_path / "a").touch()
        file.remove_unused()
        assert (tmp_path / "a").exists()
        assert (tmp_path / "moved").exists()

    def test_somebody_s_link_to_it_stays(self, tmp_path, opened):
        """The name leads to the very file, and yet is not the one that was made."""
        file = opened(tmp_path / "a")
        (tmp_path / "a").rename(tmp_path / "moved")
        (tmp_path / "a").symlink_to(tmp_path / "moved")
        file.remove_unused()
        assert (tmp_path / "a").is_symlink()
        assert (tmp_path / "moved").exists()

    def test_a_link_to_nothing_leads_to_a_new_file_and_both_stay(
        self, tmp_path, opened
    ):
        (tmp_path / "a").symlink_to(tmp_path / "target")
        opened(tmp_path / "a").remove_unused()
        assert (tmp_path / "a").is_symlink()
        assert (tmp_path / "target").exists()

    def test_its_content_stays_as_it_is(self, tmp_path, opened):
        (tmp_path / "a").write_bytes(b"old")
        opened(tmp_path / "a", os.O_WRONLY)
        assert (tmp_path / "a").read_bytes() == b"old"

    def test_it_is_closed_once(self, tmp_path, opened):
        file = opened(tmp_path / "a")
        fd = file.fd
        file.close()
        other = os.open(tmp_path / "a", os.O_RDONLY)
        try:
            assert other == fd, "the number is taken again"
            file.close()
            os.fstat(other)
        finally:
            os.close(other)


class TestOutputs:
    def test_two_names_of_one_file_are_refused(self, tmp_path, opened):
        first = opened(tmp_path / "a")
        os.link(tmp_path / "a", tmp_path / "hard")
        (tmp_path / "soft").symlink_to(tmp_path / "a")
        (tmp_path / "folder").symlink_to(tmp_path)
        names = ["a", "hard", "soft", "folder/a", f"/dev/fd/{first.fd}"]
        for name in names:
            outputs = Outputs()
            outputs.take(first.fd, "--out a")
            again = opened(tmp_path / name)
            with pytest.raises(UsageError, match=f"--x {name} is the same file as"):
                outputs.take(again.fd, f"--x {name}")

    def test_files_of_their_own_are_not(self, tmp_path, opened):
        outputs = Outputs()
        for name in "abc":
            outputs.take(opened(tmp_path / name).fd, name)

    def test_what_is_no_regular_file_is_shared(self, tmp_path, opened):
        os.mkfifo(tmp_path / "fifo")
        for path in ("/dev/null", tmp_path / "fifo"):
            outputs = Outputs()
            for name in "ab":
                outputs.take(opened(path).fd, name)

    def test_what_stands_there_already_may_share_but_no_output_may_join(
        self, tmp_path, opened
    ):
        outputs = Outputs()
        fd = opened(tmp_path / "log").fd
        outputs.note(fd, "stdout")
        outputs.note(fd, "stderr")
        with pytest.raises(UsageError, match="--out log is the same file as stdout"):
            outputs.take(fd, "--out log")

    def test_a_file_that_is_read_is_no_output(self, tmp_path, opened):
        (tmp_path / "a").touch()
        outputs = Outputs()
        outputs.note_file(str(tmp_path / "absent"))
        outputs.note_file(str(tmp_path / "a"))
        with pytest.raises(UsageError, match="is the same file as"):
            outputs.take(opened(tmp_path / "a").fd, "--ledger a")

    def test_a_closed_descriptor_leads_nowhere(self):
        Outputs().note(987_654, "stdout")


def test_only_what_was_written_last_is_taken_back(tmp_path, opened):
    path = tmp_path / "a"
    file = opened(path)
    os.write(file.fd, b"whole\ntor")
    path.write_bytes(b"whole\ntor and somebody's\n")
    take_back(file.fd, 3, 9)
    assert path.read_bytes() == b"whole\ntor and somebody's\n"
    os.truncate(path, 9)
    take_back(file.fd, 3, 9)
    assert path.read_bytes() == b"whole\n"
