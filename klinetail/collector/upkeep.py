"""Upkeep: the keeper's thread, which starts everything and then keeps the time.

The thread starts the links, asks for exchange time, begins every series, and then waits
for deadlines and looks after the clock until the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from klinetail.collector.backfill import Urgency
from klinetail.collector.fetching import Fetching
from klinetail.collector.lifecycle import settle
from klinetail.collector.links import Links
from klinetail.collector.preflight import Preflight, preflight
from klinetail.collector.sleep import PULSE, SleepWatch
from klinetail.collector.state import CollectorState
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.contract.start import check_start
from klinetail.errors import BadMessage, ExchangeError, KlinetailError, UsageError
from klinetail.events import PendingEvent
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.statuses import PENDING
from klinetail.shortage import cause

_log = logging.getLogger(__name__)


class Upkeep:
    """Starts a run, and keeps its deadlines and its clock.

    Args:
        state: the state of the collector.
        times: reads exchange time.
        fetching: sees to series that are due.
        links: the connections.
        listed: what the exchange lists, if the list is known already.
        random: uniform in [0, 1), for the pauses between attempts.
        slept: real seconds for which this machine was suspended up to now.
    """

    def __init__(
        self,
        state: CollectorState,
        times: TimeKeeper,
        fetching: Fetching,
        links: Links,
        *,
        listed: Sequence[Listing] | None,
        random: Callable[[], float],
        slept: Callable[[], float],
    ) -> None:
        self._state = state
        """The state of the collector."""
        self._times = times
        """Reads exchange time."""
        self._fetching = fetching
        """Sees to series at their deadlines."""
        self._links = links
        """The connections."""
        self._listed = listed
        """The list of symbols, if known already."""
        self._random = random
        """Uniform in [0, 1)."""
        self._slept = slept
        """Real seconds for which this machine was suspended up to now."""
        self._sleep = SleepWatch(state.monotonic(), slept())
        """Notices a suspension of this machine."""
        self._woken = False
        """Whether exchange time is in doubt after a suspension."""

    def run(self) -> None:
        """Run until the end; an error ends the collector."""
        state = self._state
        try:
            self._links.start()
            if self._begin():
                self._links.admit()
                stopping = state.lifecycle.stopping
                state.keeper.run(stopping, self._fetching.see_to, self._pulse)
            else:
                self._links.ask_to_stop()
        except Exception as error:  # noqa: BLE001 - a silent end would look like silence
            _log.exception("the keeper's thread failed")
            state.lifecycle.fail(KlinetailError(cause(error)))

    def _begin(self) -> bool:
        """Learn exchange time and begin every series; False if the run ends instead."""
        state = self._state
        try:
            began = preflight(
                state.rest,
                [*state.series],
                ask=state.backfill.ask,
                listed=self._listed,
                now=state.now,
                random=self._random,
                patience=state.patience,
                stopping=state.lifecycle.stopping,
                tell=state.tell,
            )
            if began is None or not self._times.begin(
                began.time, patience=state.patience, on_doubt=self._links.admit
            ):
                return False
        except (ExchangeError, UsageError, BadMessage) as error:
            state.lifecycle.fail(error)
            return False
        with state.lock:
            now = state.moment()
            try:
                for stream, start in state.starts.items():
                    check_start(stream, start, now)
            except UsageError as error:
                state.lifecycle.fail(error)
                return False
            self._begin_series(began)
        if not state.follow:
            settle(state.lifecycle.subscribed)
        return True

    def _begin_series(self, began: Preflight) -> None:
        """Fix the first expected candle of every series; the lock is held."""
        state = self._state
        state.begun = True
        now = state.moment()
        pending = {
            listing.symbol: listing.onboard_time
            for listing in began.listed
            if listing.status == PENDING
        }
        for series in state.series.values():
            onboard = pending.get(series.stream.symbol)
            series.begin(now, onboard, state.starts.get(series.stream))
            if onboard is not None:
                state.delivery.deliver([PendingEvent(series.stream, onboard)])
            self._fetching.after(series, now)
        self._fetching.begin(began.listed, now)
        self._links.resume()
        if state.starts:
            self._links.settle_subscribed()

    def _pulse(self) -> float:
        """Look after the clock, and return the seconds until the next look is due; the
        lock is held."""
        state = self._state
        if self._sleep.woke(state.now(), self._slept()):
            self._links.doubt()
            self._woken = True
            state.backfill.put(Urgency.TIME, 1, self._look_at_the_clock)
        elif self._times.heed():
            state.backfill.put(Urgency.TIME, 1, self._look_at_the_clock)
        return max(0.0, min(PULSE, self._times.left()))

    def _look_at_the_clock(self) -> None:
        """Read the time; after a suspension, go on with every live link."""
        sure = self._times.read()
        with self._state.lock:
            if self._woken:
                self._woken = not sure
                self._links.resume()
