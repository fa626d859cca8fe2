"""Lines that are not compressed."""

from __future__ import annotations

import pytest

from klinetail.recordings.containers.container import LOOK_BACK, PIECE, BadFrame
from klinetail.recordings.containers.plain import Plain
from klinetail.recordings.containers.registry import PLAIN
from tests.recordings.containers.files import GZIP, ZSTD, end, rows


def test_a_last_line_that_is_too_long_is_not_cut_off() -> None:
    with pytest.raises(BadFrame, match="no line ends"):
        end(PLAIN, b"a\n" + b"x" * (LOOK_BACK + PIECE))


def test_plain_is_what_no_other_container_recognises() -> None:
    assert PLAIN.recognises(b"")
    assert PLAIN.recognises(rows(1))
    assert not PLAIN.recognises(GZIP.pack(rows(1)))
    assert Plain([ZSTD]).recognises(GZIP.pack(rows(1)))
