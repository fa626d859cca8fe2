"""The state of a stream's fetching: one request at a time, failures and back-off. Pure.

The table lists the fields reset by each event:

    event            failing since  failures  denied since  retry at   ask from
    moved_on         -              -         cleared       -          cleared
    delivered        cleared        cleared   -             -          -
    line_up          cleared (*)    cleared   cleared       cleared    -
    failed           set if unset   + 1       cleared       set        -
    answered         cleared        -         -             -          -
    young            -              -         cleared       -          set
    lacking          -              + 1       (**)          set        -

(*) `failing since` is kept if the held candles have already waited for the whole hold:
a connection that drops again and again must not prolong a hold for ever.
(**) `denied since` is set if unset when the answer has no later candle either;
otherwise the field is cleared.
"""

from __future__ import annotations

import math
from typing import Final

from klinetail.clock import Moment

RETRY: Final = (1.0, 30.0)
"""Real seconds of the first pause before a failed request is repeated, and of the
longest."""


class Attempts:
    """The state of one stream's fetching: failures, their pauses, and the next
    request."""

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
        """The exchange time (ms) from which an answer can hold anything new."""
        self.retry_at = -math.inf
        """The monotonic seconds before which no request may be sent."""
        self.failing_since: float | None = None
        """The monotonic seconds of the first failure in a row; None while fetching
        works."""
        self.failures = 0
        """The failed or incomplete answers in a row; each doubles the next pause."""
        self.reason = ""
        """The reason of the last failure, for the announcement of a gap."""
        self.denied_since: float | None = None
        """The monotonic seconds since when answers hold neither the awaited candle nor
        a later candle; None while answers hold either."""

    @property
    def failing(self) -> bool:
        """Whether requests failed, or answers lacked a candle, since one came out."""
        return self.failures > 0 or self.failing_since is not None

    def allowed(self, now: Moment) -> bool:
        """Return whether the next request may be sent."""
        return now.monotonic >= self.retry_at and now.exchange >= self.ask_from

    def moved_on(self) -> None:
        """Start afresh for the next candle: the previous awaited candle is settled."""
        self.denied_since = None
        self.ask_from = 0

    def delivered(self) -> None:
        """Note a delivered candle: fetching does not fail any more."""
        self.failing_since = None
        self.failures = 0

    def line_up(self, *, holding: bool = False) -> None:
        """Note a new connection: failures from before the reconnect are forgotten.

        Args:
            holding: whether the held candles have already waited for the whole hold.
        """
        if not holding:
            self.failing_since = None
        self.denied_since = None
        self.failures = 0
        self.retry_at = -math.inf

    def failed(self, reason: str, now: Moment, wait: float = 0.0) -> None:
        """Note a failed request; the pauses grow.

        Args:
            reason: why the request failed, for the announcement of a gap.
            now: when the request failed.
            wait: real seconds to wait at least, as asked by the exchange.
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
        """Note an answer: fetching works, even if the answer lacks candles."""
        self.failing_since = None

    def young(self, ask_from: int) -> None:
        """Note a row too young to be final.

        Args:
            ask_from: the exchange time (ms) from which a new answer can confirm the
                row.
        """
        self.ask_from = ask_from
        self.denied_since = None

    def lacking(self, now: Moment, *, later: bool, until: float = math.inf) -> None:
        """Note an answer without a candle old enough to be listed; the pauses grow.

        Args:
            now: when the answer arrived.
            later: whether the answer holds later candles.
            until: monotonic seconds of the next request at the latest, if in the
                future.
        """
        since = self.denied_since
        self._pause(now, 0.0)
        if until > now.monotonic:
            self.retry_at = min(self.retry_at, until)
        if not later:
            self.denied_since = now.monotonic if since is None else since
