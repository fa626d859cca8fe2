"""Everything klinetail raises on purpose, and the exit code each one means.

::

    KlinetailError                1  a bug, unless a subclass says otherwise
    ├── BadMessage                3  a server sent what the protocol does not allow
    ├── UsageError                2  the caller asked for something that cannot be
    │   ├── UnknownSymbol         2
    │   └── BadRecording          2  a file cannot be read as candles
    ├── ExchangeError             3  the exchange side failed
    │   ├── Unreachable           3  transient: DNS, refused, reset, time-out
    │   ├── Unavailable           3  transient: 5xx, 408, an empty 202
    │   ├── RateLimited           3  transient: 429, 418; says how long to wait
    │   └── Refused               3  fatal before a first success: 400, 451,
    │       │                        a redirect, a bad certificate
    │       └── Forbidden         3  fatal before a first success if it lasts: 403
    ├── OutputError               5  a file or stdout cannot be written
    └── SlowConsumer              5  a program read too slowly: candles are lost to it
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final

FORBIDDEN: Final = 30.0
"""Seconds for which a run that is forbidden its first request goes on trying."""


class ExitCode(enum.IntEnum):
    """The process's exit codes, part of the command line's contract."""

    OK = 0
    BUG = 1
    USAGE = 2
    EXCHANGE = 3
    NOT_WHOLE = 4
    OUTPUT = 5
    HANGUP = 129
    INTERRUPTED_TWICE = 130
    READER_GONE = 141


class KlinetailError(Exception):
    """Root of the tree in this module's docstring."""

    exit_code = ExitCode.BUG
    where = ""
    """What was being done, with the address: `connecting to wss://example`."""

    @property
    def cause(self) -> str:
        """What went wrong, without `where`."""
        return super().__str__()

    def __str__(self) -> str:
        return with_where(self.cause, self.where)


def with_where(cause: str, where: str) -> str:
    """What went wrong, then where: wherever a line is cut, the cause is left."""
    return f"{cause}, {where}" if where else cause


class BadMessage(KlinetailError):
    """A frame or an answer that the protocol does not allow.

    Args:
        reason: what is wrong; what it quotes of the message is unescaped.
        sample: the beginning of the message, unescaped.
    """

    exit_code = ExitCode.EXCHANGE

    def __init__(self, reason: str, sample: str = "") -> None:
        super().__init__(reason[:300])
        self.sample = sample[:200]


class UsageError(KlinetailError):
    """The caller asked for something that cannot be."""

    exit_code = ExitCode.USAGE


class UnknownSymbol(UsageError):
    """The exchange does not list this symbol.

    Args:
        symbol: as asked for, upper case.
        suggestions: listed symbols that look alike, best first.
    """

    def __init__(self, symbol: str, suggestions: tuple[str, ...] = ()) -> None:
        hint = f"; did you mean {' or '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"the exchange does not list {symbol}{hint}")
        self.symbol = symbol
        self.suggestions = suggestions


class BadRecording(UsageError):
    """A file, or one of its lines, cannot be read as candles."""


class ExchangeError(KlinetailError):
    """The exchange side failed."""

    exit_code = ExitCode.EXCHANGE


class Unreachable(ExchangeError):
    """No connection, or it broke: DNS, refused, reset, time-out. Transient."""


class Unavailable(ExchangeError):
    """The exchange answers that it cannot answer now. Transient."""


class RateLimited(ExchangeError):
    """Too many requests.

    Args:
        message: the exchange's own words.
        retry_after: seconds to wait before the next request.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(ExchangeError):
    """The exchange, or what stands before it, refuses this request as such.

    Args:
        message: what was refused and why.
        code: the exchange's error code (-1121 is an unknown symbol), if it gave one.
    """

    patience: ClassVar[float] = 0.0
    """Seconds for which a run goes on trying before its first success; after that a
    refusal ends nothing. REST and WebSocket alike go by it."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Forbidden(Refused):
    """A firewall before the exchange refuses this address, often only for now.

    Source: "HTTP Return Codes" of the USDⓈ-M futures documentation: 403 "is used when
    the WAF Limit (Web Application Firewall) has been violated".
    """

    patience = FORBIDDEN


class OutputError(KlinetailError):
    """A file or stdout cannot be written."""

    exit_code = ExitCode.OUTPUT


class SlowConsumer(KlinetailError):
    """A program left so much unread that closed candles or events are lost to it. All
    that was kept for it was handed over before this is raised.

    Args:
        lost: closed candles and events that did not fit any more. Forming candles, of
            which only the newest matters, are not counted.
        limit: closed candles and events that are kept for a program that reads slowly.
    """

    exit_code = ExitCode.OUTPUT

    def __init__(self, lost: int, limit: int) -> None:
        super().__init__(
            f"closed candles or events lost to a consumer that is too slow: {lost:,};"
            f" they came while {limit:,} others, the most that are kept, lay unread."
            " Take them faster: hand slow work to another thread or process, or follow"
            " fewer streams. To go on, iterate or subscribe again; the latest closed"
            " candles are in the collector's `buffer`"
        )
        self.lost = lost
        self.limit = limit
