import asyncio

from klinetail import CandleEvent, DataCollector, EventBus, GapEvent
from klinetail.sim import embedded_exchange


async def main() -> None:
    bus = EventBus()
    bus.subscribe(lambda event: print(event.candle.close), types=[CandleEvent])
    bus.subscribe(lambda event: print("missing:", event), types=[GapEvent])
    with embedded_exchange(speed=60) as exchange:
        collector = DataCollector(
            ["btcusdt@1m", "ethusdt@5m"],
            on_candle_callback=bus.publish_candle,
            on_event=bus.publish,
            lines=10,
            ws_url=exchange.ws_url,
            rest_url=exchange.rest_url,
        )
        await collector.start_streaming()  # returns when every stream is subscribed
        await collector.history()  # ... and when the 10 before the start are there
        print(len(collector.buffer["btcusdt@1m"]), "candles in the buffer")
        await collector.stop_streaming()


asyncio.run(main())
