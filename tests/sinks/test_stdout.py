import contextlib
import errno
import fcntl
import os
import pty
import resource
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from klinetail.errors import ExitCode, OutputError, UsageError
from klinetail.formats import csv, dump, jsonl
from klinetail.formats.registry import FORMATS
from klinetail.sinks.stdout import (
    MOST,
    ReaderGone,
    StdoutSink,
    header_for,
    unblocking,
)
from tests.sinks.pipes import candles, pipe, writable
from tests.strategies import candle

PATIENCE = 15.0
MINUTE = 60_000
F_SETPIPE_SZ = 1031


EVERYTHING = candles(9000)
"""More than any pipe holds."""


def in_time(act):
    """Run it on a thread, and fail if it blocks."""
    failures = []

    def run():
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it blocks"
    if failures:
        raise failures[0]


def write_until_full(sink):
    """As a session does: a write for every time that `poll` says so."""
    while sink.pending and writable(sink.fd):
        sink.flush()


def read_all(fd):
    os.set_blocking(fd, False)
    data = b""
    with contextlib.suppress(BlockingIOError):
        while part := os.read(fd, 65_536):
            data += part
    return data


class TestStdoutSink:
    @pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
    def test_writes_the_header_and_each_candle_once(self, form):
        with pipe() as (reading, writing):
            sink = StdoutSink(writing, form.HEADER)
            sink.write(list(map(form.line, candles(2))))
            sink.flush()
            sink.write(list(map(form.line, candles(1, 2))))
            sink.flush()
            sink.flush()
            assert read_all(reading) == form.HEADER + form.encode(candles(3))
            assert sink.written == 3
            assert not sink.pending

    def test_the_header_goes_out_even_if_no_candle_comes(self):
        with pipe() as (reading, writing):
            sink = StdoutSink(writing, csv.HEADER)
            assert sink.pending
            sink.flush()
            assert read_all(reading) == csv.HEADER
            assert not StdoutSink(writing, jsonl.HEADER).pending

    @pytest.mark.parametrize("size", [4096, 8192, 65_536, 1 << 20])
    @pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
    def test_never_blocks_and_never_tears_a_line_where_nobody_reads(self, size, form):
        with pipe(size) as (reading, writing):
            sink = StdoutSink(writing, form.HEADER)
            sink.write(list(map(form.line, EVERYTHING)))
            in_time(lambda: write_until_full(sink))
            assert sink.pending
            assert sink.written == 0
            data = read_all(reading)
            assert data.endswith(b"\n")
            assert (form.HEADER + form.encode(EVERYTHING)).startswith(data)
            assert len(data) > size / 4

    @pytest.mark.parametrize("size", [4096, 8192, 65_536])
    @pytest.mark.parametrize("portion", [1, 100, 4095, 4096, 5000, 70_000])
    def test_at_every_moment_a_reader_that_stops_has_whole_lines(self, size, portion):
        with pipe(size) as (reading, writing):
            sink = StdoutSink(writing, csv.HEADER)
            sink.write(list(map(csv.line, candles(600))))
            everything = csv.HEADER + csv.encode(candles(600))
            data = b""
            while sink.pending:
                in_time(lambda: write_until_full(sink))
                sent = (
                    len(data)
                    + struct.unpack(
                        "i", fcntl.ioctl(reading, 0x541B, struct.pack("i", 0))
                    )[0]
                )  # FIONREAD: if all ended now, this is what there would be
                assert everything[:sent].endswith(b"\n")
                for _ in range(1 if portion > 50 else 200):
                    if len(data) < sent:
                        data += os.read(reading, min(portion, sent - len(data)))
            data += read_all(reading)
            assert data == everything
            assert sink.written == 600

    def test_one_write_takes_all_that_is_ready(self):
        with pipe() as (reading, writing):
            sink = StdoutSink(writing, jsonl.HEADER)
            sink.write(list(map(jsonl.line, candles(100))))
            assert len(jsonl.encode(candles(100))) < MOST
            sink.flush()
            assert not sink.pending
            assert read_all(reading) == jsonl.encode(candles(100))

    def test_a_write_on_a_full_nonblocking_pipe_is_nothing(self):
        with pipe(4096) as (reading, writing):
            os.set_blocking(writing, False)
            sink = StdoutSink(writing, jsonl.HEADER)
            sink.write(list(map(jsonl.line, candles(100))))
            for _ in range(9):
                sink.flush()
            assert sink.pending
            data = b""
            while sink.pending:
                sink.flush()
                data += os.read(reading, 65_536)
            assert data + read_all(reading) == jsonl.encode(candles(100))

    def test_a_reader_that_went_away(self):
        with pipe() as (reading, writing):
            sink = StdoutSink(writing, jsonl.HEADER)
            sink.write(list(map(jsonl.line, candles(1))))
            os.close(reading)
            with pytest.raises(ReaderGone):
                sink.flush()

    @pytest.mark.parametrize("kind", [socket.AF_UNIX, socket.AF_INET])
    def test_a_socket_that_nobody_reads_is_no_trap_either(self, kind):
        ours, theirs = socket_pair(kind)
        with ours, theirs:
            # Ready for some bytes, a small buffer is not ready for 64 KiB.
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
            sink = StdoutSink(ours.fileno(), jsonl.HEADER)
            sink.write(list(map(jsonl.line, candles(30_000))))
            in_time(lambda: write_until_full(sink))
            assert sink.pending
            theirs.setblocking(False)
            data = b""
            with contextlib.suppress(BlockingIOError):
                while part := theirs.recv(65_536):
                    data += part
            assert data.endswith(b"\n")

    @pytest.mark.parametrize("reset", [False, True])
    def test_a_socket_whose_reader_went_away(self, reset):
        ours, theirs = socket_pair(socket.AF_INET if reset else socket.AF_UNIX)
        with ours, theirs:
            if reset:
                linger = struct.pack("ii", 1, 0)
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            theirs.close()
            time.sleep(0.05)
            sink = StdoutSink(ours.fileno(), jsonl.HEADER)
            sink.write(list(map(jsonl.line, candles(1))))
            with pytest.raises(ReaderGone):
                sink.flush()

    def test_a_full_disk(self):
        with open("/dev/full", "wb", buffering=0) as full:
            sink = StdoutSink(full.fileno(), jsonl.HEADER)
            sink.write(list(map(jsonl.line, candles(1))))
            with pytest.raises(OutputError, match="No space left") as caught:
                sink.flush()
            assert caught.value.exit_code is ExitCode.OUTPUT

    def test_a_file(self, tmp_path):
        path = tmp_path / "out"
        with open(path, "wb") as file:
            sink = StdoutSink(file.fileno(), jsonl.HEADER)
            sink.write(list(map(jsonl.line, candles(2000))))
            writes = 0
            while sink.pending:
                sink.flush()
                writes += 1
        data = jsonl.encode(candles(2000))
        assert path.read_bytes() == data
        assert writes <= len(data) // (MOST - 1000) + 1

    def test_closed_before_it_began(self):
        reading, writing = os.pipe()
        os.close(reading)
        os.close(writing)
        with pytest.raises(OutputError, match="stdout is closed"):
            StdoutSink(writing, jsonl.HEADER)

    def test_the_descriptor_stays_open(self):
        with pipe() as (_, writing):
            sink = StdoutSink(writing, jsonl.HEADER)
            del sink
            os.fstat(writing)


