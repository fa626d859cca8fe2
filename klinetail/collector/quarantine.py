"""Quarantine: frames from too far ahead wait here until the exchange tells the time.

Pure. A frame may be from the future because our clock stood still (a suspended laptop,
an exchange of one's own that runs fast) or because it is broken; only `/time` can tell.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from klinetail.candle import Candle, Stream
from klinetail.clock import ExchangeClock

KEPT: Final = 4_096
"""Frames kept; of more, the oldest give way."""

FRESH: Final = 1.0
"""Seconds by which a frame's arrival is uncertain: an answer of `/time` is as exact as
its way is short, and a second of ours is minutes of an exchange that runs fast."""

PAUSE: Final = (0.2, 60.0)
"""Seconds between two questions for the time: at least, and at most while frames turn
out to be broken."""

SKEW: Final = 1_000
"""How far (ms) a frame may be ahead of `/time` all the same. What time it was when the
frame came is told by the answer that comes later, and by the pace since."""


class Settled(NamedTuple):
    """What became of the quarantined frames."""

    believed: list[Candle]
    dropped: list[Candle]


class Quarantine:
    """Not thread-safe: the collector's lock is held.

    Args:
        clock: exchange time, which believed frames push on.
    """

    def __init__(self, clock: ExchangeClock) -> None:
        self._clock = clock
        self._frames: deque[tuple[Candle, float]] = deque(maxlen=KEPT)
        self._streams: set[Stream] = set()
        self._ask_at = -math.inf
        self._pause = PAUSE[0]

    def admits(self, candle: Candle, now: float) -> bool:
        """Whether a frame can be used at once; otherwise the frame is quarantined. The
        later frames of its stream wait behind the frame, so that their order stays."""
        behind = candle.stream in self._streams
        if not behind and self._clock.see(candle.event_time, now):
            return True
        self._keep(candle, now)
        return False

    def admits_all(self, newest: int, now: float) -> bool:
        """Whether frames up to this event time (ms) can be used at once, in their
        order. They are not taken in yet."""
        return not self._frames and self._clock.believes(newest, now)

    def _keep(self, candle: Candle, at: float) -> None:
        self._frames.append((candle, at))
        self._streams.add(candle.stream)

    def asks(self, now: float) -> bool:
        """Whether the time should be asked for now; it then counts as asked for."""
        if now < self._ask_at:
            return False
        self._ask_at = math.inf
        return True

    def settle(self, now: float, *, told: bool) -> Settled:
        """Judge the quarantined frames.

        Args:
            now: monotonic seconds.
            told: whether the clock has just been set by the exchange.
        """
        settled = Settled([], [])
        if not told:
            self._ask_at = now + FRESH
            return settled
        quarantined, self._frames = self._frames, deque(maxlen=KEPT)
        self._streams.clear()
        for candle, at in quarantined:
            if candle.stream in self._streams:
                self._keep(candle, at)
            elif candle.event_time <= self._clock.now(min(now, at + FRESH)) + SKEW:
                settled.believed.append(candle)
            elif now - at < FRESH:
                self._keep(candle, at)
            else:
                settled.dropped.append(candle)
        least, most = PAUSE
        self._pause = min(most, self._pause * 2) if settled.dropped else least
        self._ask_at = now + self._pause
        return settled
