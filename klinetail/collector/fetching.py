"""Fetching: from a series that lacks candles to the REST rows that fill the series.

A request for the missing candles is queued; a backfill worker sends the request and
gives the rows to the series, under the collector's lock.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from klinetail.candle import Stream
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.endings import Endings
from klinetail.collector.lifecycle import settle
from klinetail.collector.lookups import Lookups
from klinetail.collector.state import CollectorState
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.contract.attempts import RETRY
from klinetail.contract.close import GRACE
from klinetail.contract.fetching import Wish
from klinetail.contract.series import Series
from klinetail.errors import BadMessage, ExchangeError, KlinetailError, RateLimited
from klinetail.events import REST, LinkEvent, LinkState
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.klines import Row
from klinetail.shortage import cause

_log = logging.getLogger(__name__)

_FEW: Final = 99
"""Rows that a request may ask for and still count as urgent."""

_RECENT: Final = 0.5
"""Seconds for which one reading of a fast exchange's time serves every request."""


class Fetching:
    """Fetches the candles that series lack, and sees to the next need of a series.

    Args:
        state: the state of the collector.
        times: reads exchange time.
        lookups: asks about streams that trade and send no frame.
    """

    def __init__(
        self, state: CollectorState, times: TimeKeeper, lookups: Lookups
    ) -> None:
        self._state = state
        """The state of the collector."""
        self._limits = state.venue.limits
        """The limits of the exchange, with the weight of each request."""
        self._times = times
        """Reads exchange time."""
        self._lookups = lookups
        """Asks about streams that trade and send no frame."""
        self._endings = Endings(state, times, self.after)
        """Looks up streams without a trade for long."""
        self._without_history = set(state.series)
        """Streams that still await candles from before the start."""
        self._unfetched: set[Stream] = set()
        """Streams whose last fetch failed."""
        self._failing = False
        """Whether consumers were told that fetches fail."""
        self._answered_at = state.monotonic()
        """When the exchange answered last, in the seconds of `CollectorState.now`."""

    def begin(self, listed: Sequence[Listing], now: Moment) -> None:
        """Note that the exchange has answered, with listings if any. Every series has
        begun, and the lock is held."""
        self._answered_at = now.monotonic
        if listed:
            self._endings.learn(listed, now)

    def see_to(self, series: Series, now: Moment) -> None:
        """Do the work of a series at its deadline; the lock is held."""
        self._endings.look_at(series, now)
        self._state.delivery.deliver(series.tick(now))
        self._seek(series, now)
        self.after(series, now)

    def after(self, series: Series, now: Moment) -> None:
        """See to the next need of a series, after anything happened to the series; the
        lock is held."""
        lifecycle = self._state.lifecycle
        if series.started and series.stream in self._without_history:
            self._without_history.discard(series.stream)
            if not self._without_history:
                settle(lifecycle.history)
                if not self._state.follow:
                    settle(lifecycle.ended)
        if series.finished and all(s.finished for s in self._state.series.values()):
            settle(lifecycle.ended)
        if series.lacking:
            self._seek(series, now)
        self._state.keeper.heed(series, now)

    def _seek(self, series: Series, now: Moment) -> None:
        """Queue a request for the candles that a series lacks, if the series asks."""
        if (wish := series.take_wish(now)) is None:
            return
        limit = _limit(series, wish, self._limits.page)
        if wish.late:
            urgency = Urgency.LATE
        elif series.started and limit <= _FEW:
            urgency = Urgency.LIVE
        else:
            urgency = Urgency.HISTORY
        self._state.backfill.put(
            urgency,
            self._limits.klines_weight(limit),
            lambda: self._try_to_fetch(series),
        )

    def _try_to_fetch(self, series: Series) -> None:
        """Fetch candles for a series; after any exception the series may ask again."""
        try:
            self._fetch(series)
        except Exception as error:  # noqa: BLE001 - the series would never ask again
            _log.exception("a fetch failed")
            with self._state.lock:
                now = self._state.moment()
                series.fail(cause(error), now)
                self.after(series, now)

    def _confirm_time(self) -> None:
        """Read exchange time if event times are ahead of our clock, because the clock
        of the exchange runs faster then. A time in doubt is read again when due."""
        state = self._state
        with state.lock:
            now = state.moment()
            recent = now.monotonic < state.clock.counted_at + _RECENT
            if now.ahead <= GRACE or recent or state.clock.doubted:
                return
        self._times.read()

    def _fetch(self, series: Series) -> None:
        """Ask REST for the candles that a series lacks now, and use the answer."""
        state = self._state
        self._confirm_time()
        with state.lock:
            asked = state.moment()
            state.delivery.deliver(series.tick(asked))
            if (wish := series.renew_wish()) is None:
                self.after(series, asked)
                return
            limit = _limit(series, wish, self._limits.page)
        rows: Sequence[Row] = []
        failed: KlinetailError | None = None
        try:
            rows = state.rest.klines(series.stream, start=wish.start, limit=limit)
        except (ExchangeError, BadMessage) as error:
            failed = error
        with state.lock:
            now = state.moment()
            self._tell_of_rest(failed, series.stream)
            if failed is not None:
                wait = failed.retry_after if isinstance(failed, RateLimited) else 0.0
                series.fail(str(failed), now, wait)
                self._lose_patience(now, failed)
            else:
                self._answered_at = now.monotonic
                self._fill(series, rows, asked, now)
            self._endings.look_at(series, now)
            self.after(series, now)

    def _fill(
        self, series: Series, rows: Sequence[Row], asked: Moment, now: Moment
    ) -> None:
        """Give an answer of REST to a series; the lock is held.

        Args:
            series: the series that asked.
            rows: the answer.
            asked: when the request was sent.
            now: when the answer came.
        """
        state = self._state
        unheard = series.hearing.unheard
        state.delivery.deliver(series.fill(rows, asked, now))
        if (waits := series.unconfirmed(asked)) is not None:
            state.delivery.deliver([waits])
        if series.hearing.unheard > unheard:
            self._lookups.mute_stream(series, state.link_of[series.stream], now)
        if series.denied(now) > state.patience:
            words = f"{series.stream}: the exchange has no candle that opens at"
            state.lifecycle.fail(ExchangeError(f"{words} {series.expected}"))

    def _tell_of_rest(self, failed: KlinetailError | None, stream: Stream) -> None:
        """Tell once that fetches fail, and once that fetches work again. A stream that
        alone goes on failing is not told again."""
        if failed is None:
            self._unfetched.discard(stream)
        elif stream in self._unfetched:
            return
        else:
            self._unfetched.add(stream)
        if (failed is not None) is self._failing:
            return
        self._failing = failed is not None
        event = LinkEvent(REST, LinkState.IDLE)
        if failed is not None:
            where = f"{failed.where or 'fetching'} for {stream}"
            event = LinkEvent(REST, LinkState.WAITING, failed.cause, 1, RETRY[0], where)
        self._state.delivery.deliver([event])

    def _lose_patience(self, now: Moment, failed: KlinetailError) -> None:
        """End a history alone if the exchange has not answered for too long."""
        if now.monotonic - self._answered_at >= self._state.patience:
            self._state.lifecycle.fail(ExchangeError(str(failed)))


def _limit(series: Series, wish: Wish, page: int) -> int:
    """Return the number of rows to ask for, at most a page: one more than are missing,
    since the last row is proved final by a later row."""
    return min(series.stream.interval.steps(wish.start, wish.end) + 1, page)
