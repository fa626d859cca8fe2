"""Endings: which streams have ended. After a symbol's last trade the exchange goes on
answering as if nothing had happened, so a stream that has had no trade for long is
looked up in the exchange's list of symbols; one list serves all."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.symbols import oddity
from klinetail.contract.series import Series
from klinetail.errors import BadMessage, ExchangeError
from klinetail.events import DropEvent
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.limits import LISTINGS_WEIGHT, TIME_WEIGHT
from klinetail.protocol.rest import Listing, Listings
from klinetail.protocol.statuses import TRADING

PAUSE: Final = 600.0
"""Real seconds from one question for the list to the next, whatever came of it. Many a
symbol has no trade for hours by right: its market is closed over night."""

GONE: Final = "not listed any more"
"""What stands for the status of a symbol that two lists in a row do not have."""

_SOON: Final = 1.0
"""Real seconds until it is looked again whether the time has come on a clock that is
not confirmed."""


class Endings:
    """Looks idle streams up, and says which have ended and which are traded at last.

    Args:
        series: all there are.
        rest: who is asked.
        lock: the collector's.
        moment: the time on both clocks; called with the lock held.
        put: queues a request: its urgency, its weight, and what sends it.
        read_time: reads exchange time.
        on_ended: called with the lock held with the series whose symbol is not traded
            any more, and why.
        on_traded: called with the lock held with series that were pending and whose
            symbol is traded now.
        tell: called with what cannot be read of the list.
    """

    def __init__(
        self,
        series: Iterable[Series],
        rest: Rest,
        lock: threading.RLock,
        *,
        moment: Callable[[], Moment],
        put: Callable[[Urgency, int, Callable[[], None]], None],
        read_time: Callable[[], object],
        on_ended: Callable[[Mapping[Series, str], Moment], None],
        on_traded: Callable[[Sequence[Series], Moment], None],
        tell: Callable[[DropEvent], None],
    ) -> None:
        self._of: dict[str, list[Series]] = {}
        """The series of each symbol."""
        for one in series:
            self._of.setdefault(one.stream.symbol, []).append(one)
        self._rest = rest
        self._lock = lock
        self._moment = moment
        self._put = put
        self._read_time = read_time
        self._on_ended = on_ended
        self._on_traded = on_traded
        self._tell = tell
        self._known: dict[str, Listing] = {}
        """What the last list says of each symbol."""
        self._missing: set[str] = set()
        """Symbols that the last list does not have."""
        self._asking = False
        """Whether the list is being asked for."""
        self._pause_until = -math.inf
        """Monotonic seconds before which the list is not asked for."""

    def look_at(self, series: Series, now: Moment) -> None:
        """If a series has had no trade for long, see whether it has ended; the lock is
        held."""
        if now.exchange < series.idle_at():
            return
        may_ask = now.monotonic >= self._pause_until
        if self._end([series], now, by_date=not may_ask and not self._asking):
            return
        if may_ask:
            self._asking = True
            self._pause_until = now.monotonic + PAUSE
            self._put(Urgency.HISTORY, TIME_WEIGHT + LISTINGS_WEIGHT, self._ask)
        certain = now.confirmed >= series.idle_at()
        again = self._pause_until if certain else now.monotonic + _SOON
        series.trading.look_up_from = again

    def _ask(self) -> None:
        self._read_time()
        listed: Sequence[Listing] = ()
        with contextlib.suppress(ExchangeError, BadMessage):
            listed = self._rest.listings()
        with self._lock:
            self._asking = False
            for odd in oddity(listed):
                self._tell(odd)
            if listed:
                self.learn(listed, self._moment())

    def learn(self, listed: Sequence[Listing], now: Moment) -> None:
        """Heed a list of symbols that the exchange just gave; the lock is held."""
        found = {listing.symbol: listing for listing in listed}
        unread = isinstance(listed, Listings) and listed.left_out
        missing = set() if unread else self._of.keys() - found.keys()
        for symbol, several in self._of.items():
            if (listing := found.get(symbol)) is not None:
                known, self._known[symbol] = self._known.get(symbol), listing
                dated = 0 < listing.delivery_time <= now.confirmed
                if listing == known and listing.status == TRADING and not dated:
                    continue  # of thousands of streams that is all that there is to do
                self._heed(several, listing.status, listing.delivery_time, now)
            elif symbol in missing and symbol in self._missing:
                self._heed(several, GONE, 0, now)
        self._missing = missing

    def _heed(
        self, several: Sequence[Series], status: str, delivery: int, now: Moment
    ) -> None:
        for series in several:
            series.trading.told(status, delivery, now.confirmed)
        if status == TRADING:
            self._on_traded([series for series in several if series.pending], now)
        self._end(several, now, by_date=False)

    def _end(self, several: Iterable[Series], now: Moment, *, by_date: bool) -> bool:
        """End those that are not traded any more; whether there are any."""
        time = now.confirmed
        ended = {
            series: why
            for series in several
            if time >= series.idle_at()
            and (why := series.trading.verdict(time, by_date=by_date)) is not None
        }
        if ended:
            self._on_ended(ended, now)
        return bool(ended)
