"""Silence: what to do about streams that trade and send no frames. Pure.

A stream without trades is silent by right, and only REST knows about trades. If REST
shows trades from a time at which the connection was up, the exchange had to push
frames. A stream whose frames did not come is *mute*: the stream is subscribed again
once, and later its connection is made anew. A *silent* link brings no frame at all.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

from klinetail.candle import Candle, Stream

SAMPLE: Final = 3
"""Streams of a silent link that REST is asked about."""

LASTING: Final = 10.0
"""Seconds that a stream must have been mute before its connection is made anew. While
we are busy, frames lie unread that REST shows already, many of them on a fast clock."""

ROWS: Final = 2
"""Rows to ask for of each stream: a candle that has just begun shows no trade yet."""

PROOFS: Final = 2
"""Looks in one silence that must show new trades. The frame of a single trade may still
be on its way, and REST may be late with the first trade."""


class Remedy(enum.Enum):
    """What to do about silence."""

    NONE = enum.auto()
    """Wait."""
    SUBSCRIBE = enum.auto()
    """Subscribe to the streams once more."""
    RECONNECT = enum.auto()
    """Make the connection anew."""


def remedy_for(before: int, unheard: int, lasted: float) -> Remedy:
    """Return the remedy for a stream with a number of consecutive candles that had
    trades and no frame.

    The other streams of the connection must not pay for one mute stream every minute.
    Therefore the connection is made anew after 2, 8, 32, ... candles.

    Args:
        before: the number of such candles at the last remedy; 0 before the first
            remedy.
        unheard: the number of such candles now.
        lasted: seconds since the first of the candles was fetched.
    """
    if before < 1:
        return Remedy.SUBSCRIBE if unheard else Remedy.NONE
    power = 2
    while power <= before:
        power *= 4
    lasts = lasted >= LASTING
    return Remedy.RECONNECT if unheard >= power and lasts else Remedy.NONE


class SilentLink:
    """Evidence about a link on which no frame comes at all."""

    def __init__(self) -> None:
        self._shown: dict[Stream, tuple[int, int]] = {}
        """Open time and trade count of the newest row of each stream."""
        self._candles = 0
        """Candles that had come over the connection at the last look."""
        self._proofs = 0
        """Looks in this silence that showed new trades, since the last remedy."""
        self._strikes = 0
        """Remedies in this silence."""

    def heard(self) -> None:
        """Forget the silence, since a frame came or the connection is new."""
        self._shown.clear()
        self._proofs = self._strikes = 0

    def look(self, candles: int) -> None:
        """Begin a look.

        Args:
            candles: number of candles that came over the connection up to now.
        """
        if candles != self._candles:
            self._candles = candles
            self.heard()

    def show(self, rows: Sequence[Candle]) -> bool:
        """Take in the newest rows of a stream, oldest first, and return whether trades
        happened since the last look."""
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
        """End a look, and return the remedy.

        Args:
            candles: number of candles that came over the connection up to now.
            traded: whether REST showed new trades.
        """
        if candles != self._candles or not traded:
            return Remedy.NONE
        self._proofs += 1
        if self._proofs < PROOFS:
            return Remedy.NONE
        self._proofs = 0
        self._strikes += 1
        return Remedy.SUBSCRIBE if self._strikes % 2 else Remedy.RECONNECT
