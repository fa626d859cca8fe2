"""Detection of a mute stream: REST shows trades, but frames do not arrive. Pure."""

from __future__ import annotations

from klinetail.candle import Candle
from klinetail.clock import Moment


class Hearing:
    """The frames of one stream compared with the rows shown by REST."""

    __slots__ = ("mute", "newest", "unheard", "unheard_since", "up_since")

    def __init__(self) -> None:
        self.mute = False
        """Whether the stream was announced as mute; a frame ends the state."""
        self.newest = 0
        """The open time (ms) of the newest candle with a frame."""
        self.unheard = 0
        """Consecutive candles with trades in REST, but without a frame although the
        connection was up. The stream counts as *mute* from the first such candle on."""
        self.unheard_since = 0.0
        """The monotonic seconds at which the first unheard candle was fetched."""
        self.up_since: int | None = None
        """The exchange time (ms) at which the connection came up; None while down."""

    def frame(self, open_time: int) -> None:
        """Note a frame of the candle that opens at `open_time` (ms)."""
        self.newest = max(self.newest, open_time)
        self.unheard = 0

    def row(self, row: Candle, now: Moment) -> None:
        """Note a closed candle shown by REST."""
        up = self.up_since is not None and self.up_since <= row.open_time
        if up and row.count and self.newest < row.open_time:
            if not self.unheard:
                self.unheard_since = now.monotonic
            self.unheard += 1
