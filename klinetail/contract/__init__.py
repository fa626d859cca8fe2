"""The contract of one stream: each closed candle is delivered once, in order and with
its final values, or is announced as missing. Every module of the package is pure.

`series` is the module called by the collector, and only passes calls on. The path of a
candle leads from a frame, or from a row through `fetching`, into `order`, which lets
the candle out:

- `order` keeps the closed candles consecutive. `grid` has the open times, `held` the
  candles that came too early, `delivered` the candles that came out, `fingerprints` the
  hashes of the last day's candles; `close` tells whether the awaited close is overdue.
- `fetching` names the range to fetch and takes the answers. `answers` sorts rows out,
  `finality` decides when a row is final, `listing` knows where the exchange's candles
  begin, `holes` tracks the candles absent from answers, `attempts` the requests and
  their retries, `gaps` the announced gaps.
- `hold` gives up candles that cannot be had, `ending` decides when a symbol has ended,
  `timetable` knows the deadlines, `start` checks start points, `output` names the types
  of what comes out of a series.
- `mute` detects a live stream without frames, `trading` tracks whether the symbol is
  traded.
"""
