"""The end of the last whole frame, and the content both ways, against a model."""

from __future__ import annotations

import gzip
import io
import random
import sys
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.formats import csv
from klinetail.recordings.frames import (
    CONTAINERS,
    LOOK_BACK,
    PIECE,
    PLAIN,
    WHOLE,
    BadFrame,
    Container,
    Frame,
    container_in,
    container_of,
)
from tests.cases import Case
from tests.strategies import candle

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP, ZSTD = CONTAINERS[".gz"], CONTAINERS[".zst"]
ALL = [PLAIN, GZIP, ZSTD]
every_container = pytest.mark.parametrize("container", ALL, ids=lambda c: c.name)
compressed = pytest.mark.parametrize("container", [GZIP, ZSTD], ids=lambda c: c.name)

NULS = (1, 2, 7, 300, 4096, 70_000)


class Reads:
    """A file in memory that counts what is read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.bytes = 0

    def __call__(self, offset: int, size: int) -> bytes:
        assert 0 <= offset <= len(self.content)
        assert size >= 0
        data = self.content[offset : offset + size]
        self.bytes += len(data)
        return data


def end(container: Container, content: bytes) -> int:
    return container.end(Reads(content), len(content))


def backwards(container: Container, content: bytes) -> list[Frame]:
    return [*container.backwards(Reads(content), len(content))]


def joined_backwards(container: Container, content: bytes) -> bytes:
    return b"".join(frame.data for frame in reversed(backwards(container, content)))


def forwards(container: Container, content: bytes) -> bytes:
    return b"".join(container.forwards(io.BytesIO(content).read))


def rows(count: int, first: int = 0) -> bytes:
    return csv.encode([candle(60_000 * (first + n)) for n in range(count)])


def lines(random_: random.Random, size: int) -> bytes:
    """Lines of digits that hardly compress."""
    digits = random_.randbytes(size // 3).hex()
    return "".join(
        f"{digits[n : n + 70]}\n" for n in range(0, len(digits), 70)
    ).encode()


def model_end(content: bytes, whole: bytes, ends: list[int]) -> int:
    """The last end of a frame up to which the content is as it was written."""
    return max(e for e in (0, *ends) if content[:e] == whole[:e] and len(content) >= e)


def ends_of(container: Container, batches: list[bytes]) -> list[int]:
    if container is PLAIN:
        lines = b"".join(batches).split(b"\n")[:-1]
        return [*accumulate(len(line) + 1 for line in lines)]
    return [*accumulate(len(container.pack(batch)) for batch in batches)]


batches = st.lists(
    st.lists(st.binary(max_size=40), min_size=1, max_size=6).map(
        lambda ls: b"".join(
            line.replace(b"\n", b"").strip(b"\0") + b"\n" for line in ls
        )
    ),
    max_size=6,
)


@every_container
@given(batches=batches, cut=st.floats(0, 1), nuls=st.sampled_from((0, *NULS)))
def test_what_was_packed_is_found_and_read(
    container: Container, batches: list[bytes], cut: float, nuls: int
) -> None:
    whole = b"".join(map(container.pack, batches))
    data = b"".join(batches)
    assert end(container, whole) == len(whole)
    assert forwards(container, whole) == data
    assert joined_backwards(container, whole) == data
    torn = whole[: round(cut * len(whole))] + b"\0" * nuls
    found = end(container, torn)
    assert found == model_end(torn, whole, ends_of(container, batches))
    assert data.startswith(joined_backwards(container, torn[:found]))


@every_container
def test_every_prefix_of_a_recording(container: Container) -> None:
    batches = [csv.HEADER + rows(1), rows(5, 1), rows(1, 6), rows(60, 7), rows(2, 67)]
    whole = b"".join(map(container.pack, batches))
    ends = ends_of(container, batches)
    for size in range(len(whole) + 1):
        with Case(size):
            assert end(container, whole[:size]) == max(
                e for e in (0, *ends) if e <= size
            )
    for nuls in NULS:
        for size in range(0, len(whole) + 1, 1 if nuls < 10 else 23):
            content = whole[:size] + b"\0" * nuls
            with Case(size, nuls):
                assert end(container, content) == model_end(content, whole, ends)


@every_container
def test_the_end_of_a_large_file_is_found_without_reading_it(
    container: Container,
) -> None:
    frame = container.pack(rows(200))
    content = frame * (20_000_000 // len(frame)) + frame[: len(frame) // 2]
    read = Reads(content)
    found = container.end(read, len(content))
    assert found == (
        content.rindex(b"\n") + 1
        if container is PLAIN
        else len(content) - len(frame) // 2
    )
    assert read.bytes < 400_000
    read.bytes = 0
    first = next(container.backwards(read, found))
    assert content[:found].endswith(container.pack(first.data))
    assert read.bytes < 400_000


@compressed
def test_the_frames_come_from_the_last_to_the_first(container: Container) -> None:
    batches = [rows(count, count) for count in (3, 1, 4_000, 1, 1, 700)]
    batches.append(lines(random.Random(1), 300_000))
    packed = [container.pack(batch) for batch in batches]
    starts = [0, *accumulate(map(len, packed))][:-1]
    found = backwards(container, b"".join(packed))
    assert found == [*map(Frame, starts, batches)][::-1]


@every_container
def test_nothing_is_packed_for_nothing(container: Container) -> None:
    assert container.pack(b"") == b""
    assert end(container, b"") == 0
    assert forwards(container, b"") == b""
    assert backwards(container, b"") == []


def test_a_pack_is_one_whole_frame_with_a_checksum() -> None:
    packed = GZIP.pack(rows(3))
    assert packed[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert gzip.decompress(packed) == rows(3)
    packed = ZSTD.pack(rows(3))
    assert zstd.get_frame_size(packed) == len(packed)
    assert zstd.get_frame_info(packed).decompressed_size == len(rows(3))
    assert packed[4] & 0x04, "the flag of the checksum"
    assert zstd.decompress(packed) == rows(3)


# Files of other programs.


def gzip_member(data: bytes, level: int = 9) -> bytes:
    """A member as gzip(1) makes one: with a file name and a time."""
    out = io.BytesIO()
    with gzip.GzipFile("m.csv", "wb", level, out, mtime=1_700_000_000) as file:
        file.write(data)
    return out.getvalue()


def plain_member(data: bytes) -> bytes:
    """A member with the header of ours, as Go's gzip makes one."""
    return GZIP.ours + gzip.compress(data, 1, mtime=0)[10:]  # type: ignore[attr-defined]


