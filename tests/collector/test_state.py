"""What the parts of a collector share."""

from __future__ import annotations

import threading

import pytest

from klinetail.candle import Interval, Stream
from klinetail.clock import ExchangeClock, Moment
from klinetail.collector.backfill import Backfill
from klinetail.collector.budget import SHARE, Budget
from klinetail.collector.delivery import Delivery
from klinetail.collector.lifecycle import Lifecycle
from klinetail.collector.shards import shards
from klinetail.collector.state import CollectorState
from klinetail.contract.series import Series
from klinetail.events import REST, Event, LinkEvent, LinkState
from klinetail.protocol.venues import LIVE
from tests.collector.collecting import FakeRest

STREAMS = [Stream("BTCUSDT", Interval.M1), Stream("ETHUSDT", Interval.M1)]
LONG = 60.0


class Time:
    """Local seconds, as they are set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def state(time: Time, told: list[Event], *, follow: bool = True) -> CollectorState:
    return CollectorState(
        {stream: Series(stream) for stream in STREAMS},
        shards(STREAMS, LIVE.limits.streams) if follow else [],
        venue=LIVE,
        clock=ExchangeClock(),
        rest=FakeRest(),
        backfill=Backfill(Budget(SHARE), time),
        delivery=Delivery(None, None, told.append, time),
        lifecycle=Lifecycle(),
        monotonic=time,
        patience=5.0,
    )


def test_seconds_for_which_consumers_kept_us_waiting_do_not_count() -> None:
    time = Time()
    one = state(time, [])
    time.now += 10.0
    one.delivery.waited = 4.0
    assert one.now() == 106.0


@pytest.mark.parametrize("follow", [True, False])
def test_every_series_has_its_deadlines_with_links_or_without(follow: bool) -> None:
    one = state(Time(), [], follow=follow)
    assert one.follow is follow
    now = Moment(60_000, 1.0)
    with one.lock:
        for series in one.series.values():
            series.begin(now)
            one.keeper.heed(series, now)
            assert one.keeper._deadlines.files(series)


def test_an_event_waits_for_whoever_has_the_lock() -> None:
    told: list[Event] = []
    one = state(Time(), told)
    event = LinkEvent(REST, LinkState.IDLE)
    teller = threading.Thread(target=one.tell, args=[event])
    with one.lock:
        teller.start()
        teller.join(0.05)
        assert told == []
    teller.join(LONG)
    assert told == [event]
