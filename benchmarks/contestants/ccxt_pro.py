"""ccxt, each kline printed once ccxt has taken it in.

`watch_ohlcv` would do with less, but what comes while nobody awaits it is merged; who
wants each message has to look on here.

    python ccxt_pro.py WS_URL COUNT NAME...
"""

import asyncio
import json
import os
import sys
from urllib.parse import urlsplit

import ccxt.pro

count = int(sys.argv[2])
host = urlsplit(sys.argv[1])
secure = "s" if host.scheme == "wss" else ""


class Printing(ccxt.pro.binanceusdm):
    seen = 0

    def handle_ohlcv(self, client, message):
        super().handle_ohlcv(client, message)
        print(json.dumps(message["k"]))
        self.seen += 1
        if self.seen == count:
            sys.stdout.flush()
            os._exit(0)


async def main():
    roots = os.environ.get("SSL_CERT_FILE")
    client = Printing({"cafile": roots} if roots else {})
    api = client.urls["api"]
    api["fapiPublic"] = f"http{secure}://{host.netloc}/fapi/v1"
    api["ws"]["linear"] = f"ws{secure}://{host.netloc}/ws"
    wanted = []
    for name in sys.argv[3:]:
        symbol, _, interval = name.partition("@kline_")
        wanted.append([f"{symbol.removesuffix('usdt').upper()}/USDT:USDT", interval])
    await client.load_markets()
    while True:
        await client.watch_ohlcv_for_symbols(wanted)


asyncio.run(main())