def zstd_frame(data: bytes, level: int = 19, checksum: bool = True) -> bytes:
    """A frame as `zstd < m.csv` makes one: without the content's size."""
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: level, parameter.checksum_flag: checksum}
    compressor = zstd.ZstdCompressor(options=options)
    return compressor.compress(data) + compressor.flush()


def skippable(data: bytes) -> bytes:
    return b"\x5a\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


FOREIGN = {
    "gzip(1)": (GZIP, [gzip_member(rows(900))]),
    "several": (GZIP, [gzip_member(rows(30)), gzip_member(rows(2), 1)]),
    "empty": (GZIP, [gzip_member(b""), gzip_member(rows(3)), gzip_member(b"")]),
    "behind ours": (
        GZIP,
        [GZIP.pack(rows(3)), gzip_member(rows(5)), GZIP.pack(b"x\n")],
    ),
    "as ours": (GZIP, [plain_member(rows(100)), plain_member(rows(2))]),
    "zstd(1)": (ZSTD, [zstd_frame(rows(900))]),
    "no checksum": (
        ZSTD,
        [zstd_frame(rows(9), 3, False), zstd_frame(rows(5), 1, False)],
    ),
    "ours behind": (ZSTD, [zstd_frame(rows(40), 1, False), ZSTD.pack(rows(5))]),
    "skippable": (ZSTD, [skippable(b"abc"), zstd_frame(rows(7)), skippable(b"")]),
}
foreign = pytest.mark.parametrize(
    ("container", "members"), FOREIGN.values(), ids=FOREIGN.keys()
)


