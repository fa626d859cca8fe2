"""Endings: which streams have ended.

After a symbol's last trade the exchange goes on answering as if nothing had happened.
Therefore a stream without a trade for long is looked up in the exchange's list of
symbols. One list serves every stream.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.state import CollectorState
from klinetail.collector.symbols import oddity
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.contract.series import Series
from klinetail.errors import BadMessage, ExchangeError
from klinetail.events import EndedEvent, TradedEvent
from klinetail.protocol.exchange_info import Listing, Listings
from klinetail.protocol.statuses import TRADING

PAUSE: Final = 600.0
"""Real seconds between two requests for the list, whatever the first one gave. Many a
symbol has no trade for hours by right, because its market is closed over night."""

GONE: Final = "not listed any more"
"""The status of a symbol that is missing in two lists in a row."""

_SOON: Final = 1.0
"""Real seconds until the next look while exchange time is not confirmed."""


class Endings:
    """Looks idle streams up, and tells which streams have ended and which streams are
    traded at last.

    Args:
        state: the state of the collector.
        times: reads exchange time.
        after: called with the lock held for each series that has ended or is traded at
            last.
    """

    def __init__(
        self,
        state: CollectorState,
        times: TimeKeeper,
        after: Callable[[Series, Moment], None],
    ) -> None:
        self._state = state
        """The state of the collector."""
        self._times = times
        """Reads exchange time."""
        self._after = after
        """Sees to a series that has ended or is traded at last."""
        limits = state.venue.limits
        self._weight = limits.time_weight + limits.listings_weight
        """REST weight of a request for the list, with the reading of the time."""
        self._of: dict[str, list[Series]] = {}
        """The series of each symbol."""
        for one in state.series.values():
            self._of.setdefault(one.stream.symbol, []).append(one)
        self._known: dict[str, Listing] = {}
        """The entry of each symbol in the last list."""
        self._missing: set[str] = set()
        """Symbols without an entry in the last list."""
        self._asking = False
        """Whether a request for the list is queued or under way."""
        self._pause_until = -math.inf
        """Monotonic seconds of the next possible request for the list."""

    def look_at(self, series: Series, now: Moment) -> None:
        """End a series without a trade for long, if its symbol has ended, or ask for
        the list; the lock is held."""
        if now.exchange < series.idle_at():
            return
        may_ask = now.monotonic >= self._pause_until
        if self._end([series], now, by_date=not may_ask and not self._asking):
            return
        if may_ask:
            self._asking = True
            self._pause_until = now.monotonic + PAUSE
            self._state.backfill.put(Urgency.HISTORY, self._weight, self._ask)
        certain = now.confirmed >= series.idle_at()
        again = self._pause_until if certain else now.monotonic + _SOON
        series.trading.look_up_from = again

    def _ask(self) -> None:
        """Ask for the list, and learn from the answer."""
        self._times.read()
        listed: Sequence[Listing] = ()
        with contextlib.suppress(ExchangeError, BadMessage):
            listed = self._state.rest.listings()
        with self._state.lock:
            self._asking = False
            for odd in oddity(listed):
                self._state.tell(odd)
            if listed:
                self.learn(listed, self._state.moment())

    def learn(self, listed: Sequence[Listing], now: Moment) -> None:
        """Heed a list that the exchange has just given; the lock is held."""
        found = {listing.symbol: listing for listing in listed}
        unread = isinstance(listed, Listings) and listed.left_out
        missing = set() if unread else self._of.keys() - found.keys()
        for symbol, several in self._of.items():
            if (listing := found.get(symbol)) is not None:
                known, self._known[symbol] = self._known.get(symbol), listing
                dated = 0 < listing.delivery_time <= now.confirmed
                if listing == known and listing.status == TRADING and not dated:
                    continue  # for thousands of streams nothing else is left to do
                self._heed(several, listing.status, listing.delivery_time, now)
            elif symbol in missing and symbol in self._missing:
                self._heed(several, GONE, 0, now)
        self._missing = missing

    def _heed(
        self, several: Sequence[Series], status: str, delivery: int, now: Moment
    ) -> None:
        """Heed the status of a symbol for every series of the symbol."""
        for series in several:
            series.trading.told(status, delivery, now.confirmed)
        if status == TRADING:
            self._trade([series for series in several if series.pending], now)
        self._end(several, now, by_date=False)

    def _end(self, several: Iterable[Series], now: Moment, *, by_date: bool) -> bool:
        """End the series of symbols that are not traded any more, and return whether a
        series ended."""
        time = now.confirmed
        ended = {
            series: why
            for series in several
            if time >= series.idle_at()
            and (why := series.trading.verdict(time, by_date=by_date)) is not None
        }
        for series, status in ended.items():
            series.end()
            self._state.delivery.deliver([EndedEvent(series.stream, status)])
            self._after(series, now)
        return bool(ended)

    def _trade(self, pending: Iterable[Series], now: Moment) -> None:
        """Begin pending series whose symbol is traded now."""
        for series in pending:
            series.trade(now.confirmed)
            self._state.delivery.deliver([TradedEvent(series.stream)])
            self._after(series, now)
