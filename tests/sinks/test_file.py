import contextlib
import errno
import os
import resource
import subprocess
import sys
import textwrap

import pytest

from klinetail.candle import Interval, Stream
from klinetail.errors import ExitCode, OutputError, UsageError
from klinetail.formats import csv, jsonl
from klinetail.formats.registry import FORMATS
from klinetail.sinks.file import FileSink
from klinetail.sinks.output import Outputs
from tests.sinks.pipes import candles
from tests.strategies import BTCUSDT_1M, candle

EACH_FORMAT = pytest.mark.parametrize(
    ("name", "form"), [(f"a.{name}", form) for name, form in FORMATS.items()]
)


def write(path, some):
    with FileSink(str(path)) as sink:
        write_all(sink, some)
        return sink


def write_all(sink, some):
    for one in some:
        sink.write([sink.prepare(one)])


def lines(sink, count):
    return [sink.prepare(candle) for candle in candles(count)]


def run(program, *args, limit=None):
    """Run a program in a process of its own, its files at most `limit` bytes long."""

    def limited():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, args)],
        capture_output=True,
        text=True,
        preexec_fn=limited,
        timeout=60,
    )


class TestFileSink:
    @EACH_FORMAT
    def test_a_new_file_has_one_header_and_a_line_a_candle(self, tmp_path, name, form):
        sink = write(tmp_path / name, candles(3))
        assert (tmp_path / name).read_bytes() == form.HEADER + form.encode(candles(3))
        assert sink.written == 3

    @EACH_FORMAT
    def test_an_old_one_is_continued(self, tmp_path, name, form):
        for start in range(3):
            write(tmp_path / name, candles(2, 2 * start))
        assert (tmp_path / name).read_bytes() == form.HEADER + form.encode(candles(6))

    @EACH_FORMAT
    def test_an_empty_one_is_as_new(self, tmp_path, name, form):
        (tmp_path / name).touch()
        write(tmp_path / name, candles(1))
        assert (tmp_path / name).read_bytes() == form.HEADER + form.encode(candles(1))

    def test_each_line_is_there_as_soon_as_it_is_written(self, tmp_path):
        path = tmp_path / "a.csv"
        with FileSink(str(path)) as sink:
            assert path.read_bytes() == csv.HEADER
            for number, one in enumerate(candles(5), 1):
                sink.write([sink.prepare(one)])
                assert path.read_bytes() == csv.HEADER + csv.encode(candles(number))

    def test_it_says_how_far_it_has_got(self, tmp_path):
        other = Stream("ETHUSDT", Interval("1m"))
        with FileSink(str(tmp_path / "a.csv")) as sink:
            assert sink.resume_points([BTCUSDT_1M, other]) == {}
            write_all(sink, candles(2))
            last = candles(2)[-1]
            begun = candle(closed=False, open_time=last.close_time + 1)
            write_all(sink, [begun])
            assert sink.resume_points([BTCUSDT_1M, other]) == {
                last.stream: last.close_time + 1
            }
            assert sink.resume_points([other]) == {}

    def test_what_could_not_be_written_is_no_point_to_resume_from(self, tmp_path):
        program = """
            import sys
            from klinetail.errors import OutputError
            from klinetail.sinks.file import FileSink
            from tests.sinks.pipes import candles
            with FileSink(sys.argv[1], updates=True) as sink:
                try:
                    sink.write([sink.prepare(candle) for candle in candles(100)])
                except OutputError:
                    (point,) = sink.resume_points([candles(1)[0].stream]).values()
                    print(sink.written, point)
        """
        path = tmp_path / "a.csv"
        done = run(program, path, limit=9_999)
        written, point = map(int, done.stdout.split())
        assert written == len(path.read_bytes().splitlines()) - 1
        assert 0 < written < 100
        assert point == candles(written)[-1].close_time + 1

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
    def test_one_write_a_line(self, tmp_path):
        def writes():
            with open("/proc/self/io") as file:
                lines = dict(line.split(":") for line in file)
            return int(lines["syscw"])

        with FileSink(str(tmp_path / "a.csv")) as sink:
            before = writes()
            for one in candles(50):
                sink.write([sink.prepare(one)])
            assert writes() - before == 50

    @pytest.mark.parametrize(
        "content",
        [
            b"open_time,open,high,low,close\n1,2,3,4,5\n",
            csv.HEADER.replace(b",", b";"),
            csv.HEADER[:-1],
            csv.HEADER[:10] + b"\n",
            csv.encode(candles(1)),
            b"\n",
            b"\xef\xbb\xbf" + csv.HEADER,
            csv.HEADER.replace(b"\n", b"\r\n"),
        ],
    )
    def test_a_foreign_header_is_refused(self, tmp_path, content):
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        with pytest.raises(UsageError, match="another header"):
            FileSink(str(path))
        assert path.read_bytes() == content

    @EACH_FORMAT
    @pytest.mark.parametrize("torn", [1, 50, 100])
    def test_a_torn_last_line_is_refused(self, tmp_path, name, form, torn):
        content = form.HEADER + form.encode(candles(2))[:-torn]
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="torn"):
            FileSink(str(tmp_path / name))
        assert (tmp_path / name).read_bytes() == content

    @pytest.mark.parametrize(
        "content",
        [
            csv.HEADER + csv.encode(candles(2)),
            b"open_time,open\n1,2\n",
            b'{"event":"started"}\n',
            b"[1,2]\n",
            b"btcusdt\nethusdt\n",
            b"x" * 200_000 + b"\n",
        ],
    )
    def test_json_lines_are_not_appended_to_something_else(self, tmp_path, content):
        path = tmp_path / "a.jsonl"
        path.write_bytes(content)
        with pytest.raises(UsageError, match="it holds something else"):
            FileSink(str(path))
        assert path.read_bytes() == content

    def test_a_csv_header_over_something_else_is_not_enough(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_bytes(csv.HEADER + jsonl.encode(candles(1)))
        with pytest.raises(UsageError, match="it holds something else"):
            FileSink(str(path))

    def test_blank_lines_and_lines_of_a_later_version_are_no_fault(self, tmp_path):
        path = tmp_path / "a.jsonl"
        later = jsonl.encode(candles(1)).replace(b"}\n", b',"more":1}\n')
        path.write_bytes(b"\n" + later)
        write(path, candles(1, 1))
        assert path.read_bytes() == b"\n" + later + jsonl.encode(candles(1, 1))

    def test_another_output_s_file_is_refused_before_anything_is_written(
        self, tmp_path
    ):
        path, outputs = tmp_path / "a.csv", Outputs()
        with path.open("wb") as file:
            outputs.note(file.fileno(), "stdout")
            with pytest.raises(UsageError, match="is the same file as stdout"):
                FileSink(str(path), outputs=outputs)
        assert path.read_bytes() == b""

    @EACH_FORMAT
    def test_only_a_file_made_for_nothing_is_removed(self, tmp_path, name, form):
        path = tmp_path / name
        write(path, [])
        assert not path.exists()
        path.touch()
        write(path, [])
        assert path.read_bytes() == form.HEADER

    @EACH_FORMAT
    def test_somebody_s_file_of_the_same_name_is_not_removed(
        self, tmp_path, name, form
    ):
        path = tmp_path / name
        for content in (form.HEADER, b"theirs\n", b""):
            with FileSink(str(path)):
                path.rename(tmp_path / "moved")
                path.write_bytes(content)
            assert path.read_bytes() == content
            assert (tmp_path / "moved").read_bytes() == form.HEADER
            path.unlink()

    def test_what_somebody_appended_is_not_removed(self, tmp_path):
        path = tmp_path / "a.csv"
        with FileSink(str(path)), path.open("ab") as other:
            other.write(csv.encode(candles(1)))
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(1))

    @pytest.mark.parametrize("name", ["a", "a.parquet", "csv", ".csv.gz", "a.csv~"])
    def test_a_suffix_that_names_no_format(self, tmp_path, name):
        with pytest.raises(UsageError, match="suffix"):
            FileSink(str(tmp_path / name))
        assert not (tmp_path / name).exists()

    def test_a_path_that_cannot_be_written(self, tmp_path):
        (tmp_path / "folder.csv").mkdir()
        (tmp_path / "file").touch()
        (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
        for path, words in (
            ("none/a.csv", "No such file"),
            ("file/a.csv", "Not a directory"),
            ("folder.csv", "Is a directory"),
            ("loop.csv", "symbolic links"),
            ("x" * 300 + ".csv", "too long"),
        ):
            with pytest.raises(OutputError, match=words) as caught:
                FileSink(str(tmp_path / path))
            assert caught.value.exit_code is ExitCode.OUTPUT

    def test_a_directory_without_permission(self, tmp_path):
        """root is asked for permission nowhere, so this runs as nobody."""
        program = """
            import os, sys
            from klinetail.errors import OutputError
            from klinetail.sinks.file import FileSink
            if os.getuid() == 0:
                os.setuid(65534)
            try:
                FileSink(sys.argv[1])
            except OutputError as error:
                raise SystemExit(str(error))
        """
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o555)
        with opened_up(tmp_path):
            done = run(program, folder / "a.csv")
        assert done.stderr.strip().endswith(f"a.csv: {os.strerror(errno.EACCES)}")

    @EACH_FORMAT
    def test_updates_are_written_together_in_whole_lines(self, tmp_path, name, form):
        path = tmp_path / name
        counts = {}
        for updates in (False, True):
            program = """
                import os, sys
                from klinetail.sinks.file import FileSink
                from tests.sinks.pipes import candles
                sizes, write = [], os.write
                def counting(fd, data):
                    sizes.append(len(data))
                    return write(fd, data)
                os.write = counting
                with FileSink(sys.argv[1], updates=bool(sys.argv[2:])) as sink:
                    sink.write(list(map(sink.prepare, candles(100))))
                    print(len(sizes), max(sizes), sink.written)
            """
            path.unlink(missing_ok=True)
            done = run(program, path, *(["updates"] if updates else []))
            counts[updates] = list(map(int, done.stdout.split()))
            assert path.read_bytes() == form.HEADER + form.encode(candles(100))
        assert counts[False][0] - counts[True][0] > 80
        assert counts[True][1] <= 4096
        assert counts[False][2] == counts[True][2] == 100

    def test_a_second_writer_is_refused(self, tmp_path):
        path = str(tmp_path / "a.csv")
        with FileSink(path) as sink:
            sink.write(lines(sink, 1))
            with pytest.raises(OutputError, match="is writing to it"):
                FileSink(path)
            program = """
                import sys
                from klinetail.errors import OutputError
                from klinetail.sinks.file import FileSink
                try:
                    FileSink(sys.argv[1])
                except OutputError as error:
                    raise SystemExit(str(error))
            """
            assert "another process is writing" in run(program, path).stderr
            sink.write(lines(sink, 2)[1:])
        write(path, candles(1, 2))
        with open(path, "rb") as file:
            assert file.read() == csv.HEADER + csv.encode(candles(3))

    def test_a_killed_writer_leaves_no_lock(self, tmp_path):
        program = """
            import os, signal, sys
            from klinetail.sinks.file import FileSink
            sink = FileSink(sys.argv[1])
            os.kill(os.getpid(), signal.SIGKILL)
        """
        assert run(program, tmp_path / "a.csv").returncode == -9
        write(tmp_path / "a.csv", candles(1))

    def test_no_descriptor_is_left_by_a_refusal(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_bytes(b"other\n")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(UsageError):
                FileSink(str(path))
        assert len(os.listdir("/proc/self/fd")) == before

    @EACH_FORMAT
    @pytest.mark.parametrize("extra", [0, 1, 77, 100])
    def test_a_limit_leaves_whole_lines_and_room_is_used_again(
        self, tmp_path, name, form, extra
    ):
        """At every kind of place in a line the disk can be full."""
        path = tmp_path / name
        program = """
            import sys
            from klinetail.errors import OutputError
            from klinetail.sinks.file import FileSink
            from tests.sinks.pipes import candles
            failed = []
            with FileSink(sys.argv[1]) as sink:
                for candle in candles(50):
                    try:
                        sink.write([sink.prepare(candle)])
                    except OutputError as error:
                        failed.append(str(error))
                print(sink.written, len(failed), failed[0])
        """
        limit = len(form.HEADER + form.encode(candles(10))) + extra
        done = run(program, path, limit=limit)
        assert done.stdout == f"10 40 {path}: {os.strerror(errno.EFBIG)}\n", done.stderr
        assert path.read_bytes() == form.HEADER + form.encode(candles(10))
        write(path, candles(1, 10))
        assert path.read_bytes() == form.HEADER + form.encode(candles(11))

    def test_no_room_even_for_the_header(self, tmp_path):
        program = """
            import sys
            from klinetail.errors import OutputError
            from klinetail.sinks.file import FileSink
            try:
                FileSink(sys.argv[1])
            except OutputError as error:
                raise SystemExit(str(error))
        """
        path = tmp_path / "a.csv"
        assert os.strerror(errno.EFBIG) in run(program, path, limit=20).stderr
        assert path.read_bytes() == b""
        write(path, candles(1))

    def test_a_full_disk(self, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
        if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("only root can mount a tiny disk")
        try:
            path = disk / "a.csv"
            with FileSink(str(path)) as sink:
                with pytest.raises(OutputError, match="No space left"):
                    write_all(sink, candles(500))
                assert sink.written > 50
                kept = csv.HEADER + csv.encode(candles(sink.written))
                assert path.read_bytes() == kept
        finally:
            subprocess.run(["umount", str(disk)], check=True)


@contextlib.contextmanager
def opened_up(path):
    """Let everybody pass the directories above, as pytest does not."""
    changed = []
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if folder.owner() == "root" and not mode & 0o001:
            changed.append((folder, mode))
            folder.chmod(mode | 0o055)
    yield
    for folder, mode in changed:
        folder.chmod(mode)
