"""The exchange's limits: the message rate of a connection, and the REST weight of an
address. Pure.

Source: "WebSocket Market Streams" and "General Info" of the USDⓈ-M futures
documentation; measured: 15 messages at once are answered, 40 are not.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from klinetail.candle import DAY, MINUTE
from klinetail.protocol.venues import LIVE

BURST: Final = 1.5
"""The seconds whose messages may arrive at once."""

LIFETIME: Final = DAY / 1000
"""Seconds after which the exchange ends a connection: a day."""

WARNINGS: Final = 10
"""Consecutive answers with status 429 before the address is banned."""

BAN: Final = 120_000
"""The duration of a ban, ms."""


class MessageRate:
    """The rate limit of one connection: 10 messages a second, or 15 at once.

    Args:
        per_second: the messages allowed in a second.
    """

    def __init__(self, per_second: int = LIVE.limits.messages_per_second) -> None:
        self._per_second = per_second
        """The messages allowed in a second."""
        self._burst = per_second * BURST
        """The messages that may arrive at once after a pause."""
        self._left = self._burst
        """The messages that may arrive at once now."""
        self._since: float | None = None
        """The seconds of the last message; None before the first."""

    def admits(self, now: float) -> bool:
        """Return whether one more message is allowed at `now` (seconds)."""
        passed = 0.0 if self._since is None else now - self._since
        self._since = now
        self._left = min(self._burst, self._left + passed * self._per_second)
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Refusal(NamedTuple):
    """The refusal of a request."""

    status: int
    """The HTTP status: 429 or 418."""
    wait: int
    """The wait until the next allowed request, ms."""


class Weight:
    """The REST weight of an address in the current minute.

    Repeated requests after status 429 lead to status 418, until the ban is over.

    Args:
        per_minute: the weight allowed in a minute.
    """

    def __init__(self, per_minute: int = LIVE.limits.weight_per_minute) -> None:
        self._per_minute = per_minute
        """The weight allowed in a minute."""
        self.used = 0
        """The weight used in the current minute."""
        self._minute = 0
        """The current minute, counted from the epoch."""
        self._warnings = 0
        """The consecutive answers with status 429."""
        self._banned_until = 0
        """The time (ms) at which the ban ends."""

    def spend(self, weight: int, now: int) -> Refusal | None:
        """Count a request, and return the refusal, or None for an allowed request.

        Args:
            weight: the request's weight.
            now: milliseconds of a clock whose minutes are the exchange's.
        """
        if now // MINUTE != self._minute:
            self._minute, self.used = now // MINUTE, 0
        if now >= self._banned_until:
            self.used += weight
            if self.used <= self._per_minute:
                self._warnings = 0
                return None
            self._warnings += 1
            if self._warnings <= WARNINGS:
                return Refusal(429, (self._minute + 1) * MINUTE - now)
            self._banned_until = now + BAN
            self._warnings = 0
        return Refusal(418, self._banned_until - now)
