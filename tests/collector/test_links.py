"""What follows from the state of a collector's links."""

from __future__ import annotations

import threading

from klinetail import DataCollector
from klinetail.candle import Interval, Stream
from klinetail.errors import (
    Refused,
)
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.connection import Handlers
from klinetail.protocol.exchange_info import Listing
from klinetail.protocol.venues import LIVE
from tests.collector.collecting import (
    BTC,
    PATIENCE,
    Answering,
    FakeRest,
    Seen,
    never,
)
from tests.venue import eventually


def test_no_refusal_ends_a_run_of_which_another_line_is_live() -> None:
    """Of several lines one may be refused, whatever would end the first of all."""
    streams = [Stream(f"N{n}USDT", Interval.M1) for n in range(LIVE.limits.streams + 1)]
    seen, first, refused = Seen(), Answering(), threading.Event()

    def connect(handlers: Handlers, deadline: object) -> object:
        if not first.taken:
            return first(handlers, deadline)
        seen.wait_live()
        refused.set()
        raise Refused("refused (HTTP 451)")

    collector = DataCollector(
        streams,
        on_event=seen.event,
        rest=FakeRest(),
        connect=connect,
        listed=[Listing(stream.symbol, "TRADING") for stream in streams],
    )
    collector.start()
    try:
        seen.wait(lambda: any("451" in getattr(e, "reason", "") for e in seen.events))
        assert refused.is_set()
        assert not collector.ended.done()
    finally:
        collector.stop()


class AskedTwice(FakeRest):
    """Answers the second question for the time only when it is let to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = threading.Event(), threading.Event()
        self.answer.set()

    def server_time(self) -> int:
        if not self.answer.is_set():
            self.asked.set()
            assert self.answer.wait(PATIENCE)
        return super().server_time()


def test_a_line_that_broke_again_meanwhile_is_not_up() -> None:
    """What REST shows then was never to be pushed, and nobody is mute."""
    rest = AskedTwice()
    collector = DataCollector(
        [BTC], rest=rest, connect=never, listed=[Listing("BTCUSDT", "TRADING")]
    )
    (shard,), (series,) = collector._state.shards, collector._state.series.values()
    collector.start()
    try:
        eventually(lambda: collector.exchange_time() is not None, "the start")
        collector._links.on_event(LinkEvent("link-0", LinkState.LIVE), shard)
        rest.answer.clear()
        collector._links.on_event(LinkEvent("link-0", LinkState.WAITING, "cut"), shard)
        collector._links.on_event(LinkEvent("link-0", LinkState.LIVE), shard)
        assert rest.asked.wait(PATIENCE)
        collector._links.on_event(LinkEvent("link-0", LinkState.WAITING, "cut"), shard)
    finally:
        rest.answer.set()
        collector.stop()  # it waits for what is being asked
    assert series.hearing.up_since is None