def content_of(member: bytes) -> bytes:
    if member.startswith(b"\x1f"):
        return gzip.decompress(member)
    return b"" if member[1:2] == b"\x2a" else zstd.decompress(member)


@foreign
def test_members_of_other_programs(container: Container, members: list[bytes]) -> None:
    whole, data = b"".join(members), b"".join(map(content_of, members))
    assert forwards(container, whole) == data
    assert joined_backwards(container, whole) == data
    for nuls in (0, *NULS):
        assert end(container, whole + b"\0" * nuls) == len(whole)


@foreign
def test_a_torn_member_of_another_program_is_not_cut_off(
    container: Container, members: list[bytes]
) -> None:
    whole, ends = b"".join(members), [0, *accumulate(map(len, members))]
    refused = 0
    for size in range(len(whole)):
        # NUL bytes can complete a skippable frame, which has no checksum.
        for nuls in (0,) if whole.startswith(b"\x5a") else (0, 3):
            content = whole[:size] + b"\0" * nuls
            try:
                found = end(container, content)
            except BadFrame as bad:
                found = bad.start
                refused += 1
            else:
                cut = whole[found:size].rstrip(b"\0")
                assert container.is_ours(cut)  # type: ignore[attr-defined]
            with Case(size, nuls):
                assert found == model_end(content, whole, ends)
    if not container.is_ours(members[0]):  # type: ignore[attr-defined]
        assert refused > len(members[0])


@compressed
def test_a_large_member_of_another_program(container: Container) -> None:
    make = gzip_member if container is GZIP else zstd_frame
    container = type(container)(window=2 * PIECE)  # type: ignore[call-arg]
    data = lines(random.Random(2), 9 * PIECE)
    tail = rows(3)
    whole = make(data, 1) + container.pack(tail)
    assert end(container, whole) == len(whole)
    found = backwards(container, whole)
    assert found[0].data == tail
    assert b"".join(frame.data for frame in reversed(found)) == data + tail
    assert all(frame.data.endswith(b"\n") for frame in found)
    assert max(len(frame.data) for frame in found) <= 2 * PIECE
    assert max(map(len, container.forwards(io.BytesIO(whole).read))) <= 2 * PIECE


