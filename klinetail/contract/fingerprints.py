"""Fingerprints: what the values of delivered candles were, in eight bytes each. Pure.

A close that comes once more is a duplicate if its values are those that were delivered
before, and a revision if they are not. To tell the two apart no candle need be kept: a
hash of the values is enough. A day of the whole market would be over a gigabyte of
candles, and is 15 MB of hashes.
"""

from __future__ import annotations

import hashlib
from array import array

from klinetail.candle import Candle, Interval

_UNKNOWN = 0
"""In place of a hash where nothing is remembered."""

_BYTES = 8


class Fingerprints:
    """The hashes of one stream's closed candles, by open time.

    A candle that was not added, such as one in a gap, is not remembered, whatever is
    remembered before and after it. That other values have the same hash, and a revision
    passes for a duplicate, happens once in 2^64 (1.8e19) revisions.

    Args:
        interval: the stream's.
    """

    __slots__ = ("_first", "_hashes", "_interval")

    def __init__(self, interval: Interval) -> None:
        self._interval = interval
        self._first = 0
        """Open time (ms) of the candle that the first hash is of."""
        self._hashes = array("Q")
        """The hashes of consecutive candles; `_UNKNOWN` for one not remembered."""

    def __contains__(self, open_time: int) -> bool:
        """Whether the values of the candle that opens then (ms) are remembered."""
        return self._hash_at(open_time) != _UNKNOWN

    def differ(self, candle: Candle) -> bool:
        """Whether other values than a candle's are remembered of it; False if none
        are. Numbers count, not digits: `0` equals `0.000`."""
        known = self._hash_at(candle.open_time)
        return known not in (_UNKNOWN, fingerprint(candle))

    def add(self, candle: Candle, since: int) -> None:
        """Remember a candle's values, in place of others that were remembered of it.

        Args:
            candle: a closed one.
            since: candles that open before this time (ms) are forgotten; the candle
                itself is not remembered if it does.
        """
        self._forget_before(since)
        if candle.open_time < since:
            return
        hashes = self._hashes
        if not hashes:
            self._first = candle.open_time
        at = self._interval.steps(self._first, candle.open_time)
        if at < 0:
            hashes[:0] = _unknown(-at)
            self._first, at = candle.open_time, 0
        elif at >= len(hashes):
            hashes.extend(_unknown(at + 1 - len(hashes)))
        hashes[at] = fingerprint(candle)

    def _forget_before(self, since: int) -> None:
        over = min(self._interval.steps(self._first, since), len(self._hashes))
        if over > 0:
            del self._hashes[:over]
            self._first = self._interval.shift(self._first, over)

    def _hash_at(self, open_time: int) -> int:
        at = self._interval.steps(self._first, open_time)
        return self._hashes[at] if 0 <= at < len(self._hashes) else _UNKNOWN


def fingerprint(candle: Candle) -> int:
    """A hash of a candle's values as numbers, in 64 bits and never 0. The times are not
    in it: candles of one open time are compared."""
    # The exchange writes no leading zeros and no exponents (`Candle.fault`), so that
    # equal numbers differ in zeros at the end of a fraction alone.
    values = [
        text.rstrip("0").rstrip(".") if "." in text else text for text in candle.texts
    ]
    text = f"{candle.count},{','.join(values)}".encode()
    digest = hashlib.blake2b(text, digest_size=_BYTES).digest()
    return int.from_bytes(digest, "little") or 1


def _unknown(number: int) -> array[int]:
    return array("Q", bytes(_BYTES * number))
