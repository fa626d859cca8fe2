"""The fetching of what a stream lacks: one request at a time, its failures, its pauses.
Pure.

What each event resets (the table is the point of this class):

    event            failing since  failures  denied since  retry at   ask from
    moved_on         -              -         cleared       -          cleared
    delivered        cleared        cleared   -             -          -
    line_up          cleared (*)    cleared   cleared       cleared    -
    failed           set if unset   + 1       cleared       set        -
    answered         cleared        -         -             -          -
    young            -              -         cleared       -          set
    lacking          -              + 1       (**)          set        -

(*) unless what waits has waited for the whole hold: a line that comes and goes must not
prolong a hold for ever.
(**) set if unset if the answer has nothing later either, else cleared.
"""

from __future__ import annotations

import math
from typing import Final

from klinetail.clock import Moment

RETRY: Final = (1.0, 30.0)
"""Real seconds before a failed fetch is tried again: first, and at most."""


class Attempts:
    """How the fetching of one stream goes."""

    __slots__ = (
        "ask_from",
        "denied_since",
        "failing_since",
        "failures",
        "reason",
        "retry_at",
    )

    def __init__(self) -> None:
        self.ask_from = 0
        """Exchange time (ms) from which on an answer can tell anything new."""
        self.retry_at = -math.inf
        """Monotonic seconds before which nothing is asked."""
        self.failing_since: float | None = None
        self.failures = 0
        self.reason = ""
        """Of the last failure, for a gap's announcement."""
        self.denied_since: float | None = None
        """Since when the exchange answers, and has neither the awaited candle nor a
        later one; monotonic seconds."""

    @property
    def failing(self) -> bool:
        """Whether requests failed, or answers lacked a candle, since one came out."""
        return self.failures > 0 or self.failing_since is not None

    def allowed(self, now: Moment) -> bool:
        """Whether the next request may be sent."""
        return now.monotonic >= self.retry_at and now.exchange >= self.ask_from

    def moved_on(self) -> None:
        """Another candle is awaited now."""
        self.denied_since = None
        self.ask_from = 0

    def delivered(self) -> None:
        """Something came out: the fetching does not fail any more."""
        self.failing_since = None
        self.failures = 0

    def line_up(self, *, holding: bool = False) -> None:
        """What failed while the line was down says nothing about what comes now.

        Args:
            holding: what waits has waited for the whole hold already.
        """
        if not holding:
            self.failing_since = None
        self.denied_since = None
        self.failures = 0
        self.retry_at = -math.inf

    def failed(self, reason: str, now: Moment, wait: float = 0.0) -> None:
        """A request failed; the pauses grow.

        Args:
            reason: why, for a gap's announcement.
            now: when it failed.
            wait: real seconds that the exchange asks to wait at least.
        """
        self._pause(now, wait)
        self.reason = reason
        if self.failing_since is None:
            self.failing_since = now.monotonic

    def _pause(self, now: Moment, wait: float) -> None:
        first, most = RETRY
        self.denied_since = None
        self.failures += 1
        pause = min(most, first * 2 ** min(self.failures - 1, 16))
        self.retry_at = now.monotonic + max(wait, pause)

    def answered(self) -> None:
        """An answer came: whatever it lacks, the fetching does not fail."""
        self.failing_since = None

    def young(self, ask_from: int) -> None:
        """The row is there and not final yet."""
        self.ask_from = ask_from
        self.denied_since = None

    def lacking(self, now: Moment, *, later: bool, until: float = math.inf) -> None:
        """An answer lacks a candle that is old enough to have to be there; the pauses
        grow.

        Args:
            now: when the answer was there.
            later: whether the answer has later candles.
            until: monotonic seconds at which to ask in any case, if they are to come.
        """
        since = self.denied_since
        self._pause(now, 0.0)
        if until > now.monotonic:
            self.retry_at = min(self.retry_at, until)
        if not later:
            self.denied_since = now.monotonic if since is None else since
