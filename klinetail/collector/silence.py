"""Silence: what to do about streams that trade and say nothing. Pure.

A stream without trades is silent by right, so only REST can tell: trades that it
shows from a time at which the line was up had to be pushed. A stream of which they
were not is *mute*: it is subscribed again once, then the connection is made anew.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

from klinetail.candle import Candle, Stream

SAMPLE: Final = 3
"""Streams of a quiet link that REST is asked about."""

LASTING: Final = 10.0
"""Seconds that a stream must have been mute before its connection is made anew: while
we are busy, frames of what REST shows lie unread, and a fast clock makes many."""

ROWS: Final = 2
"""Rows asked for of each: a candle that has just begun shows no trade yet."""

PROOFS: Final = 2
"""Looks in one silence that must show trades which those before them did not: the
frame of a last trade may be on its way yet, and REST may be late with a first one."""


class Remedy(enum.Enum):
    """What to do."""

    NONE = enum.auto()
    SUBSCRIBE = enum.auto()
    RECONNECT = enum.auto()


def remedy_for(before: int, unheard: int, lasted: float) -> Remedy:
    """For a stream with so many candles in a row that had trades and no frame.

    The others on its connection must not pay for it every minute, so it is made anew
    after 2, 8, 32, ... candles.

    Args:
        before: how many there were when something was done last; 0 if nothing yet.
        unheard: how many there are.
        lasted: seconds since the first of them was fetched.
    """
    if before < 1:
        return Remedy.SUBSCRIBE if unheard else Remedy.NONE
    power = 2
    while power <= before:
        power *= 4
    lasts = lasted >= LASTING
    return Remedy.RECONNECT if unheard >= power and lasts else Remedy.NONE


class SilentLink:
    """What is known of a link on which no frame comes at all."""

    def __init__(self) -> None:
        self._shown: dict[Stream, tuple[int, int]] = {}
        self._candles = 0
        self._proofs = 0
        self._strikes = 0

    def heard(self) -> None:
        """A frame came, or the connection is a new one."""
        self._shown.clear()
        self._proofs = self._strikes = 0

    def look(self, candles: int) -> None:
        """A look begins; so many candles came over the connection so far."""
        if candles != self._candles:
            self._candles = candles
            self.heard()

    def show(self, rows: Sequence[Candle]) -> bool:
        """Take in the newest rows of a stream, oldest first; whether trades happened
        since the look before this one."""
        if not rows:
            return False
        newest = rows[-1]
        before = self._shown.get(newest.stream)
        self._shown[newest.stream] = (newest.open_time, newest.count)
        if before is None:
            return False
        open_time, count = before
        return any(
            row.count > (count if row.open_time == open_time else 0)
            for row in rows
            if row.open_time >= open_time
        )

    def judge(self, candles: int, *, traded: bool) -> Remedy:
        """The look is over; so many candles came so far, and REST showed trades or
        did not."""
        if candles != self._candles or not traded:
            return Remedy.NONE
        self._proofs += 1
        if self._proofs < PROOFS:
            return Remedy.NONE
        self._proofs = 0
        self._strikes += 1
        return Remedy.SUBSCRIBE if self._strikes % 2 else Remedy.RECONNECT
