import contextlib
import errno
import math
import os
import random
import resource
import subprocess
import sys
import textwrap

import pytest

from klinetail.candle import Interval, Stream
from klinetail.errors import ExitCode, OutputError, UsageError
from klinetail.formats import csv, jsonl
from klinetail.formats.registry import FORMATS
from klinetail.recordings.policy import CLOSED, FileOptions
from klinetail.recordings.tail import kind_of
from klinetail.sinks.appender import CALLS
from klinetail.sinks.file import FileSink, Replaced
from klinetail.sinks.output import Outputs
from klinetail.sinks.sink import NO_RETRY
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


def run(program, *args, limit=None, most=None):
    """Run a program in a process of its own, its files at most `limit` bytes long; the
    program may raise the limit up to `most`."""

    def limited():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most or limit))

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
            from klinetail.sinks.file import FileSink
            from tests.sinks.pipes import candles
            with FileSink(sys.argv[1], updates=True) as sink:
                try:
                    sink.write([sink.prepare(candle) for candle in candles(100)])
                except OSError:
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
        ("content", "words"),
        [
            (b"open_time,open,high,low,close\n1,2,3,4,5\n", "another header"),
            (csv.HEADER.replace(b",", b";"), "another header"),
            (csv.HEADER[:10] + b"\n", "another header"),
            (csv.encode(candles(1)), "another header"),
            (b"\n", "another header"),
            (b"\xef\xbb\xbf" + csv.HEADER, "a byte-order mark"),
            (csv.HEADER.replace(b"\n", b"\r\n"), "CRLF line ends"),
            (csv.HEADER.replace(b"\n", b",more\n"), "newer klinetail"),
        ],
    )
    def test_a_foreign_header_is_refused(self, tmp_path, content, words):
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        with pytest.raises(UsageError, match=words):
            FileSink(str(path))
        assert path.read_bytes() == content

    @pytest.mark.parametrize("size", [1, 10, len(csv.HEADER) - 1])
    def test_the_beginning_of_a_header_alone_is_as_new(self, tmp_path, size):
        path = tmp_path / "a.csv"
        path.write_bytes(csv.HEADER[:size])
        write(path, candles(1))
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(1))

    @EACH_FORMAT
    @pytest.mark.parametrize("torn", [1, 50, 100])
    def test_a_torn_last_line_is_cut_at_the_first_write_and_said(
        self, tmp_path, name, form, torn
    ):
        path, said = tmp_path / name, []
        content = form.HEADER + form.encode(candles(2))[:-torn]
        path.write_bytes(content)
        with FileSink(str(path), say=said.append) as sink:
            assert [*sink.tail([BTCUSDT_1M]).points().values()] == [
                candles(1)[0].close_time + 1
            ]
            assert path.read_bytes() == content
            assert said == []
            write_all(sink, candles(1, 1))
            assert path.read_bytes() == form.HEADER + form.encode(candles(2))
        size = len(form.encode(candles(1, 1))) - torn
        assert said == [f"{path}: cut {size} bytes of a torn last line"]

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

    @pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst"])
    @pytest.mark.parametrize("nuls", [0, 4096])
    def test_a_torn_first_frame_is_cut_off_if_a_header_alone_fits(
        self, tmp_path, name, nuls
    ):
        path = tmp_path / name
        pack = kind_of(name).container.pack
        header = pack(csv.HEADER)
        for size in (*range(4, len(header), 9), len(header) - 1):
            path.write_bytes(header[:size] + bytes(nuls))
            write(path, candles(1))
            assert path.read_bytes() == header + pack(csv.encode(candles(1)))
        other = pack(csv.HEADER + csv.encode(candles(30)))  # by another program
        for size in (*range(len(header), len(other) - 9, 50), len(other) - 9):
            content = other[:size] + bytes(nuls)
            path.write_bytes(content)
            with pytest.raises(UsageError, match="it holds something else"):
                FileSink(str(path))
            assert path.read_bytes() == content

    @pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
    def test_a_torn_first_frame_of_json_lines_is_short(self, tmp_path, name):
        path = tmp_path / name
        pack = kind_of(name).container.pack
        path.write_bytes(pack(jsonl.encode(candles(30)))[:-1])
        write(path, candles(1))
        assert path.read_bytes() == pack(jsonl.encode(candles(1)))
        content = pack(random.Random(1).randbytes(70_000))[:65_536]
        path.write_bytes(content)
        with pytest.raises(UsageError, match="it holds something else"):
            FileSink(str(path))
        assert path.read_bytes() == content

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
            sizes = []

            def write(fd, data, sizes=sizes):
                sizes.append(len(data))
                return os.write(fd, data)

            path.unlink(missing_ok=True)
            calls = CALLS._replace(write=write)
            with FileSink(str(path), updates=updates, calls=calls) as sink:
                sink.write(lines(sink, 100))
            counts[updates] = len(sizes), max(sizes), sink.written
            assert path.read_bytes() == form.HEADER + form.encode(candles(100))
        assert counts[False][0] - counts[True][0] > 80
        assert counts[True][1] <= 4096
        assert counts[False][2] == counts[True][2] == 100

    def test_a_second_writer_is_refused(self, tmp_path):
        path = str(tmp_path / "a.csv")
        with FileSink(path) as sink:
            sink.write(lines(sink, 1))
            pid = os.getpid()
            with pytest.raises(OutputError, match=rf" \(pid {pid}\) is writing to it"):
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
            words = f"another process (pid {pid}) is writing to it"
            assert words in run(program, path).stderr
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
            from klinetail.sinks.file import FileSink
            from tests.sinks.pipes import candles
            failed = []
            with FileSink(sys.argv[1]) as sink:
                for candle in candles(50):
                    try:
                        sink.write([sink.prepare(candle)])
                    except OSError as error:
                        failed.append(error.strerror)
                print(sink.written, len(failed), failed[0])
        """
        limit = len(form.HEADER + form.encode(candles(10))) + extra
        done = run(program, path, limit=limit)
        assert done.stdout == f"10 40 {os.strerror(errno.EFBIG)}\n", done.stderr
        assert path.read_bytes() == form.HEADER + form.encode(candles(10))
        write(path, candles(1, 10))
        assert path.read_bytes() == form.HEADER + form.encode(candles(11))

    def test_no_room_even_for_the_header(self, tmp_path):
        program = """
            import resource, sys
            from klinetail.sinks.file import FileSink
            from tests.sinks.pipes import candles
            with FileSink(sys.argv[1]) as sink:
                lines = [sink.prepare(candle) for candle in candles(2)]
                try:
                    sink.write(lines)
                except OSError as error:
                    print(error.strerror)
                _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))
                sink.write(lines)
        """
        path = tmp_path / "a.csv"
        done = run(program, path, limit=20, most=100_000)
        assert done.stdout.splitlines() == [os.strerror(errno.EFBIG)], done.stderr
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(2))

    def test_a_full_disk_is_used_again_once_it_has_room(self, tmp_path):
        with small_disk(tmp_path / "disk") as (folder, calls):
            path = folder / "a.csv"
            with FileSink(str(path), calls=calls) as sink:
                with pytest.raises(OSError, match="No space left"):
                    write_all(sink, candles(500))
                written = sink.written
                for _ in range(3):
                    with pytest.raises(OSError, match="No space left"):
                        write_all(sink, candles(1, written))
                assert sink.written == written > 30
                assert path.read_bytes() == csv.HEADER + csv.encode(candles(written))
                (folder / "ballast").unlink()
                write_all(sink, candles(50, written))
            assert path.read_bytes() == csv.HEADER + csv.encode(candles(written + 50))


class Disk:
    """Makes calls to the system fail; `faults` are errors by the name of the call."""

    def __init__(self):
        self.faults = {}
        self.counts = dict.fromkeys(CALLS._fields, 0)
        self.half = True

    def calls(self):
        return type(CALLS)(*(self._call(name) for name in CALLS._fields))

    def _call(self, name):
        def call(*arguments):
            self.counts[name] += 1
            if code := self.faults.get(name):
                if name == "write" and self.half and len(arguments[1]) > 1:
                    self.half = False
                    fd, data = arguments
                    return os.write(fd, data[: len(data) // 2])
                self.half = True
                raise OSError(code, os.strerror(code))
            return getattr(CALLS, name)(*arguments)

        return call


def text(path):
    """The lines in a file, whatever holds them."""
    container, _ = kind_of(str(path))
    with open(path, "rb") as file:
        return b"".join(container.forwards(file.read))


KINDS = pytest.mark.parametrize(
    "name", ["a.csv", "a.jsonl", "a.csv.gz", "a.jsonl.zst", "a.csv.zst"]
)


def content(name, some):
    form = csv if ".csv" in name else jsonl
    return form.HEADER + form.encode(some)


class TestFaults:
    """What a disk can do to a file in a run."""

    @KINDS
    @pytest.mark.parametrize(
        "code",
        [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG],
        ids=errno.errorcode.get,
    )
    @pytest.mark.parametrize("stuck", [False, True])
    def test_half_a_line_is_taken_back_or_cut_later(self, tmp_path, name, code, stuck):
        """`stuck`: the half cannot be taken back before the disk works again."""
        path, disk, said = tmp_path / name, Disk(), []
        with FileSink(str(path), calls=disk.calls(), say=said.append) as sink:
            write_all(sink, candles(3))
            before = path.read_bytes()
            disk.faults = {"write": code}
            if stuck:
                disk.faults["ftruncate"] = errno.EIO
            for _ in range(3):
                with pytest.raises(OSError, match=os.strerror(code)) as caught:
                    sink.write([sink.prepare(one) for one in candles(2, 3)])
                assert caught.value.errno == code
                assert sink.written == 3
                assert path.read_bytes().startswith(before)
                assert stuck or path.read_bytes() == before
                if stuck:
                    break
            disk.faults = {}
            write_all(sink, candles(2, 3))
        assert text(path) == content(name, candles(5))
        assert len(said) == stuck

    @KINDS
    def test_after_a_failed_sync_all_since_the_last_good_one_is_not_believed(
        self, tmp_path, name
    ):
        path, disk, now = tmp_path / name, Disk(), [0.0]
        options = FileOptions(sync=5.0)
        sink = FileSink(
            str(path), calls=disk.calls(), options=options, monotonic=lambda: now[0]
        )
        write_all(sink, candles(2))  # the first at once, the second is not synced yet
        assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: point(2)}
        now[0] = 6.0
        disk.faults = {"fdatasync": errno.EIO}
        with pytest.raises(OSError, match="Input/output"):
            write_all(sink, candles(1, 2))
        assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: point(1)}
        assert sink.written == 1
        assert sink.due == math.inf
        disk.faults = {}
        write_all(sink, candles(3, 1))
        assert sink.written == 4
        sink.close()
        assert text(path) == content(name, candles(4))

    def test_a_new_stream_whose_first_sync_fails_begins_again(self, tmp_path):
        path, disk = tmp_path / "a.csv", Disk()
        disk.faults = {"fdatasync": errno.EIO}
        with FileSink(str(path), calls=disk.calls()) as sink:
            with pytest.raises(OSError, match="Input/output"):
                sink.write(lines(sink, 2))
            first = candles(1)[0].open_time
            assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: first}
            disk.faults = {}
            sink.write(lines(sink, 2))
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(2))

    def test_what_could_not_be_synced_is_cut_at_the_end_and_an_error(self, tmp_path):
        path, disk = tmp_path / "a.csv", Disk()
        sink = FileSink(str(path), calls=disk.calls(), options=FileOptions(sync=60.0))
        write_all(sink, candles(1))
        write_all(sink, candles(1, 1))
        disk.faults = {"fdatasync": errno.EIO}
        with pytest.raises(OutputError, match="Input/output error"):
            sink.close()
        assert path.read_bytes().startswith(csv.HEADER + csv.encode(candles(1)))

    def test_a_file_system_without_syncs_is_no_fault(self, tmp_path):
        path, disk = tmp_path / "a.csv", Disk()
        disk.faults = {"fdatasync": errno.EINVAL}
        write_to = FileSink(str(path), calls=disk.calls())
        with write_to as sink:
            write_all(sink, candles(3))
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(3))

    @pytest.mark.parametrize(
        ("sync", "counts"),
        [(None, [0, 0, 0, 0]), (CLOSED, [1, 2, 3, 3]), (5.0, [1, 1, 2, 3])],
    )
    def test_when_the_data_is_synced(self, tmp_path, sync, counts):
        disk, now, seen = Disk(), [0.0], []
        options = FileOptions(sync=sync)
        with FileSink(
            str(tmp_path / "a.csv"),
            options=options,
            calls=disk.calls(),
            monotonic=lambda: now[0],
        ) as sink:
            for number in range(2):
                write_all(sink, candles(1, number))
                seen.append(disk.counts["fdatasync"])
            if sync == 5.0:
                assert sink.due == 5.0
            now[0] = 5.0
            sink.flush() if sync else write_all(sink, candles(1, 2))
            assert sink.due == math.inf
            seen.append(disk.counts["fdatasync"])
            if sync:
                write_all(sink, candles(1, 2))
        assert [*seen, disk.counts["fdatasync"]] == counts
        assert disk.counts["sync_folder"] == (sync is not None)

    def test_forming_candles_are_not_synced(self, tmp_path):
        disk = Disk()
        with FileSink(str(tmp_path / "a.csv"), calls=disk.calls()) as sink:
            write_all(sink, [candle(closed=False)])
        assert disk.counts["fdatasync"] == 0

    def test_the_folder_of_a_file_is_synced_with_the_first_data(self, tmp_path):
        """Else the name of a new file can be lost with the power."""
        (tmp_path / "real").mkdir()
        (tmp_path / "link.csv").symlink_to(tmp_path / "real" / "a.csv")
        folders = []
        calls = CALLS._replace(sync_folder=folders.append)
        with FileSink(str(tmp_path / "link.csv"), calls=calls) as sink:
            assert folders == []
            write_all(sink, candles(3))
            assert folders == [str(tmp_path / "real")]
        with FileSink(str(tmp_path / "link.csv"), calls=calls) as sink:
            write_all(sink, candles(3, 3))
        assert text(tmp_path / "real" / "a.csv") == content("a.csv", candles(6))
        assert (tmp_path / "link.csv").is_symlink()


def point(count):
    """The resume point after so many candles."""
    return candles(count)[-1].close_time + 1


@contextlib.contextmanager
def running(path, **options):
    """A sink with two candles written, its clock, and what it says."""
    now, said = [0.0], []
    with FileSink(
        str(path), monotonic=lambda: now[0], say=said.append, **options
    ) as sink:
        write_all(sink, candles(2))
        yield sink, now, said


class TestMoves:
    """What others do to the name of a file in a run."""

    @KINDS
    @pytest.mark.parametrize("create", [False, True])
    def test_a_rename_is_seen_within_a_second_of_writing(self, tmp_path, name, create):
        """As logrotate's `nocreate` and `create` do."""
        path, moved = tmp_path / name, tmp_path / f"{name}.1"
        with running(path) as (sink, now, said):
            path.rename(moved)
            if create:
                path.touch()
            now[0] = 0.9
            write_all(sink, candles(1, 2))
            assert said == []
            now[0] = 1.0
            write_all(sink, candles(2, 3))
            assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: point(5)}
            where = os.path.relpath(moved)
            assert said == [f"{path} was moved to {where}; going on in a new {path}"]
            assert sink.wrote() == [(where, 3), (str(path), 2)]
        (tmp_path / "old").mkdir()
        moved = moved.rename(tmp_path / "old" / name)
        assert text(moved) == content(name, candles(3))
        assert text(path) == content(name, candles(2, 3))

    def test_a_hang_up_has_the_next_write_look(self, tmp_path):
        path = tmp_path / "a.csv"
        with running(path) as (sink, _, _):
            path.rename(tmp_path / "b.csv")
            sink.look_again()
            sink.write([])
            assert path.read_bytes() == csv.HEADER
        assert path.read_bytes() == csv.HEADER

    @KINDS
    def test_a_removed_file_begins_anew(self, tmp_path, name):
        path = tmp_path / name
        with running(path) as (sink, now, said):
            path.unlink()
            now[0] = 1.0
            write_all(sink, candles(2, 2))
            assert said == [f"{path} was removed; going on in a new {path}"]
            assert sink.wrote() == [(f"{path} (removed)", 2), (str(path), 2)]
        assert text(path) == content(name, candles(2, 2))

    @KINDS
    def test_a_cut_is_seen_at_once_and_said(self, tmp_path, name):
        """As logrotate's `copytruncate` does."""
        path = tmp_path / name
        with running(path) as (sink, _, said):
            copied = path.read_bytes()
            os.truncate(path, 0)
            write_all(sink, candles(2, 2))
            assert len(said) == 1
            assert said[0].startswith(f"{path} was cut to 0 bytes; ")
        assert text(path) == content(name, candles(2, 2))
        path.write_bytes(copied)
        assert text(path) == content(name, candles(2))

    @KINDS
    def test_a_cut_in_the_middle_of_a_write_costs_nothing(self, tmp_path, name):
        path = tmp_path / name
        cut = []

        def write(fd, data):
            if cut:
                os.truncate(path, cut.pop())
            return os.write(fd, data)

        with running(path, calls=CALLS._replace(write=write)) as (sink, _, said):
            cut.append(0)
            with pytest.raises(Replaced):
                write_all(sink, candles(1, 2))
            assert path.read_bytes() == b""
            assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: point(2)}
            write_all(sink, candles(2, 2))
            assert len(said) == 1
        assert text(path) == content(name, candles(2, 2))

    def test_a_cut_to_some_records_goes_on_from_the_records(self, tmp_path):
        path = tmp_path / "a.csv"
        with running(path) as (sink, _, said):
            os.truncate(path, path.stat().st_size - 5)
            with pytest.raises(Replaced):
                write_all(sink, candles(1, 2))
            assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: point(1)}
            write_all(sink, candles(2, 1))
            assert len(said) == 2
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(3))

    def test_another_recording_of_the_name_counts_itself(self, tmp_path):
        path, other = tmp_path / "a.csv", tmp_path / "b.csv"
        write(other, candles(5))
        with running(path) as (sink, now, _):
            other.rename(path)
            now[0] = 1.0
            with pytest.raises(Replaced):
                write_all(sink, candles(1, 2))
            assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: point(5)}
            write_all(sink, candles(1, 5))
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(6))

    @pytest.mark.parametrize("what", [b"theirs\n", csv.HEADER.lower()[::-1]])
    def test_something_else_of_the_name_is_left_alone(self, tmp_path, what):
        path = tmp_path / "a.csv"
        with running(path) as (sink, now, _):
            path.rename(tmp_path / "b.csv")
            path.write_bytes(what)
            now[0] = 1.0
            with pytest.raises(OutputError, match="another header"):
                write_all(sink, candles(1, 2))
        assert path.read_bytes() == what

    def test_a_file_that_somebody_else_writes_is_left_alone(self, tmp_path):
        path = tmp_path / "a.csv"
        with running(path) as (sink, now, _):
            path.rename(tmp_path / "b.csv")
            with FileSink(str(path)):
                now[0] = 1.0
                with pytest.raises(OutputError, match=f"pid {os.getpid()}"):
                    write_all(sink, candles(1, 2))

    def test_a_folder_that_comes_back_is_used_again(self, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        with running(folder / "a.csv") as (sink, now, _):
            folder.rename(tmp_path / "elsewhere")
            now[0] = 1.0
            for _ in range(2):  # also within the next second
                with pytest.raises(FileNotFoundError):
                    write_all(sink, candles(1, 2))
            folder.mkdir()
            write_all(sink, candles(1, 2))
        assert text(tmp_path / "elsewhere" / "a.csv") == content("a.csv", candles(2))
        assert text(folder / "a.csv") == content("a.csv", candles(1, 2))

    def test_no_room_for_the_header_of_the_new_file(self, tmp_path):
        path, disk = tmp_path / "a.csv", Disk()
        with running(path, calls=disk.calls()) as (sink, now, said):
            path.rename(tmp_path / "b.csv")
            now[0] = 1.0
            disk.faults = {"write": errno.ENOSPC}
            for _ in range(3):
                with pytest.raises(OSError, match="No space"):
                    write_all(sink, candles(1, 2))
                assert path.read_bytes() == b""
            disk.faults = {}
            write_all(sink, candles(1, 2))
            assert len(said) == 1
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(1, 2))

    def test_a_failed_sync_of_a_file_moved_meanwhile_cuts_that_file(self, tmp_path):
        path, moved, disk = tmp_path / "a.csv", tmp_path / "b.csv", Disk()
        with running(path, calls=disk.calls()) as (sink, now, _):
            path.rename(moved)
            path.write_bytes(csv.HEADER + csv.encode(candles(9, 50)))
            disk.faults = {"fdatasync": errno.EIO}
            with pytest.raises(OSError, match="Input/output"):
                write_all(sink, candles(1, 2))
            disk.faults = {}
            theirs = path.read_bytes()
            sink.write([])
            assert text(moved) == content("a.csv", candles(2))
            assert path.read_bytes() == theirs
            assert sink.resume_points([BTCUSDT_1M]) == {BTCUSDT_1M: point(2)}
            now[0] = 1.0
            with pytest.raises(Replaced):
                sink.write([])

    def test_a_second_link_and_a_symbolic_link_are_no_moves(self, tmp_path):
        path = tmp_path / "a.csv"
        (tmp_path / "link.csv").symlink_to(path)
        with running(tmp_path / "link.csv") as (sink, now, said):
            os.link(path, tmp_path / "b.csv")
            now[0] = 1.0
            write_all(sink, candles(1, 2))
            assert said == []
        assert path.read_bytes() == csv.HEADER + csv.encode(candles(3))


