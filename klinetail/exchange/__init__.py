"""The exchange's side: the only room that imports `binance` and `websocket`.

Their exceptions end here; what leaves are the errors of `klinetail.errors`.
"""
