"""Whole, torn, damaged and large frames, of klinetail and of other programs."""

from __future__ import annotations

import gzip
import io
import random
import sys
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klinetail.recordings.containers.container import (
    PIECE,
    WHOLE,
    BadFrame,
    Container,
    Frame,
)
from tests.cases import Case
from tests.recordings.containers.files import (
    GZIP,
    NULS,
    ZSTD,
    Reads,
    backwards,
    compressed,
    end,
    forwards,
    joined_backwards,
    lines,
    model_end,
    rows,
)
from tests.recordings.containers.foreign import (
    gzip_member,
    plain_member,
    skippable,
    zstd_frame,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@compressed
def test_the_frames_come_from_the_last_to_the_first(container: Container) -> None:
    batches = [rows(count, count) for count in (3, 1, 4_000, 1, 1, 700)]
    batches.append(lines(random.Random(1), 300_000))
    packed = [container.pack(batch) for batch in batches]
    starts = [0, *accumulate(map(len, packed))][:-1]
    found = backwards(container, b"".join(packed))
    assert found == [*map(Frame, starts, batches)][::-1]


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