def socket_pair(kind):
    if kind is socket.AF_UNIX:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    return ours, theirs


class TestUnblocking:
    def test_a_terminal_that_nobody_reads_keeps_nobody(self):
        """Not even in the middle of a line, where `poll` is of no help."""
        master, terminal = pty.openpty()
        own = unblocking(terminal)
        try:
            assert os.isatty(own)
            assert os.get_blocking(terminal), "the shell's descriptor stays as it is"
            sink = StdoutSink(own)
            sink.write(list(map(jsonl.line, candles(500))))
            in_time(lambda: write_until_full(sink))
            assert sink.pending
        finally:
            for fd in (master, terminal, own):
                os.close(fd)

    def test_a_pipe_that_somebody_else_fills_meanwhile_keeps_nobody(self):
        with pipe(4096) as (_, writing):
            own = unblocking(writing)
            try:
                sink = StdoutSink(own)
                sink.write(list(map(jsonl.line, candles(5))))
                assert sink.writable
                os.write(writing, bytes(4096))
                in_time(sink.flush)
                assert sink.pending
                assert os.get_blocking(writing)
            finally:
                os.close(own)

    def test_the_end_of_a_pipe_s_reader_is_noticed(self):
        with pipe() as (reading, writing):
            own = unblocking(writing)
            try:
                os.close(reading)
                sink = StdoutSink(own)
                sink.write(list(map(jsonl.line, candles(1))))
                with pytest.raises(ReaderGone):
                    sink.flush()
            finally:
                os.close(own)

    def test_anything_else_is_written_to_as_it_is(self, tmp_path):
        with (tmp_path / "file").open("wb") as file:
            assert unblocking(file.fileno()) == file.fileno()
        assert unblocking(987_654) == 987_654


