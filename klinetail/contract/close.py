"""The awaited close of one stream, and whether the close is overdue. Pure."""

from __future__ import annotations

from typing import Final

from klinetail.clock import Moment
from klinetail.contract.finality import NOTICE

GRACE: Final = 3_000
"""How far (ms of exchange time) a close may be overdue before it is fetched: the
exchange pushes `x:true` up to about 2 s late."""


class AwaitedClose:
    """The knowledge about the close of the awaited candle."""

    __slots__ = ("grace", "passed_at", "waiting_since")

    def __init__(self) -> None:
        self.grace = GRACE
        """How far (ms of exchange time) the close may be overdue."""
        self.passed_at: float | None = None
        """Monotonic seconds at which exchange time was seen to be past the candle's
        end; None before that."""
        self.waiting_since: float | None = None
        """Monotonic seconds since when something later waits for the candle; None if
        nothing does."""

    def renew(self) -> None:
        """Another candle is awaited from now on."""
        self.grace = GRACE
        self.passed_at = None
        self.waiting_since = None

    def is_overdue(self, end: int, now: Moment) -> bool:
        """Whether the close should have been pushed by now.

        Args:
            end: open time (ms) of the candle after the awaited one.
            now: the time on both clocks.
        """
        if self.passed_at is None:
            return False
        exchange, monotonic = self.overdue_from(end, self.passed_at)
        return now.exchange >= exchange and now.monotonic >= monotonic

    def overdue_from(self, end: int, passed_at: float) -> tuple[float, float]:
        """Exchange time (ms) and monotonic seconds that both must have come for the
        close to be overdue.

        Args:
            end: open time (ms) of the candle after the awaited one.
            passed_at: monotonic seconds at which exchange time was seen to be past it.
        """
        return end + self.grace, passed_at + NOTICE
