"""The contract, pure: what makes one stream's closed candles come out once, in order
and final, or be announced as missing.

`series` keeps the order and is what the collector calls. `attempts` knows how the
fetching of what is missing goes, `finality` when a REST row will not change any more,
`holes` what REST's answers lack, `gaps` what was announced as missing, `mute` whether
frames bring what REST shows.
"""
