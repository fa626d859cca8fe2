"""DataCollector over real sockets against the embedded exchange."""

from __future__ import annotations

import asyncio

import pytest

from klinetail import DataCollector, EventBus
from klinetail.candle import HOUR, Candle, Interval, Source, Stream
from klinetail.errors import (
    UnknownSymbol,
    UsageError,
)
from klinetail.events import (
    CandleEvent,
    LinkEvent,
    LinkState,
)
from klinetail.pipeline.mailbox import Mailbox
from klinetail.protocol.venues import own_venue, sim_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import (
    BTC,
    PATIENCE,
    START,
    THIN,
    Seen,
    collect,
    whole,
)
from tests.venue import eventually


def test_history_and_stream_join_without_hole_or_double(exchange: Server) -> None:
    seen = Seen()
    streams = [BTC, THIN, Stream("BTCUSDT", Interval.M5)]
    collector = collect(exchange, streams, seen, lines=20)
    collector.start()
    try:
        seen.wait(
            lambda: all(
                sum(c.stream == s and c.closed for c in seen.candles) >= 20 + more
                for s, more in zip(streams, (40, 20, 8), strict=True)
            )
        )
    finally:
        collector.stop()
    for stream in streams:
        closed = whole(exchange, seen, stream)
        assert {c.source for c in closed[:15]} == {Source.REST}
    assert Source.STREAM in {c.source for c in seen.closed(BTC)}
    assert any(not c.closed for c in seen.candles)


def test_it_goes_on_from_given_candles_page_by_page(exchange: Server) -> None:
    """More than two pages of one stream; of another one so many lines."""
    seen = Seen()
    now = exchange.now()
    current = now - now % HOUR
    five = Stream("BTCUSDT", Interval.M5)
    starts = {"btcusdt@1m": current - 20 * HOUR, "btcusdt@5m": current - HOUR}
    collector = collect(exchange, [BTC, THIN, five], seen, lines=3, starts=starts)
    collector.start()
    try:
        seen.wait(lambda: any(c.source is Source.STREAM for c in seen.closed(BTC)))
        seen.wait(lambda: len(seen.closed(five)) > 14 and len(seen.closed(THIN)) > 5)
    finally:
        collector.stop()
    assert whole(exchange, seen, BTC)[0].open_time == starts["btcusdt@1m"]
    assert whole(exchange, seen, five)[0].open_time == starts["btcusdt@5m"]
    assert whole(exchange, seen, THIN)[0].open_time >= current - 3 * 60_000
    live = [c.closed for c in seen.candles if c.stream == BTC].index(False)
    assert live >= 20 * 60, "the history comes first"


