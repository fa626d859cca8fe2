"""What every container can do, against a model: the end, and the content both ways."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from klinetail.formats import csv
from klinetail.recordings.containers.container import LOOK_BACK, PIECE, Container
from klinetail.recordings.containers.registry import PLAIN
from tests.cases import Case
from tests.recordings.containers.files import (
    NULS,
    Reads,
    backwards,
    end,
    every_container,
    forwards,
    joined_backwards,
    model_end,
    rows,
)


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


@every_container
def test_nothing_is_packed_for_nothing(container: Container) -> None:
    assert container.pack(b"") == b""
    assert end(container, b"") == 0
    assert forwards(container, b"") == b""
    assert backwards(container, b"") == []


@every_container
def test_lines_without_end(container: Container) -> None:
    long = b"x" * (LOOK_BACK + PIECE)
    content = container.pack(b"a\n" + long + b"\nb\n")
    found = backwards(container, content)
    assert b"".join(f.data for f in reversed(found)) == b"a\n" + long + b"\nb\n"
