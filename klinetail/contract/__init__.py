"""The contract, pure: what makes one stream's closed candles come out once, in order
and final, or be announced as missing.

`series` is what the collector calls, and only passes on. The path of a candle leads
from a frame, or from a row through `fetching`, into `order`, which lets it out:

- `order` keeps the closed candles consecutive. `grid` has their open times, `held` what
  came too early, `delivered` what came out, `fingerprints` what values the candles of
  the last day had, `close` whether the awaited close is overdue.
- `fetching` says which range is to be fetched and takes the answers. `answers` sorts
  rows out, `finality` knows when a row will not change any more, `listing` where the
  exchange's candles begin, `holes` what answers lack, `attempts` how the fetching goes,
  `gaps` what was announced as missing.
- `hold` gives up what cannot be had, `ending` knows when a symbol is not traded any
  more, `timetable` knows when time brings anything about. `start` checks start points,
  `output` is what comes out.
- `mute` knows whether frames bring what REST shows, `trading` whether the symbol is
  traded.
"""
