"""The meter: counts delivered candles, and reports when the count is reached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from klinetail.candle import Candle
from klinetail.events import Event, GapEvent
from klinetail.pipeline.fanout import FanOut
from klinetail.pipeline.stats import Stats


class Meter:
    """Passes candles and events on to a fan-out, up to a number of closed candles.

    `candles` and `event` are a collector's callbacks.

    Args:
        fanout: the receiver of the candles and events.
        count: closed candles to pass on in all; None for no end.
        strict: pass nothing on any more once a gap was announced.
        on_event: called with every event but candles, on the collector's thread; must
            not wait. While `lock` is free, every counted event was told too.
        on_done: called once when the count is reached, or a gap if `strict`.
    """

    def __init__(
        self,
        fanout: FanOut,
        *,
        count: int | None = None,
        strict: bool = False,
        on_event: Callable[[Event], object] | None = None,
        on_done: Callable[[], object] | None = None,
    ) -> None:
        self.stats = Stats()
        """The figures, to be read under `lock`."""
        self.lock = threading.Lock()
        """Guards the figures; held while an event is counted and told."""
        self._fanout = fanout
        self._left = count
        """Closed candles still to pass on; None for no end."""
        self._over = False
        """Whether events are neither counted nor told any more."""
        self._strict = strict
        self._on_event = on_event
        self._on_done = on_done

    def candles(self, candles: Sequence[Candle]) -> None:
        """Pass candles on, in order."""
        closed = [candle for candle in candles if candle.closed]
        if self._left is not None:
            if self._left == 0:
                return
            if len(closed) >= self._left:
                last = closed[self._left - 1]
                candles = candles[: _place(candles, last) + 1]
                closed = closed[: self._left]
            self._left -= len(closed)
        with self.lock:
            self.stats.count(closed, updates=len(candles) - len(closed))
        self._fanout.candles(candles)
        if self._left == 0:
            self._finish()

    def event(self, event: Event) -> None:
        """Pass another event on."""
        if self._left == 0:
            return
        with self.lock:
            if self._over:
                return
            self.stats.apply(event)
            if self._on_event is not None:
                self._on_event(event)
        self._fanout.event(event)
        if self._strict and isinstance(event, GapEvent):
            self._left = 0
            self._finish()

    def end(self) -> None:
        """Neither count nor tell any more events: the figures are about to be read."""
        with self.lock:
            self._over = True

    def _finish(self) -> None:
        if self._on_done is not None:
            self._on_done()


def _place(candles: Sequence[Candle], wanted: Candle) -> int:
    return next(at for at, candle in enumerate(candles) if candle is wanted)
