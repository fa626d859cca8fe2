"""The exchange's side: the only room that imports `binance` and `websocket`.

Exceptions of these libraries end here and leave as errors of `klinetail.errors`.
"""
