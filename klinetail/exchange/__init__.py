"""The exchange's side: the only room that imports `binance`, `websocket`, `requests`.

Their exceptions end here; what leaves are the errors of `klinetail.errors`.
"""
