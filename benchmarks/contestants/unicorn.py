"""unicorn-binance-websocket-api, each message printed as it comes.

python unicorn.py WS_URL COUNT NAME...
"""

import itertools
import os
import sys

from unicorn_binance_websocket_api.manager import BinanceWebSocketApiManager

count = int(sys.argv[2])
seen = itertools.count(1)


def process(message):
    if '"kline"' not in message:
        return
    print(message)
    if next(seen) == count:
        sys.stdout.flush()
        os._exit(0)  # its own end takes seconds


names = [name.split("@") for name in sys.argv[3:]]
with BinanceWebSocketApiManager(
    exchange="binance.com-futures",
    websocket_base_uri=sys.argv[1].removesuffix("market"),
    warn_on_update=False,
) as manager:
    manager.create_stream(
        channels=list(dict.fromkeys(channel for _, channel in names)),
        markets=list(dict.fromkeys(market for market, _ in names)),
        process_stream_data=process,
    )
    while not manager.is_manager_stopping():
        manager.wait_till_stream_has_stopped(next(iter(manager.stream_list)), 3600)
