"""The gzip members that are written."""

from __future__ import annotations

import gzip

from tests.recordings.containers.files import GZIP, rows


def test_a_pack_is_one_whole_member_with_a_checksum() -> None:
    packed = GZIP.pack(rows(3))
    assert packed[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert gzip.decompress(packed) == rows(3)
