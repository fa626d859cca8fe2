"""The time for which later candles wait for a missing candle, and the announcement at
the end of the wait. Pure."""

from __future__ import annotations

from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Fetching
from klinetail.contract.order import Order
from klinetail.contract.output import Output
from klinetail.events import GapEvent


class Hold:
    """The hold of one stream: later candles wait while the awaited one cannot be had.

    Args:
        order: the stream's delivered and awaited candles.
        fetching: the fetching of the missing candles.
        seconds: real seconds that later candles wait.
    """

    __slots__ = ("_fetching", "_order", "_seconds")

    def __init__(self, order: Order, fetching: Fetching, seconds: float) -> None:
        self._order = order
        self._fetching = fetching
        self._seconds = seconds

    def note_waiting(self, now: Moment) -> None:
        """Take note of when the first later frame began to wait."""
        close = self._order.close
        if close.waiting_since is not None or not self._order.waiting:
            return
        close.waiting_since = now.monotonic
        if self._fetching.attempts.denied_since is not None:
            # Until now the exchange had no later candle either: ask again at once.
            self._fetching.attempts.line_up()

    def is_spent(self, now: Moment) -> bool:
        """Whether something has waited for all of the hold."""
        waiting = self._order.close.waiting_since
        return waiting is not None and now.monotonic >= waiting + self._seconds

    @property
    def over(self) -> tuple[float, float] | None:
        """Confirmed exchange time (ms) and monotonic seconds from which on the awaited
        candle may be given up; None if nothing waits, or nothing fails.

        A forming frame of the next candle may come early, so a hold counts from when
        the awaited close is overdue; what event times say of that is not enough.
        """
        order, fetching = self._order, self._fetching
        if not fetching.stirred:
            return None
        failing = fetching.attempts.failing_since
        hole = fetching.holes.at(order.expected)
        if order.finished or order.pending:
            return None
        waiting, since = order.waiting, []
        if failing is not None and waiting:
            since.append(max(failing, order.close.waiting_since or failing))
        if hole is not None and hole.agreed and (waiting or fetching.alone):
            asked_last = hole.last >= hole.since + self._seconds
            if asked_last or failing is not None:
                since.append(hole.since)
        if not since:
            return None
        overdue = order.grid.end_of(order.expected) + GRACE
        return overdue + self._seconds * 1000, min(since) + self._seconds

    def give_up(self, now: Moment, out: list[Output]) -> None:
        """Let the waiting candles go out behind an announced gap.

        The candles of the gap are still asked for. A candle whose close may still be
        pushed in time is no part of the gap.

        Args:
            now: a moment at which the hold is over.
            out: takes the announcement and the waiting candles.
        """
        order, fetching = self._order, self._fetching
        forming, hole = order.forming, fetching.holes.at(order.expected)
        ends = [order.grid.floor(now.confirmed - GRACE), *order.held]
        if forming is not None and forming.open_time > order.expected:
            ends.append(forming.open_time)
        if order.ended:
            if not order.trading.shows_trades(order.expected):
                order.trading.end(order.expected)
                return
            ends.append(order.trading.until)
        reason = fetching.attempts.reason
        if hole is not None and hole.agreed:
            ends.append(hole.end)
            reason = hole.reason
            fetching.attempts.line_up()
        gap = GapEvent(order.stream, order.expected, min(ends), reason)
        out.append(gap)
        order.expect(gap.end)
        fetching.give_up(gap)
        fetching.release(out)
