"""A download that is not finished: the bytes that have come, and their version.

A killed download leaves `NAME.part` and `NAME.part.etag` behind; the next download goes
on from there, if the server still has the same version.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from klinetail.errors import OutputError

_BLOCK: Final = 1 << 20
"""Bytes read at once."""

_ETAG: Final = re.compile(r'"[\x21\x23-\x7e]{1,200}"').fullmatch
"""A strong entity tag; a weak one does not vouch for the bytes (RFC 9110, 13.1.5)."""

_RANGE: Final = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)")


class Part:
    """The file of a download under way; a context manager. One process at a time has
    the file.

    Args:
        path: the path of the finished file.

    Raises:
        OutputError: the file cannot be written, or another process downloads the same.
    """

    def __init__(self, path: Path) -> None:
        self._final = path
        """The path of the finished file."""
        self._path = path.with_name(f"{path.name}.part")
        """The path of the bytes that have come."""
        self._tag = path.with_name(f"{path.name}.part.etag")
        """The path of the version of the bytes."""
        self._file = self._locked()
        """The bytes that have come."""
        self._done = False
        """Whether the file has its final name."""

    def _locked(self) -> BufferedRandom:
        """Return the opened file of the bytes, locked.

        Raises:
            OutputError: as from the constructor.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                file = self._path.open("ab+")
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another process may have finished the file in the meantime.
                if _is(file, self._path):
                    return file
                file.close()
        except BlockingIOError:
            file.close()
            raise OutputError(
                f"{self._path}: another klinetail downloads the same dump into this"
                " folder; wait for the other one, or choose another folder"
            ) from None
        except OSError as error:
            raise _failed(self._path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._done and self.size == 0:
            self._path.unlink(missing_ok=True)
            self._tag.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what `append` could not write
            self._file.close()

    @property
    def size(self) -> int:
        """The number of bytes that have come."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def etag(self) -> str:
        """The version of the bytes, or "" if unknown."""
        try:
            text = self._tag.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""
        return text if _ETAG(text) else ""

    def restart(self, etag: str) -> None:
        """Throw all bytes away; the bytes to come are of a version, "" for unknown."""
        try:
            self._file.truncate(0)
            if _ETAG(etag):
                self._tag.write_text(etag, "ascii")
            else:
                self._tag.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(self._path, error) from None

    def append(self, data: bytes) -> None:
        """Add bytes that have come."""
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise _failed(self._path, error) from None

    def digest(self) -> str:
        """Return the SHA-256 of the bytes in hexadecimal digits."""
        try:
            self._file.seek(0)
            digest = hashlib.sha256()
            while data := self._file.read(_BLOCK):
                digest.update(data)
        except OSError as error:
            raise _failed(self._path, error) from None
        return digest.hexdigest()

    def finish(self) -> None:
        """Give the file its final name, in place of any file of that name."""
        try:
            os.replace(self._path, self._final)
            self._done = True
            self._tag.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(self._final, error) from None


def wanted(size: int, etag: str) -> dict[str, str]:
    """Return the headers of a request for the bytes that have not come. Pure.

    Args:
        size: the number of bytes that have come.
        etag: the version of the bytes, or "" if unknown.
    """
    if not (size and etag):
        return {}
    return {"Range": f"bytes={size}-", "If-Range": etag}


def joins(status: int, given: str, size: int) -> bool:
    """Return whether the body of an answer goes on behind the bytes that have come.
    Pure.

    Otherwise those bytes are of no use.

    Args:
        status: the HTTP status, 200, 206 or 416.
        given: the header Content-Range, or "" if there is none.
        size: the number of bytes that have come. A range that begins at the end (416)
            means that all have come.
    """
    match = _RANGE.fullmatch(given)
    if match is None:
        return False
    if status == 206:
        return match[1] == str(size)
    return status == 416 and match[1] is None and match[2] == str(size)


def _is(file: BufferedRandom, path: Path) -> bool:
    """Return whether an opened file still has its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _failed(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: {error.strerror}; choose another folder for dumps")
