"""Fingerprints: the values of delivered candles as hashes of eight bytes. Pure.

A repeated close is a duplicate if the values equal the delivered values, and a revision
otherwise. A hash is enough to tell the two apart, without keeping the candle: one day
of the whole market takes over a gigabyte as candles, and 15 MB as hashes.
"""

from __future__ import annotations

import hashlib
from array import array

from klinetail.candle import Candle, Interval

_UNKNOWN = 0
"""The entry of a candle without a remembered hash."""

_BYTES = 8


class Fingerprints:
    """The hashes of one stream's closed candles, by open time.

    Only added candles are remembered; a candle in a gap is not. A revision whose values
    happen to have the same hash passes for a duplicate: one revision in 2^64 (1.8e19).

    Args:
        interval: the stream's interval.
    """

    __slots__ = ("_first", "_hashes", "_interval")

    def __init__(self, interval: Interval) -> None:
        self._interval = interval
        """The stream's interval, for the distance of two open times."""
        self._first = 0
        """The open time (ms) of the first hash's candle."""
        self._hashes = array("Q")
        """The hashes of consecutive candles; `_UNKNOWN` for a candle not remembered."""

    def __contains__(self, open_time: int) -> bool:
        """Return whether the candle's values are remembered.

        Args:
            open_time: the candle's open time, ms.
        """
        return self._hash_at(open_time) != _UNKNOWN

    def differ(self, candle: Candle) -> bool:
        """Return whether other values are remembered for the candle; False without a
        memory.

        Numbers count, not digits: `0` equals `0.000`.
        """
        known = self._hash_at(candle.open_time)
        return known not in (_UNKNOWN, fingerprint(candle))

    def add(self, candle: Candle, since: int) -> None:
        """Remember a candle's values, in place of earlier values of the same candle.

        Args:
            candle: a closed candle.
            since: open time (ms) before which candles are forgotten. An older `candle`
                is not remembered either.
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
    """Return a hash of a candle's values as numbers: 64 bits, never 0.

    Times are no part of the hash: only candles with equal open times are compared.
    """
    # `Candle.fault` refuses leading zeros and exponents. Equal numbers therefore differ
    # only in the trailing zeros of a fraction.
    values = [
        text.rstrip("0").rstrip(".") if "." in text else text for text in candle.texts
    ]
    text = f"{candle.count},{','.join(values)}".encode()
    digest = hashlib.blake2b(text, digest_size=_BYTES).digest()
    return int.from_bytes(digest, "little") or 1


def _unknown(number: int) -> array[int]:
    return array("Q", bytes(_BYTES * number))
