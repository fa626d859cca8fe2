"""Gzip members and zstd frames as other programs make them."""

from __future__ import annotations

import gzip
import io
import sys

from tests.recordings.containers.files import GZIP

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


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
