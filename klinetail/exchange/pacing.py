"""Who may do what when, so that the exchange's limits hold. Pure, but for a lock.

One link's pauses keep one link polite. Several links fail together, of one cause, and
the exchange counts the address: so their attempts go through one gate.
"""

from __future__ import annotations

import threading
from typing import Final

ATTEMPT_APART: Final = 0.25
"""Seconds between two attempts to connect, of all links together."""

ATTEMPTS: Final = (60, 2.5)
"""Attempts that may follow one another so closely, and seconds for each one more: in
5 minutes 180, of the 300 that the exchange documents for an address."""

RENEWAL_APART: Final = 70.0
"""Seconds between the renewals of two links: a minute, even if one comes late."""

_LATE: Final = 10.0


class TokenBucket:
    """Turns at a steady rate, some of them at once: in any span of so many seconds at
    most `burst + seconds / period`. Not thread-safe.

    Args:
        burst: turns at once, 1 at least.
        period: seconds for each further one.
    """

    def __init__(self, burst: int, period: float) -> None:
        self._ahead = (burst - 1) * period
        self._period = period
        self._next = float("-inf")
        """When a turn would come if there were no bursts."""

    def book(self, now: float) -> float:
        """When the next turn is, monotonic seconds; it counts as taken.

        Args:
            now: monotonic seconds; it does not go back from call to call.
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
    """When each of several links may connect. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spacing = TokenBucket(1, ATTEMPT_APART)
        self._attempts = TokenBucket(*ATTEMPTS)
        self._renewals: dict[str, float] = {}
        self._promised: set[str] = set()

    def attempt(self, now: float) -> float:
        """When a link may try to connect, monotonic seconds; it counts as tried."""
        with self._lock:
            return self._attempts.book(self._spacing.book(now))

    def renewal(self, link: str, now: float) -> float:
        """When a link may open its second connection, monotonic seconds. If that is
        now it counts as opened; else the link asks again then.

        These do not wait behind attempts: being one a minute at most, they add
        nothing that counts.
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
