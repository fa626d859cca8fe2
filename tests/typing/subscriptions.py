"""What mypy knows of a subscription, a buffer and a collector: only type-checked."""

from typing import assert_type

from klinetail import (
    Candle,
    CandleEvent,
    DataCollector,
    EventBus,
    GapEvent,
    LinkEvent,
    LinkState,
    Mailbox,
    Stream,
)
from klinetail import Event as AnyEvent
from klinetail.sim import embedded_exchange

bus = EventBus()


def on_any(event: AnyEvent) -> None:
    print(event)


def on_gap(event: GapEvent) -> None:
    print(event.start, event.reason)


def handlers() -> None:
    bus.subscribe(lambda event: print(event.candle.close), types=[CandleEvent])
    bus.subscribe(on_gap, types=[GapEvent])
    bus.subscribe(on_any)
    bus.subscribe(on_any, types=[GapEvent, LinkEvent], streams=["btcusdt@1m"])
    bus.subscribe(print, streams=[Stream.parse("btcusdt@1m"), "ethusdt@5m"])
    bus.subscribe(lambda event: print("missing:", event), types=[GapEvent])
    bus.subscribe(on_gap)  # type: ignore[arg-type]
    bus.subscribe(on_gap, types=[LinkEvent])  # type: ignore[arg-type]


def mailboxes() -> None:
    for event in bus.subscribe(types=[LinkEvent]):
        assert_type(event.state, LinkState)
    everything = bus.subscribe()
    assert_type(everything, Mailbox[AnyEvent, AnyEvent])
    some = bus.subscribe(types=(CandleEvent, GapEvent))
    assert_type(some, Mailbox[AnyEvent, AnyEvent])


async def program() -> None:
    with embedded_exchange(speed=60) as exchange:
        addresses = (exchange.ws_url, exchange.rest_url)
    ws_url, rest_url = addresses
    async with DataCollector(
        ["btcusdt@1m"],
        print,
        on_candles=lambda candles: print(candles[0].close),
        on_event=on_any,
        ws_url=ws_url,
        rest_url=rest_url,
    ) as collector:
        assert_type(collector, DataCollector)
        assert_type(collector.buffer["btcusdt@1m"], tuple[Candle, ...])
        assert_type(collector.buffer.get("btcusdt@1m"), tuple[Candle, ...] | None)
        assert_type(collector.buffer.get("ethusdt@1m", ()), tuple[Candle, ...])
        for stream in collector.buffer:
            assert_type(stream, Stream)
        async for candle in collector.closed_candles():
            assert_type(candle, Candle)
        collector.ended.add_done_callback(lambda ended: bus.close(ended.exception()))
