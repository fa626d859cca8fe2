"""Whatever holds candles is opened, and only BadRecording comes out of the rest."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klinetail.candle import Source
from klinetail.errors import BadRecording
from klinetail.formats import csv, dump, jsonl
from klinetail.formats.zipped import MAX_ZIP
from klinetail.recordings.containers.container import PIECE
from klinetail.recordings.containers.registry import CONTAINERS
from klinetail.recordings.open import opened
from klinetail.recordings.read import read
from tests.strategies import candle

CANDLES = [candle(60_000 * n, source=Source.REST) for n in range(30)]
LINES = csv.HEADER + csv.encode(CANDLES)
ROWS = b"".join(
    ",".join([*line.decode().split(",")[2:13], "0"]).encode() + b"\n"
    for line in csv.encode(CANDLES).splitlines()
)
DUMP = dump.HEADER + b"\n" + ROWS
MEMBER = "BTCUSDT-1m-1970-01-01.csv"

Write = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def write(content: bytes, name: str = "x") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def zipped(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def content(path: Path | str) -> bytes:
    with opened(str(path)) as file:
        return b"".join(file)


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("named", [True, False])
def test_a_compressed_recording_is_read(
    written: Write, suffix: str, named: bool
) -> None:
    pack = CONTAINERS[suffix].pack
    for lines in (LINES, jsonl.encode(CANDLES)):
        path = written(pack(lines), f"m.csv{suffix}" if named else "m.csv")
        assert [*read(path)] == CANDLES
    parts = csv.encode(CANDLES).splitlines(True)
    path = written(pack(csv.HEADER) + b"".join(map(pack, parts)), f"m.csv{suffix}")
    assert [*read(path)] == CANDLES
    assert content(path) == LINES


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_dump_that_was_compressed_is_named_by_its_path(
    written: Write, suffix: str
) -> None:
    packed = CONTAINERS[suffix].pack(DUMP)
    assert [*read(written(packed, f"{MEMBER}{suffix}"))] == CANDLES
    with pytest.raises(BadRecording, match=rf"m.csv{suffix}:1: a public dump whose"):
        [*read(written(packed, f"m.csv{suffix}"))]


def test_a_dump_is_read_as_downloaded(written: Write) -> None:
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for rows in (DUMP, ROWS):
            path = written(zipped((MEMBER, rows), how=how), "renamed.zip")
            assert [*read(path)] == CANDLES
    month = written(zipped(("BTCUSDT-1m-1970-01.csv", DUMP)))
    assert len([*read(month)]) == len(CANDLES)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_of_a_torn_recording_everything_before_is_read(
    written: Write, suffix: str
) -> None:
    pack = CONTAINERS[suffix].pack
    whole, last = pack(LINES), pack(csv.encode(CANDLES[:3]))
    for tail, words in ((last[:-1], "torn; the writer was killed"), (b"\0" * 9, "NUL")):
        path = written(whole + tail, f"m.csv{suffix}")
        found = read(path)
        assert [next(found) for _ in CANDLES] == CANDLES
        with pytest.raises(BadRecording, match=rf"^{path}: .*{words}"):
            next(found)


def lying(size: int) -> bytes:
    """A dump of which both headers tell another size than it has."""
    data = bytearray(zipped((MEMBER, DUMP)))
    true = len(DUMP).to_bytes(4, "little")
    for _ in range(2):
        at = data.index(true)
        data[at : at + 4] = size.to_bytes(4, "little")
    return bytes(data)


ZIPS = {
    "two": (zipped((MEMBER, DUMP), ("b.csv", b"")), "holds 2 files"),
    "none": (zipped(), "holds 0 files"),
    "folder": (zipped((f"a/{MEMBER}", DUMP)), "the archive holds 'a/BTC"),
    "up": (zipped((f"../{MEMBER}", DUMP)), "the archive holds '../BTC"),
    "name": (zipped(("x.csv", DUMP)), "the archive holds 'x.csv'; a dump"),
    "escape": (zipped(("\x1b[31m-1m-2023-11-14.csv", DUMP)), "archive holds '.x1b"),
    "large": (zipped((MEMBER, b"\n" * (MAX_ZIP + 1))), "at most 64 MiB"),
    "bzip2": (zipped((MEMBER, DUMP), how=zipfile.ZIP_BZIP2), "unusual way"),
    "short": (lying(len(DUMP) - 100), "damaged"),
    "torn": (zipped((MEMBER, DUMP))[:-30], "damaged"),
    "begun": (zipped((MEMBER, DUMP))[:10], "damaged"),
}


@pytest.mark.parametrize(("data", "words"), ZIPS.values(), ids=ZIPS)
def test_what_is_no_dump_s_archive(written: Write, data: bytes, words: str) -> None:
    path = written(data, "d.zip")
    with pytest.raises(BadRecording, match=rf"^{path}: .*{words}"):
        content(path)


def test_a_zip_of_more_than_any_dump_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(MAX_ZIP + 1)
    with pytest.raises(BadRecording, match="at most 64 MiB"):
        content(path)


def test_a_size_that_a_header_tells_is_not_believed(written: Write) -> None:
    assert content(written(lying(1 << 31))) == DUMP


def test_an_encrypted_archive_is_no_dump(written: Write) -> None:
    data = bytearray(zipped((MEMBER, DUMP)))
    for at, signature in ((6, b"PK\x03\x04"), (8, b"PK\x01\x02")):
        data[data.index(signature) + at] |= 1
    with pytest.raises(BadRecording, match="encrypted"):
        content(written(bytes(data)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), which=st.sampled_from([".gz", ".zst", ".zip"]))
def test_damage_raises_nothing_else(
    written: Write, data: st.DataObject, which: str
) -> None:
    if which == ".zip":
        whole = bytearray(zipped((MEMBER, DUMP)))
    else:
        whole = bytearray(CONTAINERS[which].pack(LINES))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadRecording):
        [*read(written(bytes(whole), f"m.csv{which}"))]


def test_a_bomb_comes_in_pieces(written: Write) -> None:
    bomb = gzip.compress(b"\n" * (40 * PIECE))
    with opened(str(written(bomb))) as file:
        assert max(map(len, file)) <= 2 * PIECE


READ_STDIN = (
    "import sys; from klinetail.recordings.read import read\n"
    "try: print(sum(1 for _ in read('-')))\n"
    "except Exception as error: print(error)\n"
)


def from_stdin(data: bytes) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ_STDIN], input=data, capture_output=True, timeout=60
    )
    return done.stdout.decode()


def test_stdin_holds_whatever_a_file_may() -> None:
    packed = [each.pack(LINES) for each in CONTAINERS.values()]
    for data in (LINES, zipped((MEMBER, DUMP)), *packed):
        assert from_stdin(data) == "30\n"
    assert from_stdin(b"hello\n").startswith("stdin:1: no candles in a known format")
    assert from_stdin(DUMP).startswith("stdin:1: a public dump whose name")


def test_a_pipe_is_read_as_the_lines_come(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    program = (
        f"import time; pipe = open({str(path)!r}, 'wb', 0); pipe.write({LINES!r});"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as writer:
        try:
            found = read(path)
            # The last line has no next line to wait for.
            assert [next(found) for _ in CANDLES] == CANDLES
        finally:
            writer.kill()
