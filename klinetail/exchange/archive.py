"""Downloads of the exchange's public dumps into a folder of this machine.

A dump is used only if its SHA-256 is the one that the archive tells, and its candles
are counted all the same: sound dumps were seen to lack whole days.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from klinetail.candle import DAY, LAST_TIME, Candle
from klinetail.errors import BadMessage, BadRecording, OutputError, UsageError
from klinetail.exchange.files import PATIENCE, Files, TooLarge
from klinetail.exchange.part import Part
from klinetail.exchange.proxy import Proxy
from klinetail.formats.dump_content import Content, content, excerpt
from klinetail.formats.dump_names import CHECKSUM, Dump, Period, checksum_of
from klinetail.formats.zipped import MAX_ZIP
from klinetail.protocol.venues import Venue

_MAX_LINE: Final = 1024
"""Bytes of a file of the checksum at most."""


class Reason(enum.Enum):
    """Why a dump cannot be used."""

    ABSENT = enum.auto()
    """The archive does not have the dump: HTTP 404."""
    MISMATCHED = enum.auto()
    """The SHA-256 differed twice from the checksum of the archive."""
    UNSOUND = enum.auto()
    """The content is too large, or is not the dump of the name."""


class NotHad(msgspec.Struct, frozen=True):
    """A dump that cannot be used; the candles have to come from another origin."""

    reason: Reason
    """Why the dump is not to be had."""
    words: str
    """The reason in words, with the name of the dump; unescaped."""


class Had(msgspec.Struct, frozen=True):
    """The candles of a dump."""

    candles: list[Candle]
    """The candles of whole days, in order, as far as they were asked for."""
    lacking: dict[int, str]
    """What is wrong with each day that is not whole, by the first millisecond of the
    UTC day."""
    notes: tuple[str, ...]
    """What a person should know about the dump, with its name; unescaped."""


class Archive:
    """The public dumps of a venue. Each thread needs an `Archive` of its own; only
    `close` may be called from any thread.

    Downloaded dumps stay in the folder. A dump in the folder is not downloaded again as
    long as the archive tells its checksum.

    Args:
        venue: the market; its `archive_url` is the address of the dumps.
        folder: the folder for the dumps of all venues, as from `cache_folder`.
        patience: seconds that a request may take.
        proxy: the proxy to connect through, or None.

    Raises:
        UsageError: the venue has no dumps.
    """

    def __init__(
        self,
        venue: Venue,
        folder: Path,
        *,
        patience: float = PATIENCE,
        proxy: Proxy | None = None,
    ) -> None:
        if venue.archive_url is None:
            raise UsageError(
                f"{venue.name} publishes no dumps; leave out --archive only, or name"
                " an address with --archive-url"
            )
        self._base = venue.paths.archive
        """The path of the market's dumps."""
        # Dumps of two venues have the same names and different candles.
        parts = urlsplit(venue.archive_url)
        host = (parts.hostname or "").replace(":", "_")
        place = f"{host}_{parts.port}" if parts.port else host
        self._folder = folder / place / quote(parts.path.strip("/"), safe="")
        """The folder for the dumps of this venue."""
        self._files = Files(venue.archive_url, patience, proxy)
        """The files of the archive."""
        self._counted: dict[Dump, dict[int, str]] = {}
        """What is wrong with days of the dumps that were counted, as in `Had`."""

    def path(self, dump: Dump) -> Path:
        """Return the path of a dump in the folder, downloaded or not."""
        return self._folder / self._base.strip("/") / dump.path

    def read(
        self,
        dump: Dump,
        *,
        start: int = 0,
        end: int = LAST_TIME,
        listed: int | None = None,
    ) -> Had | NotHad:
        """Download a dump if necessary, and return its candles.

        The first call for a dump asks for its checksum, counts all candles and has the
        notes; later calls are for other parts of the same dump, and much faster.

        Args:
            dump: the dump, of an interval up to 1d.
            start: the first open time (ms) asked for.
            end: the first open time (ms) no longer asked for.
            listed: the time (ms) at which trading of the symbol began, if known.

        Raises:
            ExchangeError, BadMessage: the archive does not answer, refuses, or answers
                nonsense. What was downloaded is kept for the next attempt.
            OutputError: the folder cannot be written.
        """
        path = self.path(dump)
        counted = self._counted.get(dump)
        if counted is None or not path.exists():
            found = self.download(dump)
            if isinstance(found, NotHad):
                return found
            counted = None
        try:
            data = path.read_bytes()
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from None
        try:
            if counted is None:
                whole = content(data, dump, start=start, end=end, listed=listed)
                self._counted[dump] = whole.lacking
                return Had(whole.candles, whole.lacking, _notes(dump, whole))
            return Had(_excerpt(data, dump, start, end, counted), counted, ())
        except BadRecording as error:
            return NotHad(Reason.UNSOUND, str(error))

    def download(self, dump: Dump) -> Path | NotHad:
        """Return the path of a dump whose checksum is right; download the dump if it is
        not in the folder.

        Raises:
            ExchangeError, BadMessage, OutputError: as from `read`.
        """
        path = self.path(dump)
        absent = NotHad(Reason.ABSENT, f"{dump.name}: the archive does not have it")
        for _ in range(2):
            right = self._checksum(dump)
            if right is None:
                return absent
            if _digest(path) == right:
                return path
            with Part(path) as part:
                try:
                    if not self._files.fill(f"{self._base}/{dump.path}", part, MAX_ZIP):
                        return absent
                except TooLarge:
                    part.restart("")
                    words = f"{dump.name}: a dump has at most {MAX_ZIP >> 20} MiB"
                    return NotHad(Reason.UNSOUND, words)
                if part.digest() == right:
                    part.finish()
                    return path
                part.restart("")
        return NotHad(Reason.MISMATCHED, f"{dump.name}: the checksum differs twice")

    def forget(self, dump: Dump) -> None:
        """Remove a dump from the folder."""
        self._counted.pop(dump, None)
        self.path(dump).unlink(missing_ok=True)

    def close(self) -> None:
        """End a request under way; no request may follow."""
        self._files.close()

    def _checksum(self, dump: Dump) -> str | None:
        """Return the SHA-256 that the archive tells, in hexadecimal digits; None for a
        dump that the archive does not have."""
        name = f"{dump.name}{CHECKSUM}"
        try:
            line = self._files.content(f"{self._base}/{dump.path}{CHECKSUM}", _MAX_LINE)
        except TooLarge:
            raise BadMessage(f"{name} is too long") from None
        if line is None:
            return None
        digest = checksum_of(line, dump)
        if digest is None:
            raise BadMessage(f"{name} holds no checksum", line[:80].decode("latin-1"))
        return digest


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the usual folder for dumps: `~/.cache/klinetail/archive`.

    Args:
        environ: the environment; `XDG_CACHE_HOME` names another place than `~/.cache`.
    """
    base = environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "klinetail" / "archive"


def _excerpt(
    data: bytes, dump: Dump, start: int, end: int, lacking: Collection[int]
) -> list[Candle]:
    """Return the candles in [start, end) of the days that do not lack.

    Raises:
        BadRecording: the dump is not the one that was counted.
    """
    candles: list[Candle] = []
    start, end = max(start, dump.start), min(end, dump.end)
    while start < end:
        day = start - start % DAY
        after = min(end, day + DAY)
        while after < end and after not in lacking:
            after = min(end, after + DAY)
        if day in lacking:
            after = min(end, day + DAY)
        else:
            candles += excerpt(data, dump, start, after)
        start = after
    return candles


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file in hexadecimal digits, or None if there is none.

    Raises:
        OutputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None


def _notes(dump: Dump, found: Content) -> tuple[str, ...]:
    """Return what a person should know about a dump."""
    notes: list[str] = []
    if found.micro:
        notes.append(f"{dump.name}: the times are microseconds, read as milliseconds")
    if found.lacking and dump.period is Period.MONTHLY:
        days = ", ".join(str((day - dump.start) // DAY + 1) for day in found.lacking)
        plural = "s" if len(found.lacking) > 1 else ""
        notes.append(f"{dump.name}: lacks {len(found.lacking)} day{plural} ({days})")
    elif found.lacking:
        [why] = found.lacking.values()
        notes.append(f"{dump.name}: not whole: {why}")
    return tuple(notes)
