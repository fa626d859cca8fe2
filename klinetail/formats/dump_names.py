"""The names of the exchange's public dumps: a stream's candles of a UTC day or month.

Source: https://github.com/binance/binance-public-data. There are daily dumps up to the
interval 1d, and monthly dumps of every interval. A month of 1M candles is named `1mo`,
because file systems may not tell `1M` from `1m`.
"""

from __future__ import annotations

import enum
import re
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from klinetail.candle import DAY, Interval, Stream
from klinetail.errors import UsageError

CHECKSUM: Final = ".CHECKSUM"
"""The end of the name of the file with a dump's checksum, behind the dump's name."""

_PATH: Final = re.compile(
    r"(daily|monthly)/klines/([^/]+)/([0-9]+[a-zA-Z]+)/"
    r"\2-\3-([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?\.zip"
).fullmatch
_MONTH: Final = "1mo"
"""The name of the interval 1M in the names of dumps."""


class Period(enum.StrEnum):
    """The time that a dump covers, by the name of the folder."""

    DAILY = "daily"
    """A UTC day."""
    MONTHLY = "monthly"
    """A calendar month, UTC."""


class Dump(msgspec.Struct, frozen=True, order=True):
    """A public dump: the candles of a stream that open in a day or month."""

    stream: Stream
    """The symbol and the interval."""
    period: Period
    """Whether the dump covers a day or a month."""
    start: int
    """The first millisecond of the day or month."""

    @property
    def end(self) -> int:
        """The first millisecond after the day or month."""
        if self.period is Period.DAILY:
            return self.start + DAY
        return Interval.MO1.shift(self.start, 1)

    @property
    def stem(self) -> str:
        """The name without a suffix: `BTCUSDT-1m-2023-11-14`, `BTCUSDT-1mo-2023-11`."""
        day = date.fromordinal(_EPOCH + self.start // DAY)
        form = "%Y-%m-%d" if self.period is Period.DAILY else "%Y-%m"
        return f"{self.stream.symbol}-{_interval_name(self.stream)}-{day:{form}}"

    @property
    def name(self) -> str:
        """The name of the file: `BTCUSDT-1m-2023-11-14.zip`."""
        return f"{self.stem}.zip"

    @property
    def member(self) -> str:
        """The name of the only file in the zip archive."""
        return f"{self.stem}.csv"

    @property
    def path(self) -> str:
        """The path below the folder of the market's dumps, without a leading slash."""
        interval = _interval_name(self.stream)
        return f"{self.period}/klines/{self.stream.symbol}/{interval}/{self.name}"

    @property
    def days(self) -> range:
        """The first millisecond of each UTC day."""
        return range(self.start, self.end, DAY)


_EPOCH: Final = date(1970, 1, 1).toordinal()
"""The ordinal of the first day of the epoch."""


def daily(interval: Interval) -> bool:
    """Return whether the exchange publishes daily dumps of the interval."""
    return interval.length is not None and interval.length <= DAY


def day_of(stream: Stream, time: int) -> Dump:
    """Return the daily dump with the candles of a stream at a time (ms)."""
    return Dump(stream, Period.DAILY, time - time % DAY)


def month_of(stream: Stream, time: int) -> Dump:
    """Return the monthly dump with the candles of a stream at a time (ms)."""
    return Dump(stream, Period.MONTHLY, Interval.MO1.floor(time))


def parse(path: str) -> Dump | None:
    """Return the dump of a path below the folder of the market's dumps, or None.

    Args:
        path: the path without a leading slash, not percent-encoded.
    """
    match = _PATH(path)
    if match is None or (match[6] is None) is (match[1] == Period.DAILY):
        return None
    try:
        stream = Stream.of(match[2], {_MONTH: Interval.MO1}.get(match[3], match[3]))
        first = datetime(int(match[4]), int(match[5]), int(match[6] or 1), tzinfo=UTC)
    except (UsageError, ValueError):
        return None
    dump = Dump(stream, Period(match[1]), int(first.timestamp()) * 1000)
    if dump.path != path or (
        dump.period is Period.DAILY and not daily(stream.interval)
    ):
        return None
    return dump


def checksum_line(digest: str, dump: Dump) -> bytes:
    """Return the content of a dump's file of the checksum, as `sha256sum` writes it.

    Args:
        digest: SHA-256 of the zip archive, in hexadecimal digits.
        dump: the dump.
    """
    return f"{digest}  {dump.name}\n".encode()


def checksum_of(content: bytes, dump: Dump) -> str | None:
    """Return the SHA-256 (lower-case hexadecimal digits) that a dump's file of the
    checksum tells, or None if the content is no checksum of the dump."""
    match = re.fullmatch(rb"([0-9a-fA-F]{64}) [ *]([^\r\n]+)\r?\n?", content)
    if match is None or match[2] != dump.name.encode():
        return None
    return match[1].decode().lower()


def _interval_name(stream: Stream) -> str:
    return _MONTH if stream.interval is Interval.MO1 else stream.interval.value
