"""Where --stats writes to: opened at the start, and nobody is waited for at the end."""

import os

import pytest

from klinetail.cli.stats_file import StatsFile
from klinetail.errors import OutputError, UsageError
from klinetail.formats import csv, jsonl
from klinetail.sinks.output import Outputs
from tests.strategies import candle


def written(path, data=b"{}\n"):
    with StatsFile(str(path)) as stats_file:
        stats_file.write(data)


class TestStatsFile:
    def test_replaces_what_was_there(self, tmp_path):
        path = tmp_path / "stats.json"
        written(path, b'{"closed":1000}\n')
        written(path, b"{}\n")
        assert path.read_bytes() == b"{}\n"

    def test_keeps_what_was_there_until_then(self, tmp_path):
        path = tmp_path / "stats.json"
        path.write_bytes(b"{}\n")
        with StatsFile(str(path)):
            pass
        assert path.read_bytes() == b"{}\n"

    def test_leaves_no_file_if_there_was_nothing_to_write(self, tmp_path):
        path = tmp_path / "stats.json"
        with StatsFile(str(path)):
            assert path.exists()
        assert not path.exists()

    def test_somebody_s_file_of_the_same_name_is_not_removed(self, tmp_path):
        path = tmp_path / "stats.json"
        with StatsFile(str(path)):
            path.rename(tmp_path / "moved")
            path.write_bytes(b"theirs\n")
        assert path.read_bytes() == b"theirs\n"

    @pytest.mark.parametrize("form", [csv, jsonl])
    def test_candles_are_not_replaced_by_figures(self, tmp_path, form):
        path = tmp_path / "candles"
        content = form.HEADER + form.encode([candle()])
        path.write_bytes(content)
        with pytest.raises(UsageError, match="the file holds candles"):
            StatsFile(str(path))
        assert path.read_bytes() == content

    def test_another_output_s_file_is_refused(self, tmp_path):
        path, outputs = tmp_path / "stats.json", Outputs()
        with path.open("wb") as file:
            outputs.note(file.fileno(), "stderr")
            with pytest.raises(UsageError, match="is the same file as stderr"):
                StatsFile(str(path), outputs)

    def test_a_file_that_cannot_be_is_refused_before_anything_else(self, tmp_path):
        for path in (tmp_path / "no" / "stats.json", tmp_path):
            with pytest.raises(OutputError, match=f"--stats {path}: "):
                StatsFile(str(path))

    def test_a_fifo_without_a_reader_is_refused_and_not_waited_for(self, tmp_path):
        path = tmp_path / "fifo"
        os.mkfifo(path)
        with pytest.raises(OutputError):
            StatsFile(str(path))

    def test_a_fifo_that_is_read_gets_it(self, tmp_path):
        path = tmp_path / "fifo"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            written(path)
            assert os.read(reader, 100) == b"{}\n"
        finally:
            os.close(reader)

    def test_a_reader_who_sleeps_is_not_waited_for(self, tmp_path):
        path = tmp_path / "fifo"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with StatsFile(str(path)) as stats_file:
                with pytest.raises(OutputError, match="unavailable"):
                    stats_file.write(bytes(1 << 20))
                with pytest.raises(OutputError, match="no process reads"):
                    stats_file.write(b"{}\n")
        finally:
            os.close(reader)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
    def test_a_full_disk(self):
        with pytest.raises(OutputError, match="No space left"):
            written("/dev/full")
        assert os.path.exists("/dev/full")

    def test_a_dash_is_stderr(self, capfd):
        written("-")
        assert capfd.readouterr().err == "{}\n"