def bomb(container: Container, size: int) -> bytes:
    """A frame with the header of ours and much content."""
    return container.pack(b"0" * 99 * (size // 99))


@compressed
def test_a_bomb_comes_in_pieces(container: Container) -> None:
    packed = bomb(container, 4 * WHOLE)
    assert len(packed) < 100_000
    assert max(map(len, container.forwards(io.BytesIO(packed).read))) <= 2 * PIECE
    assert end(container, packed) == len(packed)
    pieces = container.backwards(Reads(packed), len(packed))
    assert all(len(next(pieces).data) <= 2 * PIECE for _ in range(10))


@compressed
def test_damage_is_not_cut_off(container: Container) -> None:
    packed = [container.pack(rows(n)) for n in (3, 2, 1)]
    bad = bytearray(packed[1])
    bad[-6 if container is GZIP else -3] ^= 1  # a byte of the checksum
    before, after = len(packed[0]), len(packed[0]) + len(bad)
    with pytest.raises(BadFrame, match=f"at byte {before} cannot be") as caught:
        end(container, packed[0] + bad)
    assert caught.value.start == before
    assert end(container, packed[0] + bad + packed[2]) == after + len(packed[2])
    found = container.backwards(
        Reads(packed[0] + bad + packed[2]), after + len(packed[2])
    )
    assert next(found).data == rows(1)
    with pytest.raises(BadFrame, match=f"at byte {before} cannot be"):
        next(found)
    for garbage in (
        b"hello",
        b"\0" * 20 + b"x",
        b"\0x",
        packed[1][:20] + b"\0\0" * 99 + b"y",
    ):
        with pytest.raises(BadFrame):
            end(container, packed[0] + garbage)


@compressed
def test_what_is_torn_is_named_after_the_rest_was_read(container: Container) -> None:
    packed = [container.pack(rows(n)) for n in (3, 2)]
    for tail, words in (
        (packed[1][:-1], "is torn"),
        (packed[1][:2], "is torn"),
        (b"\0\0", "NUL bytes from byte"),
        (b"hello", "no .* begins at byte"),
    ):
        pieces = container.forwards(io.BytesIO(packed[0] + tail).read)
        assert next(pieces) == rows(3)
        with pytest.raises(BadFrame, match=words):
            next(pieces)


@pytest.mark.parametrize("size", [1, 3, 100])
@compressed
def test_an_input_that_comes_in_small_parts(container: Container, size: int) -> None:
    whole = io.BytesIO(container.pack(rows(3)) + container.pack(rows(50)))
    pieces = container.forwards(lambda most: whole.read(min(most, size)))
    assert b"".join(pieces) == rows(3) + rows(50)


def test_a_frame_that_needs_too_much_memory_is_not_cut_off() -> None:
    # A frame of a kilobyte that asks for a window of 2 GiB.
    frame = bytearray(zstd_frame(rows(9), 3))
    frame[5] = 21 << 3
    for content in (bytes(frame), ZSTD.pack(rows(3)) + frame):
        with pytest.raises(BadFrame, match="too much memory"):
            end(ZSTD, content)


@every_container
def test_lines_without_end(container: Container) -> None:
    long = b"x" * (LOOK_BACK + PIECE)
    if container is PLAIN:
        with pytest.raises(BadFrame, match="no line ends"):
            end(PLAIN, b"a\n" + long)
    content = container.pack(b"a\n" + long + b"\nb\n")
    found = backwards(container, content)
    assert b"".join(f.data for f in reversed(found)) == b"a\n" + long + b"\nb\n"


def test_the_suffix_tells_the_container() -> None:
    assert container_of("a.gz/m.csv.zst") == (ZSTD, "a.gz/m.csv")
    assert container_of("m.jsonl.GZ") == (GZIP, "m.jsonl")
    assert container_of("m.csv") == (PLAIN, "m.csv")
    assert container_of("zst") == (PLAIN, "zst")
    assert [each.name for each in ALL] == ["plain", "gzip", "zstd"]


@every_container
def test_the_content_tells_the_container(container: Container) -> None:
    for data in (rows(1), csv.HEADER, b"{}\n"):
        packed = container.pack(data)
        assert container_in(packed) is container
        assert [each.recognises(packed) for each in ALL] == [
            c is container for c in ALL
        ]
        assert container_in(packed[:1]) is container
    assert container_in(b"") is PLAIN
    assert container_in(skippable(b"")) is ZSTD
    assert container_in(gzip_member(b"")) is GZIP


def test_zstd_is_imported_when_it_is_needed() -> None:
    import subprocess

    program = (
        "import sys; from klinetail.recordings.frames import container_of as c\n"
        "c('m.csv.gz')[0].pack(b'x'); c('m.csv.zst')[0].recognises(b'x')\n"
        "assert not any('zstd' in name for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@settings(max_examples=30)
@given(st.binary(max_size=300), st.sampled_from([GZIP, ZSTD]), st.booleans())
def test_junk_raises_nothing_else(
    junk: bytes, container: Container, begun: bool
) -> None:
    content = (container.pack(rows(1)) if begun else b"") + junk
    try:
        found = end(container, content)
        joined_backwards(container, content[:found])
        forwards(container, content)
    except BadFrame:
        pass
