"""The least that shows a first message by binance-futures-connector.

python bare_connector.py WS_URL NAME...
"""

import sys

from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient


def message_handler(_, message):
    print(message, flush=True)


client = UMFuturesWebsocketClient(stream_url=sys.argv[1], on_message=message_handler)
client.subscribe(sys.argv[2:])
