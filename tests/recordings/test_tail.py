"""What the end of a file tells, and which files do not go on."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest

from klinetail.candle import MINUTE, Candle, Interval, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats import csv, jsonl
from klinetail.recordings.containers.registry import CONTAINERS
from klinetail.recordings.cursor import Tail
from klinetail.recordings.tail import Recorded, kind_of, tail_of, way_out
from tests.cases import Case
from tests.measured import prefixes
from tests.strategies import candle

BASE = 1_700_000_040_000
BTC, ETH, XRP = (Stream(f"{name}USDT", Interval.M1) for name in ("BTC", "ETH", "XRP"))
GZIP, ZSTD = CONTAINERS[".gz"], CONTAINERS[".zst"]


def candles(stream: Stream, *indices: int, closed: bool = True) -> list[Candle]:
    return [candle(BASE + n * MINUTE, stream=stream, closed=closed) for n in indices]


def btc(*indices: int) -> bytes:
    return csv.encode(candles(BTC, *indices))


WHOLE = csv.HEADER + btc(1, 2, 3)
NEXT = BASE + 4 * MINUTE


class Looked:
    """A file with some content, and what was found in the file."""

    def __init__(
        self, path: Path, content: bytes, *wanted: Stream, name: str = "m.csv"
    ) -> None:
        self.content = content
        file = path / name
        file.write_bytes(content)
        before = Path.cwd()
        os.chdir(path)
        fd = os.open(name, os.O_RDONLY)
        try:
            recorded = Recorded(name, fd)
            self.end, self.empty = recorded.end, recorded.empty
            self.tail: Tail = recorded.tail(wanted or (BTC,))
        finally:
            os.close(fd)
            os.chdir(before)
            assert file.read_bytes() == content, "nothing is changed"

    @property
    def cut(self) -> int:
        return len(self.content) - self.end


def refusal(path: Path, content: bytes, name: str = "m.csv") -> str:
    with pytest.raises(UsageError) as refused:
        Looked(path, content, name=name)
    return str(refused.value)


def test_a_file_goes_on_after_each_streams_last_closed_candle(tmp_path: Path) -> None:
    mixed = csv.HEADER + csv.encode(
        [*candles(BTC, 1, 2), *candles(ETH, 1), *candles(BTC, 3)]
    )
    found = Looked(tmp_path, mixed, BTC, ETH)
    assert found.tail.points() == {BTC: NEXT, ETH: BASE + 2 * MINUTE}
    assert (found.cut, found.empty) == (0, False)


def test_more_and_fewer_streams_than_the_file_holds(tmp_path: Path) -> None:
    mixed = csv.HEADER + csv.encode([*candles(ETH, 1), *candles(BTC, 1, 2, 3)])
    more = Looked(tmp_path, mixed, BTC, ETH, XRP).tail
    assert more.points() == {BTC: NEXT, ETH: BASE + 2 * MINUTE}
    assert more.begins, "the whole file was searched"
    fewer = Looked(tmp_path, mixed, ETH).tail
    assert fewer.points() == {BTC: NEXT, ETH: BASE + 2 * MINUTE}, "what else is there"


def test_a_file_without_a_record_is_as_new(tmp_path: Path) -> None:
    for content in (
        *(b"", csv.HEADER[:1], csv.HEADER[:20], csv.HEADER[:-1]),
        *(bytes(9), bytes(100_000), csv.HEADER[:20] + bytes(5)),
    ):
        with Case(content):
            found = Looked(tmp_path, content)
            assert (found.end, found.empty) == (0, True)
            assert found.tail.points() == {}


def test_a_header_alone_is_as_new(tmp_path: Path) -> None:
    found = Looked(tmp_path, csv.HEADER)
    assert (found.cut, found.empty) == (0, False)
    assert found.tail.points() == {}


def test_a_torn_line_is_cut_also_if_it_can_be_read(tmp_path: Path) -> None:
    for torn in (btc(4)[:1], btc(4)[:50], btc(4)[:-1]):
        with Case(torn):
            found = Looked(tmp_path, WHOLE + torn)
            assert found.cut == len(torn)
            assert found.tail.points() == {BTC: NEXT}


def test_nul_bytes_at_the_end_are_cut(tmp_path: Path) -> None:
    for tail in (bytes(1), bytes(100_000), btc(4)[:30] + bytes(9)):
        with Case(tail):
            found = Looked(tmp_path, WHOLE + tail)
            assert found.cut == len(tail)
            assert found.tail.points() == {BTC: NEXT}


@pytest.mark.parametrize("container", [GZIP, ZSTD], ids=["gz", "zst"])
def test_a_torn_frame_is_cut(tmp_path: Path, container: object) -> None:
    assert container in (GZIP, ZSTD)
    pack = GZIP.pack if container is GZIP else ZSTD.pack
    name = "m.csv.gz" if container is GZIP else "m.csv.zst"
    whole = pack(csv.HEADER) + pack(btc(1, 2, 3))
    last = pack(btc(4, 5))
    for torn in (last[:1], last[:12], last[:-1], last[:20] + bytes(70_000)):
        with Case(torn):
            found = Looked(tmp_path, whole + torn, name=name)
            assert found.cut == len(torn)
            assert found.tail.points() == {BTC: NEXT}
    first = pack(csv.HEADER)
    for torn in (b"", first[:1], first[:-1], first[:9] + bytes(200_000)):
        with Case(torn):
            assert Looked(tmp_path, torn, name=name).empty


def test_a_whole_line_without_a_candle_is_refused_by_its_number(tmp_path: Path) -> None:
    for damage in (b"9,columns\n", btc(4)[:60] + b"\n", bytes(30) + b"\n"):
        for after in (b"", btc(4), btc(4)[:20]):
            with Case(damage, after):
                said = refusal(tmp_path, WHOLE + damage + after)
                assert said.startswith("m.csv:5: ")
                assert said.endswith(way_out("m.csv"))
    packed = ZSTD.pack(WHOLE) + ZSTD.pack(btc(4) + b"hello\n" + btc(5))
    assert refusal(tmp_path, packed, "m.csv.zst").startswith("m.csv.zst:6: ")
    lines = jsonl.encode(candles(BTC, 1, 2)) + b'{"symbol":"BTCUSDT"}\n'
    assert refusal(tmp_path, lines, "m.jsonl").startswith("m.jsonl:3: ")


def test_the_number_is_right_in_a_long_file(tmp_path: Path) -> None:
    many = csv.encode(candles(BTC, *range(9_000)))
    content = csv.HEADER + many + b"damage\n" + btc(9_001)
    assert refusal(tmp_path, content).startswith("m.csv:9002: ")


def test_a_double_and_disorder_are_refused(tmp_path: Path) -> None:
    assert "is there twice" in refusal(tmp_path, csv.HEADER + btc(1, 2, 2))
    said = refusal(tmp_path, csv.HEADER + btc(1, 3, 2))
    assert said.startswith("m.csv:3: ")
    assert "out of order" in said


def test_a_hole_inside_stays(tmp_path: Path) -> None:
    assert Looked(tmp_path, csv.HEADER + btc(1, 3)).tail.points() == {BTC: NEXT}


def test_a_newer_header_is_refused(tmp_path: Path) -> None:
    newer = csv.HEADER[:-1] + b",more\n" + btc(1)[:-1] + b",1\n"
    assert "newer klinetail" in refusal(tmp_path, newer)


def test_another_header_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, b"time,open,high\n1,2,3\n")
    assert "another header" in said
    assert "choose another file" in said


def test_what_programs_of_windows_write_is_refused(tmp_path: Path) -> None:
    for content, what in (
        (WHOLE.replace(b"\n", b"\r\n"), "CRLF"),
        (b"\xef\xbb\xbf" + WHOLE, "byte-order mark"),
    ):
        with Case(what):
            said = refusal(tmp_path, content)
            assert what in said
            assert said.endswith(way_out("m.csv"))


def test_something_else_than_a_recording_is_refused(tmp_path: Path) -> None:
    for content, name in (
        (b"my notes", "m.csv"),
        (b"my notes\nand more\n", "m.csv"),
        (csv.HEADER + b"my notes\n", "m.csv"),
        (csv.HEADER + jsonl.encode(candles(BTC, 1)), "m.csv"),
        (WHOLE, "m.jsonl"),
        (b"my notes", "m.jsonl"),
        (jsonl.encode(candles(BTC, 1)), "m.csv"),
        (gzip.compress(b"my notes\n"), "m.csv.gz"),
        (gzip.compress(os.urandom(99_999))[:80_000], "m.csv.gz"),
    ):
        with Case(content, name):
            assert name in refusal(tmp_path, content, name)


def test_content_and_suffix_have_to_agree(tmp_path: Path) -> None:
    for content, name, words in (
        (GZIP.pack(WHOLE), "m.csv.zst", "its content is gzip"),
        (ZSTD.pack(WHOLE), "m.csv.gz", "its content is zstd"),
        (WHOLE, "m.csv.gz", "its content is plain"),
        (GZIP.pack(WHOLE), "m.csv", "its content is gzip"),
        (ZSTD.pack(WHOLE), "m.jsonl", "its content is zstd"),
    ):
        with Case(name, words):
            assert words in refusal(tmp_path, content, name)


def test_damage_behind_the_last_frame_is_refused(tmp_path: Path) -> None:
    whole = ZSTD.pack(WHOLE)
    said = refusal(tmp_path, whole + b"hello", "m.csv.zst")
    assert said.endswith(way_out("m.csv.zst"))
    damaged = whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:]
    assert refusal(tmp_path, damaged + ZSTD.pack(btc(4)), "m.csv.zst")


def test_a_file_of_another_gzip_goes_on(tmp_path: Path) -> None:
    found = Looked(tmp_path, gzip.compress(WHOLE), name="m.csv.gz")
    assert (found.cut, found.tail.points()) == (0, {BTC: NEXT})


def test_forming_candles_behind_the_last_close_stay(tmp_path: Path) -> None:
    content = WHOLE + csv.encode(candles(BTC, 4, closed=False))
    found = Looked(tmp_path, content)
    assert found.cut == 0
    assert found.tail.forming
    assert found.tail.points() == {BTC: NEXT}
    assert not Looked(tmp_path, WHOLE).tail.forming


def test_the_suffixes_tell_the_kind() -> None:
    assert kind_of("a.b/m.CSV.GZ") == (GZIP, csv)
    assert kind_of("m.jsonl") == (kind_of("m.csv").container, jsonl)
    for path in ("m.txt.gz", "m.zst", "m"):
        with Case(path), pytest.raises(UsageError, match=path):
            kind_of(path)


def test_a_recording_to_continue_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(WHOLE)
    assert tail_of(str(path), [BTC]).points() == {BTC: NEXT}
    with pytest.raises(BadRecording, match="No such file"):
        tail_of(str(tmp_path / "absent.csv"), [BTC])


@pytest.mark.parametrize("kind", prefixes.KINDS)
def test_each_beginning_of_a_recording_goes_on_at_its_last_whole_line(
    kind: str,
) -> None:
    counts = prefixes.examine(kind, 6, random.Random(kind), nuls=(1, 9, 4_096))
    assert counts["prefixes"] > 400
    assert (counts["wrong"], counts["refused"]) == (0, 0)
