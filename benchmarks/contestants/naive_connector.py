"""The script that binance-futures-connector's README leads to: each message parsed and
printed as a line of JSON.

    python naive_connector.py WS_URL NAME...
"""

import json
import logging
import sys

from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient

logging.disable()


def message_handler(_, message):
    print(json.dumps(json.loads(message)))


client = UMFuturesWebsocketClient(stream_url=sys.argv[1], on_message=message_handler)
client.subscribe(sys.argv[2:])
client.socket_manager.join()
