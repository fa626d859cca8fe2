"""The only file in the zip archive of a public dump. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Final

from klinetail.errors import BadRecording
from klinetail.formats.dump import stream_of

MAX_ZIP: Final = 64 << 20
"""Bytes of a dump at most, compressed and decompressed alike. The largest dump, a month
of 1m candles, has 6 MB."""

_BLOCK: Final = 256 << 10
"""Bytes decompressed at once."""


def only_member(data: bytes, name: str) -> tuple[str, Iterator[bytes]]:
    """Return the name of the file in a dump's zip archive, and the content in pieces.

    Args:
        data: the archive.
        name: the name of the archive, for messages.

    Raises:
        BadRecording: the archive is damaged, too large, or no dump; also while the
            pieces are read. The text begins with the archive's name.
    """
    import zipfile

    damage = _damage()
    if len(data) > MAX_ZIP:
        raise _too_large(name)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
        if len(members) != 1:
            raise BadRecording(
                f"{name}: the archive holds {len(members):,} files; a dump of the"
                " exchange holds one"
            )
        member = members[0]
        usual = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if member.flag_bits & 1 or not usual:
            raise BadRecording(
                f"{name}: the archive is encrypted or compressed in an unusual way,"
                " which no dump of the exchange is"
            )
        try:
            stream_of(member.filename)
        except BadRecording:
            plain = False
        else:
            plain = not {"/", "\\", "\0"} & {*member.filename}
        if not plain:
            raise BadRecording(
                f"{name}: the archive holds {member.filename[:60]!r}; a dump of the"
                " exchange holds a file like BTCUSDT-1m-2023-11-14.csv"
            )
        content = archive.open(member)
    except damage as error:
        raise _damaged(name, error) from None
    return member.filename, _inflated(content, name)


def _inflated(content: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield the content of a file in a zip archive, whatever size its header tells.

    Raises:
        BadRecording: the file is damaged or too large.
    """
    damage, size = _damage(), 0
    while True:
        try:
            data = content.read(_BLOCK)
        except damage as error:
            raise _damaged(name, error) from None
        if not data:
            return
        size += len(data)
        if size > MAX_ZIP:
            raise _too_large(name)
        yield data


def _damage() -> tuple[type[Exception], ...]:
    """Return the errors of Python's reader for a damaged archive: besides its own, of
    an impossible offset, name or date, of an unknown version, and of the content."""
    import zipfile
    import zlib

    return (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        ValueError,
    )


def _too_large(name: str) -> BadRecording:
    return BadRecording(f"{name}: a dump has at most {MAX_ZIP >> 20} MiB")


def _damaged(name: str, error: Exception) -> BadRecording:
    return BadRecording(
        f"{name}: the zip archive is torn or damaged ({error}); download it again"
    )
