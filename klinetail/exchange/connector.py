"""The connector's own classes, or a clear error if another package hides them."""

from __future__ import annotations

from klinetail.errors import UsageError

try:
    from binance.websocket.binance_socket_manager import BinanceSocketManager
    from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient
except ImportError as error:
    raise UsageError(
        "another package named 'binance' (python-binance?) stands where"
        " binance-futures-connector belongs: install klinetail into a virtual"
        " environment of its own"
    ) from error

__all__ = ["BinanceSocketManager", "UMFuturesWebsocketClient"]
