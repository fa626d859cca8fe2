"""What the exchange enforces at all times: the message rate of a connection and the
REST weight of an address. Pure; the time comes in.

Source: WebSocket Market Streams and General Info of the USDⓈ-M futures
documentation, as measured: 15 messages at once are answered, 40 are not.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from klinetail.candle import DAY, MINUTE
from klinetail.protocol.venues import LIVE

BURST: Final = 1.5
"""Seconds whose messages may come at once."""

LIFETIME: Final = DAY / 1000
"""Seconds after which the exchange ends a connection."""

WARNINGS: Final = 10
"""Requests that are answered 429 in a row before the address is banned."""

BAN: Final = 120_000
"""How long it is banned, ms."""


class MessageRate:
    """The messages of one connection: 10 a second, or 15 at once.

    Args:
        per_second: messages that the venue allows in a second.
    """

    def __init__(self, per_second: int = LIVE.limits.messages_per_second) -> None:
        self._per_second = per_second
        self._burst = self._left = per_second * BURST
        self._since: float | None = None

    def admits(self, now: float) -> bool:
        """Whether one more message may come at `now`, seconds."""
        passed = 0.0 if self._since is None else now - self._since
        self._since = now
        self._left = min(self._burst, self._left + passed * self._per_second)
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Refusal(NamedTuple):
    """Why and for how long a request is not answered."""

    status: int
    wait: int
    """ms."""


class Weight:
    """The REST weight that an address has used in this minute.

    Whoever goes on after 429 is answered 418 until the ban is over.

    Args:
        per_minute: weight that the venue allows in a minute.
    """

    def __init__(self, per_minute: int = LIVE.limits.weight_per_minute) -> None:
        self._per_minute = per_minute
        self.used = 0
        self._minute = 0
        self._warnings = 0
        self._banned_until = 0

    def spend(self, weight: int, now: int) -> Refusal | None:
        """Take note of a request at `now`, ms of a clock whose minutes count."""
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
