"""The errors raised by klinetail, and the exit code of each.

::

    KlinetailError                1  a bug, unless a subclass says otherwise
    ├── BadMessage                3  a server's message violates the protocol
    ├── UsageError                2  the caller asked for something impossible
    │   ├── UnknownSymbol         2
    │   └── BadRecording          2  a file cannot be read as candles
    ├── ExchangeError             3  the exchange side failed
    │   ├── Unreachable           3  transient: DNS, refused, reset, time-out
    │   ├── Unavailable           3  transient: 5xx, 408, an empty 202
    │   ├── RateLimited           3  transient: 429, 418; says how long to wait
    │   └── Refused               3  fatal before a first success: 400, 451,
    │       │                        a redirect, a bad certificate
    │       └── Forbidden         3  fatal before a first success if lasting: 403
    ├── OutputError               5  a file or stdout cannot be written
    └── SlowConsumer              5  a program read too slowly: candles were lost
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final

FORBIDDEN: Final = 30.0
"""Seconds for which a run repeats a first request answered with 403."""


class ExitCode(enum.IntEnum):
    """The process's exit codes, part of the command line's contract."""

    OK = 0
    """Done: the count was reached, all streams ended, or the run was stopped as
    asked."""
    BUG = 1
    """A bug in klinetail."""
    USAGE = 2
    """An unknown option, symbol or interval, or an input that cannot be read."""
    EXCHANGE = 3
    """The exchange refuses for good, or was not reached by a one-shot command."""
    NOT_WHOLE = 4
    """The data has gaps or faults."""
    OUTPUT = 5
    """An output failed, for good."""
    HANGUP = 129
    """SIGHUP ended the run."""
    INTERRUPTED_TWICE = 130
    """A second Ctrl-C ended the run at once."""
    READER_GONE = 141
    """The reader of stdout has gone away."""


class KlinetailError(Exception):
    """The root of klinetail's errors; the module's docstring shows the tree."""

    exit_code = ExitCode.BUG
    """The exit code of a command that ends with the error."""
    where = ""
    """The action that failed, with the address: `connecting to wss://example`."""

    @property
    def cause(self) -> str:
        """The error's text, without `where`."""
        return super().__str__()

    def __str__(self) -> str:
        return with_where(self.cause, self.where)


def with_where(cause: str, where: str) -> str:
    """Return an error's cause, then the place: a line cut short keeps the cause."""
    return f"{cause}, {where}" if where else cause


class BadMessage(KlinetailError):
    """A frame or an answer that violates the protocol.

    Args:
        reason: the violation; quotes of the message are unescaped.
        sample: the beginning of the message, unescaped.
    """

    exit_code = ExitCode.EXCHANGE

    def __init__(self, reason: str, sample: str = "") -> None:
        super().__init__(reason[:300])
        self.sample = sample[:200]


class UsageError(KlinetailError):
    """The caller asked for something impossible."""

    exit_code = ExitCode.USAGE


class UnknownSymbol(UsageError):
    """The exchange does not list the symbol.

    Args:
        symbol: the requested symbol, upper case.
        suggestions: similar listed symbols, best first.
    """

    def __init__(self, symbol: str, suggestions: tuple[str, ...] = ()) -> None:
        hint = f"; did you mean {' or '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"the exchange does not list {symbol}{hint}")
        self.symbol = symbol
        self.suggestions = suggestions


class BadRecording(UsageError):
    """A file, or a line of a file, cannot be read as candles."""


class ExchangeError(KlinetailError):
    """The exchange side failed."""

    exit_code = ExitCode.EXCHANGE


class Unreachable(ExchangeError):
    """The connection failed or broke: DNS, refused, reset, time-out. Transient."""


class Unavailable(ExchangeError):
    """The exchange answered without being able to serve the request. Transient."""


class RateLimited(ExchangeError):
    """The exchange refuses further requests for a while. Transient.

    Source: "HTTP Return Codes" of the USDⓈ-M futures documentation: 429 for a broken
    rate limit, 418 for an address banned after further requests.

    Args:
        message: the exchange's own words.
        retry_after: seconds to wait before the next request.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(ExchangeError):
    """The exchange, or a server before the exchange, refuses the request itself.

    Args:
        message: the refused request and the reason.
        code: the exchange's error code, if given; -1121 is an unknown symbol.
    """

    patience: ClassVar[float] = 0.0
    """Seconds of retrying before a run's first success. After a first success no
    refusal ends a run. REST and WebSocket connections both use the value."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Forbidden(Refused):
    """A firewall before the exchange refuses this address, often only for a while.

    Source: "HTTP Return Codes" of the USDⓈ-M futures documentation: 403 "is used when
    the WAF Limit (Web Application Firewall) has been violated".
    """

    patience = FORBIDDEN


class OutputError(KlinetailError):
    """A file or stdout cannot be written."""

    exit_code = ExitCode.OUTPUT


class SlowConsumer(KlinetailError):
    """A program read so slowly that closed candles or events were lost.

    The error is raised after everything kept for the program was handed over.

    Args:
        lost: closed candles and events lost. Lost forming candles are not counted: only
            the newest forming candle matters.
        limit: closed candles and events kept at most for a slow program.
    """

    exit_code = ExitCode.OUTPUT

    def __init__(self, lost: int, limit: int) -> None:
        super().__init__(
            f"{lost:,} closed candles or events are lost to a slow consumer: {limit:,}"
            " earlier candles and events, the largest number kept, were not read yet."
            " Read faster: hand slow work to another thread or process, or follow"
            " fewer streams. To go on, iterate or subscribe again; the latest closed"
            " candles are in the collector's `buffer`"
        )
        self.lost = lost
        self.limit = limit