class TestOtherFiles:
    """What is no regular file is written, and goes on nowhere."""

    def test_a_pipe_with_a_name(self, tmp_path):
        path = tmp_path / "a.csv"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with FileSink(str(path)) as sink:
                assert not sink.resumes
                assert sink.retry == NO_RETRY
                write_all(sink, candles(2))
                assert os.read(reader, 65536) == csv.HEADER + csv.encode(candles(2))
                assert sink.due == math.inf
        finally:
            os.close(reader)
        assert path.is_fifo()

    def test_a_device(self, tmp_path):
        for number in (1, 2):
            path = tmp_path / f"{number}.csv"
            path.symlink_to("/dev/null")
            with FileSink(str(path)) as sink:
                assert not sink.resumes
                write_all(sink, candles(2))
        path = tmp_path / "full.csv"
        path.symlink_to("/dev/full")
        with pytest.raises(OutputError, match="No space left"):
            FileSink(str(path))


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


@contextlib.contextmanager
def small_disk(folder):
    """A folder with room for 8 KiB until the file `ballast` in it is removed, and the
    calls to write there: a real disk, or the calls fail as on such a disk."""
    folder.mkdir()
    ballast = folder / "ballast"
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode == 0:
        ballast.write_bytes(bytes(8192))
        try:
            yield folder, CALLS
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    ballast.touch()

    def write(fd, data):
        room = 8192 - os.fstat(fd).st_size if ballast.exists() else len(data)
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data[:room])

    yield folder, CALLS._replace(write=write)


@EACH_FORMAT
def test_another_program_that_writes_is_said_once(tmp_path, name, form):
    path, said = tmp_path / name, []
    with FileSink(str(path), say=said.append) as sink:
        write_all(sink, candles(2))
        for _ in range(2):
            with path.open("ab") as file:
                file.write(b"a note\n")
            write_all(sink, candles(1, 2))
    (line,) = said
    assert line.startswith(f"{path}: another program writes to the file, too;")
