"""CollectorState: the one object that the parts of a collector share.

Intake, fetching, links and upkeep each do one job, on threads of their own. The parts
work on the same series, under the same lock, and deliver to the same consumers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from klinetail.candle import Stream
from klinetail.clock import ExchangeClock, Moment
from klinetail.collector.delivery import Delivery
from klinetail.collector.keeper import Keeper
from klinetail.collector.lifecycle import Lifecycle
from klinetail.collector.requests import Queue
from klinetail.collector.shards import Shard
from klinetail.contract.series import Series
from klinetail.events import Event
from klinetail.exchange.link import Link
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.venues import Venue


class CollectorState:
    """What a collector knows, with the lock that guards the knowledge.

    The thread that has news for a series takes the lock, and holds the lock until the
    callbacks returned. The lock is re-entrant.

    Args:
        series: the series of each stream, in the order of the streams.
        shards: the streams of each link; none for a history alone.
        venue: the exchange, with its addresses and limits.
        clock: exchange time.
        rest: the REST side.
        backfill: the queue of REST requests.
        delivery: the way to the consumers.
        lifecycle: the milestones of the run.
        monotonic: local seconds.
        patience: seconds without an answer before a history alone is given up.
        starts: the open time (ms) of the first candle wanted, for some of the streams.
    """

    def __init__(
        self,
        series: Mapping[Stream, Series],
        shards: Sequence[Shard],
        *,
        venue: Venue,
        clock: ExchangeClock,
        rest: Rest,
        backfill: Queue,
        delivery: Delivery,
        lifecycle: Lifecycle,
        monotonic: Callable[[], float],
        patience: float,
        starts: Mapping[Stream, int] | None = None,
    ) -> None:
        self.series = series
        """The series of each stream, in the order of the streams."""
        self.shards = shards
        """The streams of each link; none for a history alone."""
        self.link_of: dict[Stream, Link] = {}
        """The link of each stream; empty for a history alone."""
        self.lock = threading.RLock()
        """Guards the series, the clock, the deliveries and the deadlines."""
        self.changed = threading.Condition(self.lock)
        """Wakes the keeper's thread while the thread waits for a deadline."""
        self.clock = clock
        """Exchange time, as far as known."""
        self.begun = False
        """Whether exchange time is known and every series has begun."""
        self.delivery = delivery
        """The way to the callbacks and the mailboxes."""
        self.venue = venue
        """The exchange, with its addresses and limits."""
        self.rest = rest
        """The REST side."""
        self.backfill = backfill
        """The queue of REST requests, on threads of its own."""
        self.lifecycle = lifecycle
        """The milestones of the run, and the order to end."""
        self.patience = patience
        """Seconds without an answer before a history alone is given up."""
        self.starts: Mapping[Stream, int] = starts or {}
        """The open time (ms) of the first candle wanted, for some of the streams."""
        self.monotonic = monotonic
        """Local seconds."""
        self.keeper = Keeper(
            [[series[stream] for stream in shard.streams] for shard in shards]
            or [list(series.values())],
            self.changed,
            self.moment,
        )
        """The deadlines of all series."""

    @property
    def follow(self) -> bool:
        """Whether the run goes on after the history."""
        return bool(self.shards)

    def now(self) -> float:
        """Monotonic seconds, less the seconds for which consumers kept us waiting:
        frames lay unread meanwhile, and no deadline may pass for want of a reader."""
        return self.monotonic() - self.delivery.waited

    def moment(self) -> Moment:
        """The time on both clocks; the lock is held."""
        return self.clock.moment(self.now())

    def tell(self, event: Event) -> None:
        """Deliver an event, from any thread."""
        with self.lock:
            self.delivery.deliver([event])
