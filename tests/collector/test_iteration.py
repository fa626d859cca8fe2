"""The candles of a collector as an asynchronous iterator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from klinetail import DataCollector, EventBus, SlowConsumer
from klinetail.candle import Candle
from klinetail.errors import (
    Refused,
)
from klinetail.events import (
    CandleEvent,
    DropEvent,
    Event,
)
from klinetail.pipeline.mailbox import MOST
from klinetail.protocol.venues import sim_venue
from klinetail.sim.server import Server
from klinetail.sim.synthetic import Synthetic
from tests.collector.collecting import (
    BTC,
    PATIENCE,
    START,
    THIN,
    FakeRest,
    Seen,
    collect,
    never,
    whole,
)


def test_a_collector_is_an_async_iterator(exchange: Server) -> None:
    async def main() -> list[Candle]:
        got: list[Candle] = []
        collector = DataCollector(
            ["btcusdt@1m"], lines=5, venue=sim_venue(exchange.port)
        )
        start = asyncio.create_task(collector.start_streaming())
        async for candle in collector:
            if candle.closed:
                got.append(candle)
            if len(got) == 8:
                break
        await start
        await collector.stop_streaming()
        return got

    got = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert [c.open_time for c in got] == [
        got[0].open_time + n * 60_000 for n in range(8)
    ]


def test_the_iteration_ends_with_the_collector(exchange: Server) -> None:
    async def main() -> None:
        collector = DataCollector([BTC], venue=sim_venue(exchange.port))
        await collector.start_streaming()

        async def read() -> int:
            return sum([1 async for _ in collector])

        reader = asyncio.create_task(read())
        await asyncio.sleep(0.1)
        await collector.stop_streaming()
        await reader

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_an_iteration_over_a_collector_that_was_stopped_ends_at_once() -> None:
    async def main() -> list[Candle]:
        collector = DataCollector([BTC], rest=FakeRest(), connect=never)
        collector.start()
        await collector.stop_streaming()
        return [candle async for candle in collector]

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == []


def test_the_iteration_ends_with_what_ended_the_collector() -> None:
    rest = FakeRest()

    async def main() -> None:
        collector = DataCollector([BTC], rest=rest, connect=never)
        reader = asyncio.ensure_future(anext(aiter(collector)))
        await asyncio.sleep(0)
        rest.failure = Refused("not from here")
        collector.start()
        try:
            with pytest.raises(Refused):
                await reader
        finally:
            await collector.stop_streaming()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_an_iteration_whose_loop_is_closed_costs_nobody_a_candle(
    exchange: Server,
) -> None:
    seen = Seen()
    collector = collect(exchange, [BTC, THIN], seen, lines=3)
    loop = asyncio.new_event_loop()
    candles = aiter(collector)
    collector.start()
    try:
        loop.run_until_complete(asyncio.wait_for(anext(candles), PATIENCE))
        loop.close()
        known = len(seen.closed(THIN))
        seen.wait(
            lambda: (
                sum(c.closed and c.stream == THIN for c in seen.candles) > known + 20
            )
        )
    finally:
        collector.stop()
    whole(exchange, seen, BTC)
    whole(exchange, seen, THIN)
    assert not [e for e in seen.events if isinstance(e, DropEvent)]


def test_who_reads_too_slowly_gets_what_was_queued_and_then_the_number_lost() -> None:
    """An event loop that is blocked, and a mailbox of the bus that nobody reads."""
    delivered: list[Candle] = []
    got: list[Candle] = []
    bus = EventBus()
    mailbox = bus.subscribe(types=[CandleEvent])

    def on_candles(candles: Sequence[Candle]) -> None:
        delivered.extend(candles)
        for candle in candles:
            bus.publish_candle(candle)

    async def read(collector: DataCollector) -> None:
        async for candle in collector:
            if not got:  # a blocking call in a coroutine, which should not be there
                assert collector.ended.exception(PATIENCE) is None
            got.append(candle)

    async def main(collector: DataCollector) -> SlowConsumer:
        reader = asyncio.create_task(read(collector))
        await asyncio.sleep(0)
        collector.start()
        with pytest.raises(SlowConsumer) as caught:
            await reader
        return caught.value

    late_in_a_minute = START - START % 60_000 + 40_000
    with Server(Synthetic(seed=7, start=late_in_a_minute)) as exchange:
        collector = DataCollector(
            [f"{name}usdt@1m" for name in ("btc", "eth", "sol", "xrp")],
            on_candles=on_candles,
            lines=18_000,
            share=1.0,
            follow=False,
            venue=sim_venue(exchange.port),
        )
        try:
            error = asyncio.run(main(collector))
        finally:
            collector.stop()
    assert len(delivered) == 4 * 18_000
    assert MOST <= len(got) < len(delivered)
    assert got == delivered[: len(got)]
    assert (error.lost, error.limit) == (len(delivered) - len(got), MOST)
    assert len(collector._state.delivery.consumers) == 1, "the callbacks"

    events: list[Event] = []
    with pytest.raises(SlowConsumer) as caught:
        events.extend(mailbox)
    assert events == [CandleEvent(candle) for candle in delivered[:MOST]]
    assert caught.value.lost == len(delivered) - MOST
