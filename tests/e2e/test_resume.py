"""A recording goes on where it stopped: whole runs over real files and sockets."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from klinetail.candle import DAY, Candle, Stream
from klinetail.recordings.containers.registry import container_of
from klinetail.recordings.tail import kind_of
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.e2e.conftest import DEADLINE, START, urls
from tests.e2e.processes import candles, ended, read_lines, run, wait_for_line

Popen = Callable[..., subprocess.Popen[bytes]]
BTC, ETH = Stream.of("btcusdt", "1m"), Stream.of("ethusdt", "1m")
SEED = 3
ONCE = ("-n", "0", "--no-follow")


def market() -> Synthetic:
    return Synthetic(seed=SEED, start=START)


@pytest.fixture
def exchange() -> Iterator[Server]:
    """At the pace of real time, 32 s after the last close."""
    with Server(market()) as server:
        yield server


def truth(stream: Stream, since: int, count: int) -> list[Candle]:
    """Closed candles of the market, whenever it is."""
    found: list[Candle] = []
    while len(found) < count:
        at = found[-1].close_time + 1 if found else since
        most = min(499, count - len(found))
        found += market().klines(stream, at, None, most, now=at + DAY * 400)
    return found


def ago(candle_count: int, stream: Stream = BTC) -> int:
    """The open time of a candle that closed so many candles before the start."""
    return stream.interval.shift(stream.interval.floor(START), -candle_count)


def record(path: Path, some: Iterable[Candle]) -> bytes:
    """Make a recording; returns its bytes."""
    container, form = kind_of(str(path))
    data = container.pack(form.HEADER) + container.pack(form.encode([*some]))
    path.write_bytes(data)
    return data


def content(path: Path) -> list[Candle]:
    """The candles of a recording; it has one header and whole lines alone."""
    container, form = kind_of(str(path))
    with path.open("rb") as file:
        text = b"".join(container.forwards(file.read))
    assert text.startswith(form.HEADER)
    lines = text[len(form.HEADER) :].splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    return [form.decoder(None)(line) for line in lines]


def check_whole(got: list[Candle], since: int = 0) -> None:
    """Every stream's candles are the market's own, in order, each once."""
    assert got
    for stream in {candle.stream for candle in got}:
        mine = [candle for candle in got if candle.stream == stream]
        right = truth(stream, since or mine[0].open_time, len(mine))
        assert [c.open_time for c in mine] == [c.open_time for c in right]
        assert [(c.texts, c.count) for c in mine] == [(c.texts, c.count) for c in right]


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.csv.gz", "m.jsonl.zst"])
def test_started_again_nothing_is_doubled_and_a_long_hole_is_fetched(
    name: str, exchange: Server, tmp_path: Path
) -> None:
    path = tmp_path / name
    record(path, truth(BTC, ago(1_210), 7))
    words = ("watch", "btcusdt", "--out", str(path), *urls(exchange), *ONCE)
    done = run(*words)
    assert done.returncode == 0, done.stderr
    got = content(path)
    assert len(got) == 1_210
    check_whole(got, ago(1_210))
    said = done.stderr.decode()
    assert f"{name}: goes on after" in said
    assert "(btcusdt@1m); 1,203 candles are missing" in said
    assert f"wrote {path} (1,203)" in said
    again = run(*words)
    assert content(path) == got
    assert "no candle is missing" in again.stderr.decode()


def test_stdout_waits_for_no_file_and_the_end_waits_for_the_file(
    exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    """The exchange takes its time over history, and -c is reached long before."""
    path = tmp_path / "m.csv"
    record(path, [*truth(BTC, ago(30_000), 2), *truth(ETH, ago(3), 1)])
    words = ("btcusdt", "ethusdt", "-n", "2", "-c", "4", "--weight", "5")
    process = popen("watch", *words, "--out", str(path), *urls(exchange))
    got = candles(b"".join(read_lines(process, 4)))
    check_whole(got)
    assert len(content(path)) < 20_000
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    code, said = ended(process)
    assert code == 0, said
    assert time.monotonic() - began < 30
    assert "started again, it goes on there" in said
    check_whole(content(path))
    done = run(
        *("watch", "btcusdt", "ethusdt", "-n", "2", "-c", "4", "--weight", "100"),
        *("--out", str(path), *urls(exchange)),
    )
    assert done.returncode == 0, done.stderr
    assert len(candles(done.stdout)) == 4
    got = content(path)
    check_whole(got)
    assert sum(candle.stream == BTC for candle in got) >= 30_000


def test_live_candles_follow_the_fetched_ones(
    fast_exchange: Server, tmp_path: Path
) -> None:
    path = tmp_path / "m.csv.zst"
    record(path, [*truth(BTC, ago(700), 1), *truth(ETH, ago(30), 1)])
    done = run(
        *("watch", "btcusdt", "ethusdt", "-n", "3", "-c", "40", "--out", str(path)),
        *urls(fast_exchange),
    )
    assert done.returncode == 0, done.stderr
    got = content(path)
    check_whole(got)
    shown = candles(done.stdout)
    for stream, count in ((BTC, 700), (ETH, 30)):
        mine = [candle for candle in got if candle.stream == stream]
        assert len(mine) > count
        last = [candle for candle in shown if candle.stream == stream][-1]
        assert mine[-1].open_time >= last.open_time


@pytest.mark.parametrize("strict", [False, True])
def test_a_hole_can_stay_and_is_named(
    strict: bool, exchange: Server, tmp_path: Path
) -> None:
    path = tmp_path / "m.csv"
    before = truth(BTC, ago(100), 3)
    record(path, before)
    words = ["-n", "5", "--no-follow", "--resume", "gap", *["--strict"] * strict]
    done = run("watch", "btcusdt", *words, "--out", str(path), *urls(exchange))
    said = done.stderr.decode()
    assert done.returncode == (4 if strict else 0), said
    assert "97 candles are missing, and not fetched (--resume gap)" in said
    assert f"{path}: gap: btcusdt@1m " in said
    got = content(path)
    assert [c.open_time for c in got[:3]] == [c.open_time for c in before]
    check_whole(got[3:], ago(5))


def refused(path: Path, exchange: Server, *words: str) -> str:
    """The line of a run that is refused, and leaves the file as it is."""
    before = path.read_bytes()
    done = run("watch", "btcusdt", *ONCE, "--out", str(path), *words, *urls(exchange))
    assert done.returncode == 2, done.stderr
    assert done.stdout == b""
    assert path.read_bytes() == before
    (line,) = [line for line in done.stderr.decode().splitlines() if path.name in line]
    return line


def test_what_must_not_go_on_is_refused_and_stays_as_it_is(
    exchange: Server, tmp_path: Path
) -> None:
    path = tmp_path / "m.csv"
    whole = record(path, truth(BTC, ago(9), 5))
    assert "--resume never" in refused(path, exchange, "--resume", "never")
    other = Synthetic(seed=SEED + 1, start=START)
    record(path, other.klines(BTC, ago(9), None, 5, now=START))
    assert "another market's recording? Choose another file" in refused(path, exchange)
    for ahead in (-60, 2):
        record(path, truth(BTC, ago(ahead), 5))
        assert "the exchange's time is" in refused(path, exchange)
    record(path, truth(ETH, ago(9), 5))
    assert "it holds ethusdt@1m and none of the streams" in refused(path, exchange)
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], b"rubbish\n", *lines[4:]]))
    assert f"{path}:5: no record" in refused(path, exchange)
    path.write_bytes(b"".join([*lines, lines[-1]]))
    line = refused(path, exchange)
    assert f"{path}:7: the candle" in line
    assert f"choose another file, or --out NEW --after {path}" in line
    new = tmp_path / "new.csv"
    done = run(
        *("watch", "btcusdt", *ONCE, "--out", str(new), "--after", str(path)),
        *urls(exchange),
    )
    assert done.returncode == 0, done.stderr
    check_whole(content(new), ago(4))
    assert len(content(new)) == 4


def test_a_torn_tail_is_cut_and_its_candle_fetched(
    exchange: Server, tmp_path: Path
) -> None:
    for name in ("m.csv", "m.csv.gz"):
        path = tmp_path / name
        whole = record(path, truth(BTC, ago(9), 5))
        container, form = kind_of(str(path))
        more = container.pack(form.encode(truth(BTC, ago(4), 1)))
        path.write_bytes(whole + more[:-9] + b"\0\0")
        done = run("watch", "btcusdt", *ONCE, "--out", str(path), *urls(exchange))
        assert done.returncode == 0, done.stderr
        what = "line" if name == "m.csv" else "frame"
        cut = f"cut {len(more) - 7} bytes of a torn last {what}"
        assert f"{path}: {cut}" in done.stderr.decode()
        check_whole(content(path), ago(9))
        assert len(content(path)) == 9


def test_other_streams_in_the_file_stay_and_new_ones_begin(
    exchange: Server, tmp_path: Path
) -> None:
    path = tmp_path / "m.jsonl"
    record(path, [*truth(ETH, ago(9), 5), *truth(BTC, ago(9), 5)])
    words = ("btcusdt", "algousdt", "-n", "2", "--no-follow", "--out", str(path))
    done = run("watch", *words, *urls(exchange))
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert "also holds ethusdt@1m until" in said
    assert "begins algousdt@1m, which it does not hold yet" in said
    got = content(path)
    check_whole(got)
    assert [
        sum(c.symbol == name for c in got) for name in (BTC.symbol, ETH.symbol)
    ] == [
        9,
        5,
    ]
    assert sum(candle.symbol == "ALGOUSDT" for candle in got) == 2
    done = run("watch", "ethusdt", *ONCE, "--out", str(path), *urls(exchange))
    assert done.returncode == 0, done.stderr
    check_whole(content(path))


def test_forming_rows_stay_and_are_no_cursor(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    record(path, truth(BTC, ago(5), 3))
    with Server(market(), speed=60) as server:
        words = ("watch", "btcusdt", "--out", str(path), *urls(server))
        done = run(*words, "-u", "-n", "0", "-c", "4")
        assert "closed candles alone; from here on forming" in done.stderr.decode()
        got = content(path)
        assert False in [candle.closed for candle in got], done.stderr
    check_whole([candle for candle in got if candle.closed], ago(5))


def test_a_recording_waits_while_rest_is_away(popen: Popen, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    before = record(path, truth(BTC, ago(9), 5))
    chaos = Chaos.parse("unavailable=1.0")
    with Server(market(), chaos=chaos) as server:
        process = popen("watch", "btcusdt", "--out", str(path), *urls(server))
        wait_for_line(process, "trying again")
        process.send_signal(signal.SIGINT)
        code, said = ended(process)
    assert code == 0, said
    assert path.read_bytes() == before


@pytest.mark.parametrize("manner", ["rename", "create", "remove", "copytruncate"])
def test_a_rotated_file_is_followed_by_a_new_one(
    manner: str, fast_exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    path, old = tmp_path / "m.csv", tmp_path / "old.csv"
    process = popen(
        *("watch", "btcusdt", "-n", "5", "--out", str(path)), *urls(fast_exchange)
    )
    read_lines(process, 8)
    if manner == "remove":
        path.unlink()
    elif manner == "copytruncate":
        old.write_bytes(path.read_bytes())
        os.truncate(path, 0)
    else:
        path.rename(old)
        if manner == "create":
            path.touch()
    if manner == "rename":  # this process has no terminal, so SIGHUP ends nothing
        process.send_signal(signal.SIGHUP)
    words = "was cut to" if manner == "copytruncate" else "going on in a new"
    wait_for_line(process, words)
    read_lines(process, 30)
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 0, said
    receipt = said.splitlines()[-1]
    new = content(path)
    check_whole(new)
    assert "wrote " in receipt
    if manner == "remove":
        assert f"wrote {path} (removed) (" in receipt
    elif old.exists() and manner != "copytruncate":
        check_whole([*content(old), *new])
        assert f"old.csv ({len(content(old))})" in receipt
        assert f"wrote {path} ({len(new)})" in receipt


def test_a_second_writer_is_refused_with_the_first_one_s_number(
    exchange: Server, popen: Popen, tmp_path: Path
) -> None:
    path = tmp_path / "m.csv"
    first = popen("watch", "btcusdt", "--out", str(path), *urls(exchange))
    read_lines(first, 1)
    done = run("watch", "btcusdt", "--out", str(path), *urls(exchange))
    assert done.returncode == 5
    assert f"another process (pid {first.pid}) is writing to it" in done.stderr.decode()


class SmallDisk:
    """A small file system of its own; without the right to mount one, a greatest size
    of files in its place.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._ballast = folder / "ballast"
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        done = subprocess.run(mount, check=False, capture_output=True)
        self.mounted = done.returncode == 0
        self.error = "No space left on device" if self.mounted else "File too large"

    def fill(self, process: subprocess.Popen[bytes], path: Path) -> None:
        """Leave no space for a process that writes to a path."""
        if not self.mounted:
            size = path.stat().st_size + 500
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, -1))
            return
        with (
            self._ballast.open("wb", buffering=0) as file,
            contextlib.suppress(OSError),
        ):
            while True:
                file.write(bytes(100))

    def free(self, process: subprocess.Popen[bytes]) -> None:
        """Leave space again."""
        if self.mounted:
            self._ballast.unlink()
        else:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small")
    yield disk
    if disk.mounted:
        subprocess.run(["umount", "-l", str(tmp_path / "small")], check=True)


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl.gz"])
def test_a_disk_that_is_full_for_a_while_costs_the_file_nothing(
    name: str,
    fast_exchange: Server,
    small_disk: SmallDisk,
    popen: Popen,
    tmp_path: Path,
) -> None:
    path = tmp_path / "small" / name
    process = popen(
        *("watch", "btcusdt", "ethusdt", "-n", "5", "--out", str(path)),
        *urls(fast_exchange),
    )
    read_lines(process, 12)
    small_disk.fill(process, path)
    line = wait_for_line(process, small_disk.error)
    assert line == f"klinetail: {path}: {small_disk.error}; tried again\n"
    read_lines(process, 40)
    small_disk.free(process)
    wait_for_line(process, f"{path}: works again")
    read_lines(process, 10)
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 0, said
    check_whole(content(path))
    assert len(content(path)) > 55


def test_what_is_no_file_is_written_and_resumes_nothing(
    exchange: Server, tmp_path: Path
) -> None:
    fifo = tmp_path / "pipe.jsonl"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE)
    done = run(
        *("watch", "btcusdt", "-n", "3", "--no-follow", "--out", str(fifo)),
        *urls(exchange),
    )
    assert done.returncode == 0, done.stderr
    out, _ = reader.communicate(timeout=DEADLINE)
    assert len(candles(out)) == 3


def test_a_word_for_syncing_that_is_none(exchange: Server, tmp_path: Path) -> None:
    for word in ("0", "-1", "nan", "inf", "often"):
        out = tmp_path / "m.csv"
        done = run("watch", "btcusdt", "--out", str(out), f"--fsync={word}")
        assert done.returncode == 2
        assert b"give closed, never, or seconds above 0" in done.stderr
        assert not out.exists()
    done = run("watch", "btcusdt", "--after", "m.csv", *urls(exchange))
    assert done.returncode == 2
    assert b"give --out" in done.stderr


def test_containers_are_told_by_name() -> None:
    assert container_of("m.csv.gz")[1] == "m.csv"
