"""Warnings in the log about events without a listener in the program."""

from __future__ import annotations

import logging
import threading
from typing import Final

from klinetail.escape import brief
from klinetail.events import (
    EndedEvent,
    Event,
    GapEvent,
    LinkEvent,
    PendingEvent,
    TradedEvent,
)
from klinetail.pipeline.notices import Notices

_log = logging.getLogger("klinetail")

_NOT_TO_MISS: Final = (LinkEvent, GapEvent, EndedEvent, PendingEvent, TradedEvent)


class Unheard:
    """Warns of important events, if no callback and no subscriber hears of the event.

    Important are gaps, symbols not traded any more or not yet, and every obstacle to
    reaching the exchange: each change of a state once. Thread-safe.

    Revisions and dropped messages are left to callbacks and subscribers: the network
    decides about the number of events.
    """

    def __init__(self) -> None:
        self._notices = Notices()
        self._lock = threading.Lock()
        """Guards the notices: several collectors can share a bus."""

    def see(self, event: Event, *, heard: bool) -> None:
        """Log an unheard event, if a program must not miss the event."""
        if not isinstance(event, _NOT_TO_MISS):
            return
        with self._lock:
            lines = self._notices.lines(event)
        if not heard:
            for line in lines:
                _log.warning("%s", brief(line))
