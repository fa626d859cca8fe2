"""The container of zstd frames (RFC 8878)."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Final

from klinetail.recordings.containers.compressed import Compressed, Decompressor
from klinetail.recordings.containers.container import WHOLE


def _zstd() -> ModuleType:
    """Return the module of zstd, imported at the first use: the import takes 17 ms."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""The last bytes of the magic number of a skippable zstd frame; the first byte is 0x50
to 0x5f."""

_CHECKSUM: Final = 0x04
"""The flag of a frame with a checksum, in a zstd frame's descriptor."""

_SINGLE: Final = 0x20
"""The flag of a frame that is its own window, in a zstd frame's descriptor."""


class Zstd(Compressed):
    """A frame of zstd for each batch of lines."""

    name = "zstd"
    suffix = ".zst"
    word = "zstd frame"
    magic = b"\x28\xb5\x2f\xfd"
    ours = magic

    def pack(self, data: bytes) -> bytes:
        """Return the lines as one zstd frame; see `Container.pack`."""
        if not data:
            return b""
        zstd = _zstd()
        parameter = zstd.CompressionParameter
        options = {
            parameter.compression_level: 3,
            parameter.checksum_flag: 1,
            parameter.content_size_flag: 1,
        }
        packed: bytes = zstd.compress(data, options=options)
        return packed

    def decompressor(self) -> Decompressor:
        """Return a decompressor of one frame."""
        decompressor: Decompressor = _zstd().ZstdDecompressor()
        return decompressor

    def error(self) -> type[Exception]:
        """Return the error of zstd."""
        error: type[Exception] = _zstd().ZstdError
        return error

    def recognises(self, beginning: bytes) -> bool:
        """See `Container.recognises`; a skippable frame counts."""
        return super().recognises(beginning) or _is_skippable(beginning)

    def skippable(self, beginning: bytes) -> int | None:
        """Return the size of a skippable frame, or None."""
        if not _is_skippable(beginning):
            return None
        return 8 + int.from_bytes(beginning[4:8].ljust(4, b"\0"), "little")

    def is_ours(self, beginning: bytes) -> bool:
        """Return whether the frame has a checksum and tells the size of its content, at
        most `WHOLE`, as `pack` makes it, or too little is there to tell."""
        if len(beginning) < 5:
            return self.magic.startswith(beginning)
        flags = beginning[4]
        single = bool(flags & _SINGLE)
        at = 5 if single else 6  # behind the size of the window
        width = (int(single), 2, 4, 8)[flags >> 6]
        # Little-endian: the first bytes of a torn number are no more than the number.
        content = int.from_bytes(beginning[at : at + width], "little")
        return (
            beginning.startswith(self.magic)
            and flags & 0x1F == _CHECKSUM
            and width > 0
            and content <= WHOLE
        )


def _is_skippable(beginning: bytes) -> bool:
    return beginning[1:4] == _SKIPPABLE and 0x50 <= beginning[0] <= 0x5F
