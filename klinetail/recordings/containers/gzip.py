"""The container of gzip members (RFC 1952)."""

from __future__ import annotations

import zlib

from klinetail.recordings.containers.compressed import Compressed, Decompressor


class _Inflater:
    """A decompressor of a gzip member that keeps its input, as that of zstd does."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the member."""
        return self._decompressor.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        """Return at most `max_length` bytes; the rest follows for b"" as `data`."""
        kept = self._decompressor.unconsumed_tail
        return self._decompressor.decompress(kept or data, max_length)


class Gzip(Compressed):
    """A member of gzip for each batch of lines."""

    name = "gzip"
    suffix = ".gz"
    word = "gzip member"
    magic = b"\x1f\x8b\x08"
    # No flags, no time, no file name, and of an unknown system: the same bytes whenever
    # and wherever the member is made.
    ours = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

    def pack(self, data: bytes) -> bytes:
        """Return the lines as one gzip member; see `Container.pack`."""
        if not data:
            return b""
        deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return b"".join(
            (
                self.ours,
                deflater.compress(data),
                deflater.flush(),
                zlib.crc32(data).to_bytes(4, "little"),
                (len(data) & 0xFFFF_FFFF).to_bytes(4, "little"),
            )
        )

    def decompressor(self) -> Decompressor:
        """Return a decompressor of one member."""
        return _Inflater()

    def error(self) -> type[Exception]:
        """Return the error of zlib."""
        return zlib.error

    def is_ours(self, beginning: bytes) -> bool:
        """Return whether the header, or the beginning of one, is that of `pack`."""
        return self.ours.startswith(beginning[: len(self.ours)])
