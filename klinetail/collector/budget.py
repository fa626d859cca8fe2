"""Budget: the REST weight that klinetail allows itself. Pure.

The user's trading bot shares the address, and the exchange bans the address, not the
program. Therefore klinetail takes a share of the limit, and less than its share while
the answers show that other programs are busy.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from klinetail.errors import UsageError
from klinetail.protocol.venues import LIVE

SHARE: Final = 0.2
"""The part of the exchange's limit that is taken by default."""

CEILING: Final = 0.8
"""The part of the limit above which nothing is asked, other programs included."""

_MINUTE: Final = 60.0
"""Seconds over which the exchange counts weight."""
_BURST: Final = 0.25
"""The part of a minute's weight that may be spent at once."""
_LEAST: Final = 60.0
"""Weight a minute that is taken however busy other programs are."""


class Budget:
    """A bucket of weight that fills at a steady rate and holds a quarter of a minute's
    weight.

    In no minute is more than the share spent, wherever the exchange's own minute
    begins. Times are monotonic seconds; weights are the exchange's.

    Args:
        share: the part of the limit to take at most, above 0 and up to 1.
        limit: the REST weight that the exchange allows an address in a minute.

    Raises:
        UsageError: the share is out of range.
    """

    def __init__(
        self, share: float = SHARE, limit: int = LIVE.limits.weight_per_minute
    ) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"a share of {share} is not above 0 and up to 1")
        self.per_minute = limit * share
        """Weight a minute at most."""
        self._ceiling = limit * CEILING
        """Weight a minute above which nothing is asked."""
        self._burst = self.per_minute * _BURST
        """Weight that the bucket holds."""
        self._rate = (self.per_minute - self._burst) / _MINUTE
        """Weight that flows into the bucket in a second, at most."""
        self._level = self._burst
        """Weight in the bucket; negative after a request that overdrew."""
        self._at = float("-inf")
        """When the level was right, monotonic seconds."""
        self._spent: deque[tuple[float, int]] = deque()
        """Time and weight of our own requests of the last minute."""
        self._others = 0.0
        """Weight a minute that other programs on the address use."""

    def lasts(self, weight: float) -> float:
        """Return the seconds that spending this weight takes, if other programs leave
        the whole share to us."""
        return max(0.0, weight - self._burst) / self._rate

    def delay(self, weight: int, now: float) -> float:
        """Return the seconds until this weight may be spent; 0 if the weight may be
        spent now.

        A request heavier than the bucket waits for a full bucket and then overdraws.
        """
        self._fill(now)
        lacking = min(weight, self._burst) - self._level
        return max(0.0, lacking / self._allowed())

    def spend(self, weight: int, now: float) -> None:
        """Note that a request of this weight is sent, after a delay or without."""
        self._fill(now)
        self._forget(now)
        self._level -= weight
        self._spent.append((now, weight))

    def observe(self, used: int, now: float) -> None:
        """Note the weight that the address has used in the exchange's present
        minute."""
        self._forget(now)
        ours = sum(weight for _, weight in self._spent)
        self._fill(now)
        self._others = max(0.0, used - ours)

    def _forget(self, now: float) -> None:
        """Drop our own requests that are older than a minute."""
        while self._spent and self._spent[0][0] <= now - _MINUTE:
            self._spent.popleft()

    def _fill(self, now: float) -> None:
        """Bring the level up to the present."""
        if self._at == float("-inf"):
            self._at = now
        passed = max(0.0, now - self._at)
        self._level = min(self._burst, self._level + passed * self._allowed())
        self._at = max(self._at, now)

    def _allowed(self) -> float:
        """Return the weight that flows in a second, given the use by other programs."""
        left = self._ceiling - self._others
        return min(self._rate, max(_LEAST, left) / _MINUTE)
