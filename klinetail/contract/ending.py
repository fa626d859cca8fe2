"""The end and the return of one stream: the changes when the stream's symbol is not
traded any more, or is traded again. Pure."""

from __future__ import annotations

import math

from klinetail.candle import Candle
from klinetail.clock import Moment
from klinetail.contract.fetching import Fetching
from klinetail.contract.order import Order
from klinetail.contract.output import Output
from klinetail.contract.trading import MOST
from klinetail.events import TradedEvent


class Ending:
    """When one stream is to be looked up, and what its end and its return change.

    Args:
        order: what the stream has delivered and awaits.
        fetching: how the fetching of the missing candles goes.
    """

    __slots__ = ("_fetching", "_order", "long")

    def __init__(self, order: Order, fetching: Fetching) -> None:
        self._order = order
        self._fetching = fetching
        self.long = order.grid.longest > MOST
        """Whether a candle is longer than a stream may be without a trade. Shorter ones
        are looked at often enough anyway, at each close."""

    def idle_at(self) -> float:
        """Exchange time (ms) from which on the end is to be expected if no trade is
        seen until then; infinite while it would be seen by nobody."""
        order = self._order
        if order.ended:
            return math.inf
        if order.forming is not None:
            order.trading.see(order.forming)
        if order.held.show_trades:
            return math.inf
        at = order.trading.idle_at()
        if order.expected >= at:  # closed candles prove the silence
            return at
        hearing = order.hearing
        if order.lacking:
            denied = self._fetching.attempts.denied_since is not None
            return at if denied and hearing.newest <= order.expected else math.inf
        if hearing.up_since is None or hearing.unheard:
            return math.inf
        return order.trading.idle_at(since=hearing.up_since)

    def denied(self, now: Moment) -> float:
        """Return the real seconds for which REST has answered without any candle.

        Old candles were asked for. From the first candle on the result is 0.
        """
        fetching = self._fetching
        since = fetching.attempts.denied_since
        return 0.0 if since is None or fetching.answered else now.monotonic - since

    def end(self) -> None:
        """The exchange does not trade the symbol any more: expect nothing but the
        candle of its last trade, unless a frame tells otherwise."""
        order = self._order
        if order.forming is not None:
            order.trading.see(order.forming)
        denied = self._fetching.attempts.denied_since is not None
        until = order.expected
        if not denied or order.trading.shows_trades(until):
            # Otherwise neither frames nor rows show the awaited candle.
            last = order.grid.floor(order.trading.last)
            until = max(until, order.grid.end_of(last))
        order.trading.end(until)
        order.started = True

    def trade(self, time: int) -> None:
        """The symbol is traded, again or at last, and was at exchange time `time` (ms)
        at the latest."""
        order = self._order
        pending = order.pending
        order.trading.resume()
        self._fetching.attempts.line_up()
        if pending and order.expected:
            began = min(time, order.trading.onboard or time)
            first = max(order.expected, order.grid.floor(began))
            order.first = order.subscribed_in = first
            order.expect(first)
            self._fetching.moved_on()

    def heeds(self, candle: Candle, out: list[Output]) -> bool:
        """Return whether a frame counts though the symbol is not traded. A frame with
        new trades tells that the symbol is traded; a frame without new trades is
        nothing but a sign of life.

        Args:
            candle: the frame's.
            out: the announcement that the symbol is traded is added here.
        """
        order = self._order
        if candle.open_time < order.expected:
            return True
        if not candle.count:
            return False
        new = order.trading.see(candle) and not candle.closed
        if order.pending or new or candle.open_time >= order.trading.until:
            self.trade(candle.open_time)
            out.append(TradedEvent(order.stream))
        return True
