"""The figures are what a naive count of the events says."""

import json
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import MINUTE, Interval, Source, Stream
from klinetail.events import (
    CandleEvent,
    Drop,
    DropEvent,
    EndedEvent,
    GapEvent,
    LinkEvent,
    LinkState,
    PendingEvent,
    RevisionEvent,
    TradedEvent,
)
from klinetail.pipeline.stats import ANNOUNCED_KEPT, Stats
from tests.strategies import BTCUSDT_1M, candle, candles

START = 1_700_000_040_000


def gap(*filling):
    return GapEvent(BTCUSDT_1M, START, START + MINUTE, "why", tuple(filling))


STREAMS = st.sampled_from([BTCUSDT_1M, Stream("ETHUSDT", Interval.M1)])
events = st.one_of(
    candles().map(CandleEvent),
    st.sampled_from([gap(), gap(candle()), RevisionEvent(candle(), candle())]),
    st.builds(EndedEvent, STREAMS, st.just("SETTLING")),
    st.builds(TradedEvent, STREAMS),
    st.builds(PendingEvent, STREAMS, st.just(0)),
    st.builds(DropEvent, st.sampled_from(Drop)),
    st.builds(LinkEvent, st.sampled_from(["a", "b"]), st.sampled_from(LinkState)),
)


def applied(events):
    stats = Stats()
    for event in events:
        stats.apply(event)
    return stats


def count(events, kind, condition=lambda event: True):
    return sum(isinstance(event, kind) and condition(event) for event in events)


@given(st.lists(events, max_size=40))
def test_counts_what_happened(events):
    stats = applied(events)

    assert stats.closed == count(events, CandleEvent, lambda e: e.candle.closed)
    assert stats.updates == count(events, CandleEvent, lambda e: not e.candle.closed)
    assert stats.by_rest == count(
        events, CandleEvent, lambda e: e.candle.closed and e.candle.source == "rest"
    )
    assert stats.gaps == count(events, GapEvent, lambda e: not e.candles)
    missing = 0
    for event in events:
        if isinstance(event, GapEvent) and event.candles:
            missing -= len(event.candles)
        elif isinstance(event, GapEvent):
            missing += event.stream.interval.steps(event.start, event.end)
    assert stats.missing == missing
    assert stats.revisions == count(events, RevisionEvent)
    ended = {}
    for event in events:
        if isinstance(event, EndedEvent | TradedEvent):
            ended[event.stream] = isinstance(event, EndedEvent)
    assert stats.ended == sum(ended.values())
    for why in Drop:
        dropped = count(events, DropEvent, lambda e, why=why: e.why is why)
        assert stats.dropped[why] == dropped


@given(st.lists(events, max_size=40))
def test_each_gap_filled_gap_and_end_is_listed(events):
    listed = []
    for event in events:
        if isinstance(event, GapEvent):
            what = "filled" if event.candles else "gap"
            listed.append((what, "btcusdt@1m", START, START + MINUTE, 1, "why"))
        elif isinstance(event, EndedEvent):
            listed.append(("ended", str(event.stream), None, None, 0, "SETTLING"))
    keys = ("what", "stream", "start", "end", "candles", "reason")
    figures = json.loads(applied(events).as_json())
    assert figures["announced"] == [dict(zip(keys, one, strict=True)) for one in listed]
    assert figures["unlisted"] == 0


def test_what_is_listed_is_harmless_and_short_and_no_end_of_memory():
    stats = Stats()
    stats.apply(GapEvent(BTCUSDT_1M, START, START + MINUTE, "\x9b2J" + "x" * 4_000_000))
    (one,) = stats.announced
    assert one.reason.startswith("\\x9b2Jxxx")
    assert len(one.reason) <= 300
    for _ in range(ANNOUNCED_KEPT + 7):
        stats.apply(gap())
    assert len(stats.announced) == ANNOUNCED_KEPT
    assert json.loads(stats.as_json())["unlisted"] == 8
    assert stats.gaps == ANNOUNCED_KEPT + 8


@given(st.lists(events, max_size=40))
def test_a_link_that_is_live_again_reconnected(events):
    stats = applied(events)
    reconnects = 0
    for link in ("a", "b"):
        told = [e for e in events if isinstance(e, LinkEvent) and e.link == link]
        in_use = bool(told) and told[-1].state is not LinkState.IDLE
        assert stats.links.get(link) == (told[-1] if in_use else None)
        was_live = broken = False
        for event in told:
            if event.state is LinkState.LIVE:
                reconnects += broken
                was_live, broken = True, False
            broken = broken or (was_live and event.state is LinkState.WAITING)
    assert stats.reconnects == reconnects


@given(st.lists(events, max_size=40))
def test_the_delay_is_from_close_to_push_of_the_pushed_closes(events):
    delays = [
        (e.candle.event_time - e.candle.close_time) / 1000
        for e in events
        if isinstance(e, CandleEvent)
        and e.candle.closed
        and e.candle.source is Source.STREAM
    ]
    found = applied(events).close_delay
    if not delays:
        assert found is None
    else:
        assert abs(found[0] - median(delays)) < 1e-6
        assert found[1] == max(delays)


def test_only_the_latest_delays_are_kept():
    stats = applied([CandleEvent(candle(delay=60_000))])
    for _ in range(9_999):
        stats.apply(CandleEvent(candle(delay=10)))
    assert stats.close_delay == (0.01, 60.0)
    stats.apply(CandleEvent(candle(delay=10)))
    assert stats.close_delay == (0.01, 0.01)


def test_at_the_start_there_is_nothing():
    stats = Stats()
    assert (stats.closed, stats.updates, stats.gaps, stats.reconnects) == (0, 0, 0, 0)
    assert stats.close_delay is None
    assert stats.links == {}