@pytest.mark.parametrize(
    ("starts", "why"),
    [
        ({"btcusdt@1m": START + 1}, "no candle opens at this time"),
        ({Stream("ETHUSDT", Interval.M1): START}, "has a start and is not followed"),
        ({"btcusdt": START // 1000}, "an open time in milliseconds"),
    ],
)
def test_a_start_that_cannot_be_is_refused_at_once(starts: dict, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        DataCollector([BTC], starts=starts)


def test_a_start_in_the_future_is_refused_by_exchange_time(exchange: Server) -> None:
    seen = Seen()
    future = START - START % HOUR + 1000 * HOUR

    async def main() -> None:
        collector = collect(exchange, [THIN, BTC], seen, starts={BTC: future})
        with pytest.raises(
            UsageError, match=r"btcusdt@1m cannot start at .*: the exch"
        ):
            await asyncio.wait_for(collector.start_streaming(), PATIENCE)

    asyncio.run(main())
    assert seen.candles == []


def test_ten_lost_connections_lose_and_double_nothing(exchange: Server) -> None:
    seen = Seen()
    streams = [BTC, THIN, Stream("ETHUSDT", Interval.M3)]
    collector = collect(exchange, streams, seen, lines=5, random=lambda: 0.01)
    collector.start()
    try:
        for number in range(10):
            seen.wait_live(number + 1)
            known = len(seen.candles)
            seen.wait(lambda known=known: len(seen.candles) > known + 20)
            exchange.disconnect_all((None, 1001, 1012)[number % 3])
        seen.wait_live(11)
        known = len(seen.closed(BTC))
        seen.wait(
            lambda: sum(c.closed and c.stream == BTC for c in seen.candles) > known + 20
        )
    finally:
        collector.stop()
    for stream in streams:
        whole(exchange, seen, stream)


def test_start_streaming_history_and_stop_as_a_program_uses_them(
    exchange: Server,
) -> None:
    seen = Seen()

    async def main() -> None:
        collector = collect(exchange, [BTC], seen, lines=3)
        await asyncio.wait_for(collector.start_streaming(), PATIENCE)
        await asyncio.wait_for(collector.history(), PATIENCE)
        assert len(seen.closed(BTC)) >= 3
        kept = collector.buffer[BTC]
        assert [c.closed for c in kept[:3]] == [True] * 3
        assert list(collector.buffer) == [BTC]
        with pytest.raises(RuntimeError, match="runs once"):
            collector.start()
        await collector.stop_streaming()
        known = len(seen.candles)
        await asyncio.sleep(0.1)
        assert len(seen.candles) == known

    asyncio.run(main())


def test_cancelling_the_start_leaves_nothing() -> None:
    nowhere = own_venue("ws://127.0.0.1:9", "http://127.0.0.1:9")

    async def main() -> None:
        collector = DataCollector([BTC], venue=nowhere)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collector.start_streaming(), 0.3)
        assert collector.ended.done()

    asyncio.run(main())


def test_the_bus_gets_typed_events_through_the_bridge(exchange: Server) -> None:
    bus = EventBus()
    mailbox = bus.subscribe(types=[CandleEvent], streams=[BTC])
    links = bus.subscribe(types=[LinkEvent])
    collector = DataCollector(
        [BTC, THIN],
        bus.publish_candle,
        on_event=bus.publish,
        lines=2,
        venue=sim_venue(exchange.port),
    )
    collector.start()
    try:
        assert isinstance(mailbox, Mailbox)
        events = []
        while len(events) < 5:
            events += mailbox.take(PATIENCE)
        assert all(event.candle.stream == BTC for event in events)
        states = []
        while LinkState.LIVE not in states:
            states += [event.state for event in links.take(PATIENCE)]
        assert states[:3] == [
            LinkState.CONNECTING,
            LinkState.SUBSCRIBING,
            LinkState.LIVE,
        ]
    finally:
        collector.stop()


def test_an_unknown_symbol_is_refused_before_anything_is_subscribed(
    exchange: Server,
) -> None:
    async def main() -> None:
        collector = DataCollector(["btcusd@1m"], venue=sim_venue(exchange.port))
        with pytest.raises(UnknownSymbol) as caught:
            await collector.start_streaming()
        assert "BTCUSDT" in caught.value.suggestions

    asyncio.run(main())
    eventually(lambda: exchange.connections == 0)


def test_a_symbol_among_many_that_is_not_traded_is_named(exchange: Server) -> None:
    listed = [
        s.symbol
        for s in exchange.market.instruments
        if s.status(exchange.now()) == "TRADING"
    ]
    settling = next(
        s.symbol
        for s in exchange.market.instruments
        if s.status(exchange.now()) != "TRADING"
    )

    async def main() -> None:
        collector = DataCollector(
            [f"{s}@1m" for s in [*listed, settling]], venue=sim_venue(exchange.port)
        )
        with pytest.raises(UsageError, match=f"{settling} is not traded"):
            await collector.start_streaming()

    asyncio.run(main())


@pytest.mark.parametrize("bug", [ValueError("a user's bug"), SystemExit(3)])
def test_a_callback_that_raises_costs_no_candle(
    exchange: Server, bug: BaseException
) -> None:
    seen = Seen()

    def raising(candle: Candle) -> None:
        seen.candle(candle)
        raise bug

    collector = DataCollector([BTC], raising, lines=5, venue=sim_venue(exchange.port))
    collector.start()
    try:
        seen.wait(lambda: sum(c.closed for c in seen.candles) >= 10)
    finally:
        collector.stop()
    assert collector.failures >= 10
    whole(exchange, seen, BTC)


def test_a_coroutine_function_is_no_callback() -> None:
    async def callback(candle: Candle) -> None: ...

    with pytest.raises(TypeError, match="coroutine"):
        DataCollector([BTC], callback)


def test_no_streams_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        DataCollector([])


def test_history_alone_needs_no_connection() -> None:
    seen = Seen()
    late_in_a_minute = START - START % 60_000 + 40_000
    with Server(Synthetic(seed=7, start=late_in_a_minute)) as exchange:
        collector = collect(exchange, [BTC, THIN], seen, lines=30, follow=False)
        collector.start()
        assert collector.ended.exception(PATIENCE) is None
        collector.stop()
        assert exchange.connections == 0
        for stream in (BTC, THIN):
            assert len(whole(exchange, seen, stream)) == 30
