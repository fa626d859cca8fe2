"""The pacing of connects and messages, within the exchange's limits. Pure but a lock.

The pauses of a link keep one link within the limits. Several links fail together, of
one cause, and the exchange counts by address: all links share one pacing.
"""

from __future__ import annotations

import threading
from typing import Final

ATTEMPT_APART: Final = 0.25
"""Seconds between two attempts to connect, over all links."""

ATTEMPTS: Final = (60, 2.5)
"""The number of attempts `ATTEMPT_APART` seconds apart, and the seconds for each
further attempt: 180 in 5 minutes, of the 300 that the exchange allows an address."""

RENEWAL_APART: Final = 70.0
"""Seconds between the renewals of two links: a minute, even if a renewal is late."""

_LATE: Final = 10.0
"""Seconds after which the promise of a renewal lapses if the link makes no use."""


class TokenBucket:
    """Turns at a steady rate, some of them at once: in any span of so many seconds at
    most `burst + seconds / period`. Not thread-safe.

    Args:
        burst: the number of turns at once, 1 at least.
        period: seconds for each further turn.
    """

    def __init__(self, burst: int, period: float) -> None:
        self._ahead = (burst - 1) * period
        """Seconds by which turns may run ahead of the steady rate."""
        self._period = period
        """Seconds between two turns at the steady rate."""
        self._next = float("-inf")
        """The time of the next turn at the steady rate, monotonic seconds."""

    def book(self, now: float) -> float:
        """Take the next turn; return the time of the turn, monotonic seconds.

        Args:
            now: monotonic seconds, never less than at the call before.
        """
        at = max(now, self._next - self._ahead)
        self._next = max(self._next, at) + self._period
        return at


def message_rate(per_second: int) -> TokenBucket:
    """When a connection may send a message: of the messages that a venue allows in a
    second all but one, since a pong is sent unasked.

    Args:
        per_second: `messages_per_second` of the venue's limits.
    """
    return TokenBucket(max(1, per_second // 2 - 1), 2 / per_second)


class ConnectPacing:
    """Says when each of several links may connect. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Held by each method."""
        self._spacing = TokenBucket(1, ATTEMPT_APART)
        """Keeps two attempts apart."""
        self._attempts = TokenBucket(*ATTEMPTS)
        """Bounds the attempts of some minutes."""
        self._renewals: dict[str, float] = {}
        """The time of the last renewal of each link, past or promised."""
        self._promised: set[str] = set()
        """The links whose time in `_renewals` is promised and not used yet."""

    def attempt(self, now: float) -> float:
        """Take a turn to connect; return the time of the turn, monotonic seconds."""
        with self._lock:
            return self._attempts.book(self._spacing.book(now))

    def renewal(self, link: str, now: float) -> float:
        """Return the time at which a link may open a second connection.

        If the time is `now`, the renewal counts as begun; otherwise the link has to
        ask again at the returned time. Renewals do not wait behind attempts: one
        renewal a minute adds next to nothing.

        Args:
            link: the name of the link.
            now: monotonic seconds.
        """
        with self._lock:
            at = self._renewals.get(link, now)
            if link in self._promised and now < at + _LATE:
                at = max(now, at)
            else:
                others = (at for name, at in self._renewals.items() if name != link)
                at = max([now, *(other + RENEWAL_APART for other in others)])
            self._renewals[link] = at
            (self._promised.add if at > now else self._promised.discard)(link)
            return at
