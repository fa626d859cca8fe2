"""Silence: what to do about streams that trade and say nothing. Pure.

A stream without trades is silent by right, so only REST can tell: trades that it
shows from a time at which the line was up had to be pushed. A stream of which they
were not is *mute*: it is subscribed again once, then the connection is made anew.
"""

from __future__ import annotations

import enum
from typing import Final

from klinetail.candle import Candle, Stream

SAMPLE: Final = 3
"""Streams of a quiet link that REST is asked about."""


class Remedy(enum.Enum):
    """What to do."""

    NONE = enum.auto()
    SUBSCRIBE = enum.auto()
    RECONNECT = enum.auto()


def remedy_for(before: int, unheard: int) -> Remedy:
    """For a stream with so many candles in a row that had trades and no frame.

    The others on its connection must not pay for it every minute, so it is made anew
    after 2, 8, 32, ... candles.

    Args:
        before: how many there were when last looked at.
        unheard: how many there are.
    """
    power = 2
    while power <= before:
        power *= 4
    if unheard >= power:
        return Remedy.RECONNECT
    return Remedy.SUBSCRIBE if before < 1 <= unheard else Remedy.NONE


class QuietLink:
    """What is known of a link on which no frame comes at all."""

    def __init__(self) -> None:
        self._shown: dict[Stream, tuple[int, int]] = {}
        self._strikes = 0

    def heard(self) -> None:
        """A frame came, or the connection is a new one."""
        self._shown.clear()

    def show(self, row: Candle) -> bool:
        """Take in the newest row of a stream; whether trades happened in silence."""
        shown = (row.open_time, row.count)
        before = self._shown.get(row.stream)
        self._shown[row.stream] = shown
        if before is None:
            return False
        return row.count > (before[1] if before[0] == shown[0] else 0)

    def strike(self) -> Remedy:
        """Trades happened in silence."""
        self._strikes += 1
        return Remedy.SUBSCRIBE if self._strikes % 2 else Remedy.RECONNECT
