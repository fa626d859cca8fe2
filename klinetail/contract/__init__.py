"""The contract of one stream: each closed candle is delivered once, in order and with
its final values, or is announced as missing. Every module of the package is pure.

`series` keeps the order and is the module called by the collector. `attempts` tracks
the requests for missing candles and their retries; `finality` decides when a REST row
is final; `holes` tracks the candles absent from REST answers; `gaps` keeps the
announced gaps; `fingerprints` remembers hashes of the candles delivered in the last
day; `mute` detects a live stream without frames; `trading` tracks whether the symbol is
traded.
"""
