"""Whether a stream is mute: REST shows its trades and no frame brings them. Pure."""

from __future__ import annotations

from klinetail.candle import Candle
from klinetail.clock import Moment


class Hearing:
    """Compares what frames brought with what REST shows."""

    __slots__ = ("mute", "newest", "unheard", "unheard_since", "up_since")

    def __init__(self) -> None:
        self.mute = False
        """Whether it was told that the stream is mute; a frame ends that."""
        self.newest = 0
        """Open time of the newest candle that a frame came of."""
        self.unheard = 0
        """Candles in a row that had trades, by REST, and of which no frame came though
        the line was up. From the first one on the stream is *mute*."""
        self.unheard_since = 0.0
        """When the first of them was fetched, monotonic seconds."""
        self.up_since: int | None = None
        """Exchange time (ms) at which the line came up; None while it is down."""

    def frame(self, open_time: int) -> None:
        """A frame of this candle came."""
        self.newest = max(self.newest, open_time)
        self.unheard = 0

    def row(self, row: Candle, now: Moment) -> None:
        """REST has shown this closed candle."""
        up = self.up_since is not None and self.up_since <= row.open_time
        if up and row.count and self.newest < row.open_time:
            if not self.unheard:
                self.unheard_since = now.monotonic
            self.unheard += 1
