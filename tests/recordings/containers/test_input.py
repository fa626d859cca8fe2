"""Bytes of an input are looked at, taken, passed over and given back."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from klinetail.recordings.containers.input import STEP, Input, input_of, written_size
from tests.recordings.containers.files import NULS, Reads

CONTENT = random.Random(1).randbytes(3 * STEP)


@given(most=st.integers(1_000, 2 * STEP), seed=st.integers(0, 1 << 32))
def test_an_input_gives_the_bytes_of_a_file_in_order(most: int, seed: int) -> None:
    content, random_ = CONTENT, random.Random(seed)
    read, start, end = Reads(content), STEP // 3, 3 * STEP - 7
    source = input_of(lambda at, size: read(at, min(size, most)), start, end)
    at = start
    while at < end:
        assert source.offset == at
        size = random_.choice((1, 7, STEP // 2, STEP))
        assert source.peek(size) == content[at : min(at + size, end)]
        if random_.random() < 0.5:
            assert source.skip(size) == (at + size <= end)
            at = min(at + size, end)
        else:
            data = bytes(source.take(size))
            assert data
            assert data == content[at : at + len(data)]
            back = random_.randint(0, len(data) - 1)
            source.give_back(back)
            at += len(data) - back
    assert (source.peek(1), bytes(source.take(1)), source.skip(1)) == (b"", b"", False)


def test_nothing_is_passed_over_at_the_end() -> None:
    source = Input(lambda _: b"")
    assert source.skip(0)
    assert not source.skip(1)
    assert source.offset == 0


def test_the_size_without_nul_bytes_at_the_end() -> None:
    for written in (b"", b"x", b"\0x", b"x" * STEP):
        for nuls in (0, *NULS):
            content = written + b"\0" * nuls
            assert written_size(Reads(content), len(content)) == len(written)
