"""Tee: from one collector to several consumers, and the figures on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from klinetail.candle import Candle
from klinetail.events import CandleEvent, Event, GapEvent
from klinetail.mailbox import PATIENCE, Latest
from klinetail.stats import Stats


class Consumer(Protocol):
    """What records."""

    def put(self, candles: Sequence[Candle], patience: float, /) -> None:
        """Take candles in; wait for room at most `patience` seconds."""

    def tell(self, event: Event, patience: float, /) -> bool:
        """Take another event in, or leave it; whether it was taken."""


class Tee:
    """Hands each candle to every consumer, until so many were closed.

    `candles` and `event` are a collector's callbacks. Waiting for room is shared: all
    consumers together hold the others up for a second at most.

    Args:
        consumers: what records.
        latest: of a view, if there is one.
        count: closed candles to hand over in all; None for no end.
        strict: hand nothing over any more once a gap was announced.
        on_event: called with every event but candles, on the collector's thread; what
            was counted when `lock` is free was told too. It must not wait.
        on_done: called once when the count is reached, or a gap if `strict`.
        monotonic: local seconds.
    """

    def __init__(
        self,
        consumers: Sequence[Consumer],
        *,
        latest: Latest | None = None,
        count: int | None = None,
        strict: bool = False,
        on_event: Callable[[Event], object] | None = None,
        on_done: Callable[[], object] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = Stats()
        """To be read under `lock`."""
        self.lock = threading.Lock()
        self._consumers = consumers
        self._latest = latest
        self._left = count
        self._over = False
        """Whether events are neither counted nor told any more."""
        self._strict = strict
        self._on_event = on_event
        self._on_done = on_done
        self._monotonic = monotonic

    def candles(self, candles: Sequence[Candle]) -> None:
        """Hand over candles, in order."""
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
        if self._latest is not None:
            self._latest.put([CandleEvent(candle) for candle in candles])
        for consumer, patience in self._shared():
            consumer.put(candles, patience)
        if self._left == 0:
            self._finish()

    def event(self, event: Event) -> None:
        """Hand over another event."""
        if self._left == 0:
            return
        with self.lock:
            if self._over:
                return
            self.stats.apply(event)
            if self._on_event is not None:
                self._on_event(event)
        if self._latest is not None:
            self._latest.put((event,))
        for consumer, patience in self._shared():
            consumer.tell(event, patience)
        if self._strict and isinstance(event, GapEvent):
            self._left = 0
            self._finish()

    def _shared(self) -> Iterator[tuple[Consumer, float]]:
        """The consumers, each with the seconds that may be waited for it."""
        patience, until = PATIENCE, self._monotonic() + PATIENCE
        for consumer in self._consumers:
            yield consumer, patience
            patience = max(0.0, until - self._monotonic())

    def end(self) -> None:
        """Neither count nor tell any more events: the figures are about to be read."""
        with self.lock:
            self._over = True

    def _finish(self) -> None:
        if self._on_done is not None:
            self._on_done()


def _place(candles: Sequence[Candle], wanted: Candle) -> int:
    return next(at for at, candle in enumerate(candles) if candle is wanted)
