"""Quarantine: frames from the future wait here until the exchange tells the time. Pure.

A frame may be from the future because our clock stood still (a suspended laptop, a
local exchange that runs fast), or because the frame is broken. Only `/time` can tell.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from klinetail.candle import Candle, Stream
from klinetail.clock import ExchangeClock

KEPT: Final = 4_096
"""Frames in quarantine; the oldest frames give way to further frames."""

FRESH: Final = 1.0
"""Seconds by which the arrival of a frame is uncertain. An answer of `/time` is as
exact as the round trip is short, and one of our seconds is minutes of a fast
exchange."""

PAUSE: Final = (0.2, 60.0)
"""Seconds between two questions for the time: the shortest pause, and the longest pause
while frames turn out to be broken."""

SKEW: Final = 1_000
"""How far (ms) a believed frame may be ahead of `/time`. The time at a frame's arrival
is computed from a later answer and from the pace since the arrival."""


class Settled(NamedTuple):
    """The verdict on the frames in quarantine."""

    believed: list[Candle]
    """Frames of which exchange time has come."""
    dropped: list[Candle]
    """Frames that are broken."""


class Quarantine:
    """The frames that are ahead of exchange time.

    Not thread-safe: the collector's lock is held.

    Args:
        clock: exchange time, pushed on by believed frames.
    """

    def __init__(self, clock: ExchangeClock) -> None:
        self._clock = clock
        """Exchange time."""
        self._frames: deque[tuple[Candle, float]] = deque(maxlen=KEPT)
        """The frames in quarantine, each with its arrival in monotonic seconds."""
        self._streams: set[Stream] = set()
        """Streams with a frame in quarantine."""
        self._ask_at = -math.inf
        """When to ask for the time, monotonic seconds; infinite while asking."""
        self._pause = PAUSE[0]
        """Seconds from an answer to the next question for the time."""

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
        order. The clock does not take in the event time."""
        return not self._frames and self._clock.believes(newest, now)

    def _keep(self, candle: Candle, at: float) -> None:
        """Put a frame into quarantine."""
        self._frames.append((candle, at))
        self._streams.add(candle.stream)

    def asks(self, now: float) -> bool:
        """Whether to ask for the time now. After a True the time counts as asked
        for."""
        if now < self._ask_at:
            return False
        self._ask_at = math.inf
        return True

    def settle(self, now: float, *, told: bool) -> Settled:
        """Judge the frames in quarantine, and return the verdict.

        Args:
            now: monotonic seconds.
            told: whether the exchange has just set the clock.
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
