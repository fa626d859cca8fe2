"""Tee: from one collector to several consumers, and the figures on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from klinetail.candle import Candle
from klinetail.events import CandleEvent, Event, GapEvent
from klinetail.mailbox import PATIENCE, Latest, Mailbox
from klinetail.stats import Stats


class Tee:
    """Hands each candle and event to every mailbox, until so many were closed.

    `candle` and `event` are a collector's callbacks. Waiting for room is shared: all
    consumers together hold the others up for a second at most.

    Args:
        mailboxes: of those who record.
        latest: of a view, if there is one.
        count: closed candles to hand over in all; None for no end.
        strict: hand nothing over any more once a gap was announced.
        on_event: called with every event but candles, on the collector's thread.
        on_done: called once when the count is reached, or a gap if `strict`.
        monotonic: local seconds.
    """

    def __init__(
        self,
        mailboxes: Sequence[Mailbox],
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
        self._mailboxes = mailboxes
        self._latest = latest
        self._left = count
        self._strict = strict
        self._on_event = on_event
        self._on_done = on_done
        self._monotonic = monotonic

    def candle(self, candle: Candle) -> None:
        """Hand over a candle."""
        if self._left == 0:
            return
        self._put(CandleEvent(candle))
        if self._left is not None and candle.closed:
            self._left -= 1
            if self._left == 0:
                self._finish()

    def event(self, event: Event) -> None:
        """Hand over another event."""
        if self._left == 0:
            return
        self._put(event)
        if self._on_event is not None:
            self._on_event(event)
        if self._strict and isinstance(event, GapEvent):
            self._left = 0
            self._finish()

    def _finish(self) -> None:
        if self._on_done is not None:
            self._on_done()

    def _put(self, event: Event) -> None:
        with self.lock:
            self.stats.apply(event)
        if self._latest is not None:
            self._latest.put((event,))
        until = self._monotonic() + PATIENCE
        for mailbox in self._mailboxes:
            mailbox.put((event,), max(0.0, until - self._monotonic()))
