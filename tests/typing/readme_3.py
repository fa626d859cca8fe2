from klinetail import CandleEvent, DataCollector, EventBus
from klinetail.sim import embedded_exchange

bus = EventBus()
mailbox = bus.subscribe(types=[CandleEvent], streams=["btcusdt@1m"])
with embedded_exchange(speed=60) as exchange:
    collector = DataCollector(
        ["btcusdt@1m", "ethusdt@1m"],
        on_candle_callback=bus.publish_candle,
        on_event=bus.publish,
        lines=100,
        follow=False,
        ws_url=exchange.ws_url,
        rest_url=exchange.rest_url,
    )
    collector.ended.add_done_callback(lambda ended: bus.close(ended.exception()))
    collector.start()
    for event in mailbox:  # at the end it raises what the collector has failed with
        print(event.candle.open_time, event.candle.close)
    collector.stop()
