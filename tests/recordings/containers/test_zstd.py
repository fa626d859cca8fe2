"""The zstd frames that are written, and when zstd is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from klinetail.recordings.containers.container import WHOLE, BadFrame
from tests.recordings.containers.files import ZSTD, end, rows
from tests.recordings.containers.foreign import zstd_frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def test_a_pack_is_one_whole_frame_with_a_checksum() -> None:
    packed = ZSTD.pack(rows(3))
    assert zstd.get_frame_size(packed) == len(packed)
    assert zstd.get_frame_info(packed).decompressed_size == len(rows(3))
    assert packed[4] & 0x04, "the flag of the checksum"
    assert zstd.decompress(packed) == rows(3)


def test_a_torn_frame_of_more_than_a_batch_is_not_cut_off() -> None:
    # As zstd(1) makes one: with the content's size and a checksum.
    ours, large, larger = (ZSTD.pack(bytes(n)) for n in (9, WHOLE, WHOLE + (64 << 10)))
    for before in (b"", ours):
        for size in (*range(1, 20), len(large) - 1):
            assert end(ZSTD, before + large[:size]) == len(before)
        for size in (*range(10, 20), len(larger) - 1):
            with pytest.raises(BadFrame, match="by another program and is torn"):
                end(ZSTD, before + larger[:size])
        assert end(ZSTD, before + larger) == len(before + larger)


def test_a_frame_that_needs_too_much_memory_is_not_cut_off() -> None:
    # A frame of a kilobyte that asks for a window of 2 GiB.
    frame = bytearray(zstd_frame(rows(9), 3))
    frame[5] = 21 << 3
    for content in (bytes(frame), ZSTD.pack(rows(3)) + frame):
        with pytest.raises(BadFrame, match="too much memory"):
            end(ZSTD, content)


def test_zstd_is_imported_when_it_is_needed() -> None:
    program = (
        "import sys\n"
        "from klinetail.recordings.containers.registry import container_of as c\n"
        "c('m.csv.gz')[0].pack(b'x'); c('m.csv.zst')[0].recognises(b'x')\n"
        "assert not {'backports.zstd', 'compression.zstd'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
