"""The effects of passing time on one stream, and their deadlines. Pure.

Two clocks matter: exchange time tells that a close is overdue or that a row can be
final, and real seconds measure how long something was waited for.
"""

from __future__ import annotations

import math

from klinetail.clock import Moment
from klinetail.contract.close import GRACE
from klinetail.contract.ending import Ending
from klinetail.contract.fetching import Fetching
from klinetail.contract.hold import Hold
from klinetail.contract.order import Order
from klinetail.contract.output import Output
from klinetail.contract.trading import State


class Timetable:
    """The deadlines of one stream.

    Args:
        order: what the stream has delivered and awaits.
        fetching: how the fetching of the missing candles goes.
        hold: for how long later candles wait.
        ending: when the symbol is to be looked up.
        follow: whether candles are awaited after the history.
    """

    __slots__ = ("_ending", "_fetching", "_follow", "_hold", "_order")

    def __init__(
        self,
        order: Order,
        fetching: Fetching,
        hold: Hold,
        ending: Ending,
        *,
        follow: bool,
    ) -> None:
        self._order = order
        self._fetching = fetching
        self._hold = hold
        self._ending = ending
        self._follow = follow

    def due(self, now: Moment) -> float:
        """The next deadline in monotonic seconds; as `Series.due`."""
        dues = [
            max(since, now.monotonic + now.left(time))
            for time, since in self._thresholds()
        ]
        if (over := self._hold.over) is not None:
            confirmed_in = (over[0] - now.confirmed) / 1000
            dues.append(max(over[1], now.monotonic + confirmed_in))
        return min(dues, default=math.inf)

    def exchange_due(self, now: Moment) -> float:
        """The next deadline in exchange time (ms); as `Series.exchange_due`."""
        times = [time for time, _ in self._thresholds()]
        if (over := self._hold.over) is not None:
            # Confirmed exchange time lags behind by `ahead` now, and not more later.
            times.append(over[0] + now.ahead)
        return min((time for time in times if time > now.exchange), default=math.inf)

    def _thresholds(self) -> list[tuple[float, float]]:
        """Return the next deadline except for the end of a hold, as exchange time (ms)
        and monotonic seconds: both must have come."""
        found: list[tuple[float, float]] = []
        order, fetching = self._order, self._fetching
        traded = order.trading.state is State.TRADED
        if self._ending.long or not traded:
            found.append((self._ending.idle_at(), order.trading.look_up_from))
            if order.finished or order.pending:
                return found
        idle = fetching.in_flight is None
        if order.lacking:
            if idle:
                attempts = fetching.attempts
                found.append((attempts.ask_from, attempts.retry_at))
        elif expected := order.expected:
            delivered = order.delivered
            if not delivered.looked_ahead and delivered.leaving(expected) is not None:
                found.append((expected + GRACE, -math.inf))
            end = order.grid.end_of(expected)
            if (passed_at := order.close.passed_at) is not None:
                found.append(order.close.overdue_from(end, passed_at))
            elif self._follow:
                found.append((end, -math.inf))
            if idle and fetching.gaps:
                found.append((-math.inf, fetching.gaps.retry_at))
        return found

    def tick(self, now: Moment) -> list[Output]:
        """Notice what is overdue; as `Series.tick`."""
        out: list[Output] = []
        order = self._order
        if not order.expected:
            return out
        if not order.delivered.looked_ahead and now.exchange >= order.expected + GRACE:
            # Not with the closes: at an hour's end all streams' come in two seconds.
            order.delivered.look_ahead(order.expected)
        self._notice(now)
        while (over := self._hold.over) is not None:
            if now.confirmed < over[0] or now.monotonic < over[1]:
                break
            self._hold.give_up(now, out)
        return out

    def _notice(self, now: Moment) -> None:
        """Notice the end of the awaited candle, and later the candle's overdue close:
        the candle is then fetched."""
        order = self._order
        end = order.grid.end_of(order.expected)
        if now.exchange < end or not self._follow:
            return
        if order.close.passed_at is None:
            order.close.passed_at = now.monotonic
        elif self.overdue(now):
            overdue = order.grid.floor(now.exchange - order.close.grace)
            order.fetch_until = max(order.fetch_until, overdue)

    def overdue(self, now: Moment) -> bool:
        """Whether the awaited close should have been pushed by now."""
        order = self._order
        if order.finished or order.pending:
            return False
        return order.close.is_overdue(order.grid.end_of(order.expected), now)

    def line_up(self, now: Moment) -> None:
        """Take note that the line to the exchange is up. Closes from the line's absence
        are never pushed, and nothing is gained by waiting for a push."""
        order = self._order
        self._fetching.attempts.line_up(holding=self._hold.is_spent(now))
        if order.expected:
            floor = order.grid.floor(now.exchange)
            order.fetch_until = max(order.fetch_until, floor)
