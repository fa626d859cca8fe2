import asyncio

from klinetail import DataCollector


async def main() -> None:
    async with DataCollector(["btcusdt@1m", "ethusdt@5m"], lines=10) as collector:
        async for candle in collector.closed_candles():
            print(candle.stream, candle.open_time, candle.close)


asyncio.run(main())