class TestHeader:
    """What goes first to a stdout that is a file already."""

    @pytest.mark.parametrize("output", FORMATS)
    def test_what_is_new_begins_with_it(self, tmp_path, output):
        path = tmp_path / "out"
        for content in (b"", b"klinetail: 0 candles\n", b"no line end"):
            path.write_bytes(content)
            with path.open("ab") as file:
                assert header_for(file.fileno(), output) == FORMATS[output].HEADER
        with path.open("wb") as file:
            assert header_for(file.fileno(), output) == FORMATS[output].HEADER
        with pipe() as (_, writing):
            assert header_for(writing, output) == FORMATS[output].HEADER

    @pytest.mark.parametrize("output", FORMATS)
    def test_what_continues_does_not(self, tmp_path, output):
        path, form = tmp_path / "out", FORMATS[output]
        path.write_bytes(form.HEADER + form.encode(candles(2)))
        with path.open("ab") as file:
            assert header_for(file.fileno(), output) == b""
        with path.open("r+b") as file:  # as in `{ one; other; } > out`
            assert header_for(file.fileno(), output) == form.HEADER
            file.seek(0, os.SEEK_END)
            assert header_for(file.fileno(), output) == b""

    @pytest.mark.parametrize(
        ("output", "content"),
        [
            ("jsonl", csv.HEADER),
            ("jsonl", csv.HEADER + csv.encode(candles(1))),
            ("jsonl", dump.HEADER + b"\n"),
            ("csv", jsonl.encode(candles(1))),
            ("csv", dump.HEADER + b"\n"),
        ],
    )
    def test_another_format_is_refused(self, tmp_path, output, content):
        path = tmp_path / "out"
        path.write_bytes(content)
        with path.open("ab") as file, pytest.raises(UsageError, match="another format"):
            header_for(file.fileno(), output)

    def test_a_torn_line_is_refused(self, tmp_path):
        path = tmp_path / "out"
        path.write_bytes(jsonl.encode(candles(2))[:-9])
        with path.open("ab") as file, pytest.raises(UsageError, match="is torn"):
            header_for(file.fileno(), "jsonl")


class TestProcess:
    """A process that is killed while it writes; whoever reads gets whole lines."""

    def test_killed_at_any_moment(self):
        program = textwrap.dedent("""
            import select, sys
            from klinetail.formats import jsonl
            from klinetail.sinks.stdout import StdoutSink
            from tests.strategies import candle
            sink = StdoutSink(1, jsonl.HEADER)
            poll = select.poll()
            poll.register(1, select.POLLOUT)
            lines = [candle()] * 300
            print("ready", file=sys.stderr, flush=True)
            while True:
                if not sink.pending:
                    sink.write(list(map(jsonl.line, lines)))
                poll.poll()
                sink.flush()
        """)
        line = jsonl.encode([candle()])
        for number in range(8):
            with subprocess.Popen(
                [sys.executable, "-c", program],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as process:
                process.stderr.readline()
                data = os.read(process.stdout.fileno(), 10_000 + 3_001 * number)
                process.kill()
                data += process.stdout.read()
            assert data.endswith(b"\n")
            assert data == line * (len(data) // len(line))

    def test_a_size_limit_is_an_output_error(self, tmp_path):
        program = textwrap.dedent("""
            from klinetail.errors import OutputError
            from klinetail.formats import jsonl
            from klinetail.sinks.stdout import StdoutSink
            from tests.strategies import candle
            sink = StdoutSink(1, jsonl.HEADER)
            try:
                while True:
                    sink.write(list(map(jsonl.line, [candle()])))
                    sink.flush()
            except OutputError as error:
                raise SystemExit(str(error))
        """)
        with open(tmp_path / "out", "wb") as file:
            done = subprocess.run(
                [sys.executable, "-c", program],
                stdout=file,
                stderr=subprocess.PIPE,
                preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_FSIZE, (10_000, 10_000)
                ),
                timeout=60,
            )
        assert done.stderr.decode().strip() == f"stdout: {os.strerror(errno.EFBIG)}"
