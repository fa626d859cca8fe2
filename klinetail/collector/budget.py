"""The REST weight that klinetail allows itself. Pure.

The user's trading bot shares the address, and the exchange bans the address, not the
program. So a share of the limit is taken, and less while the answers show others.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from klinetail.errors import UsageError
from klinetail.protocol.venues import LIVE

SHARE: Final = 0.2
"""The part of the exchange's limit that is taken unless asked otherwise."""

CEILING: Final = 0.8
"""The part of the limit beyond which, others included, nothing more is asked for."""

_MINUTE: Final = 60.0
_BURST: Final = 0.25
_LEAST: Final = 60.0


class Budget:
    """A bucket of weight that fills at a steady rate, a quarter of it at once.

    In no minute more than the share is spent, wherever the exchange's own minute
    begins. Times are monotonic seconds, weights the exchange's.

    Args:
        share: the part of the limit to take at most, above 0 and up to 1.
        limit: weight that the venue allows an address in a minute.

    Raises:
        UsageError: the share is not.
    """

    def __init__(
        self, share: float = SHARE, limit: int = LIVE.limits.weight_per_minute
    ) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"a share of {share} is not above 0 and up to 1")
        self.per_minute = limit * share
        """Weight a minute at most."""
        self._ceiling = limit * CEILING
        self._burst = self.per_minute * _BURST
        self._rate = (self.per_minute - self._burst) / _MINUTE
        self._level = self._burst
        self._at = float("-inf")
        self._spent: deque[tuple[float, int]] = deque()
        self._others = 0.0

    def lasts(self, weight: float) -> float:
        """Seconds in which so much can be spent, if others leave the share to us."""
        return max(0.0, weight - self._burst) / self._rate

    def delay(self, weight: int, now: float) -> float:
        """Seconds until so much may be spent; 0 if it may now.

        A request heavier than the bucket waits for a full one and then overdraws.
        """
        self._fill(now)
        lacking = min(weight, self._burst) - self._level
        return max(0.0, lacking / self._allowed())

    def spend(self, weight: int, now: float) -> None:
        """A request of this weight is sent, whether or not it waited for that."""
        self._fill(now)
        self._forget(now)
        self._level -= weight
        self._spent.append((now, weight))

    def observe(self, used: int, now: float) -> None:
        """The exchange says how much this address used in its present minute."""
        self._forget(now)
        ours = sum(weight for _, weight in self._spent)
        self._fill(now)
        self._others = max(0.0, used - ours)

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] <= now - _MINUTE:
            self._spent.popleft()

    def _fill(self, now: float) -> None:
        if self._at == float("-inf"):
            self._at = now
        passed = max(0.0, now - self._at)
        self._level = min(self._burst, self._level + passed * self._allowed())
        self._at = max(self._at, now)

    def _allowed(self) -> float:
        """Weight a second, with what others take."""
        left = self._ceiling - self._others
        return min(self._rate, max(_LEAST, left) / _MINUTE)
