"""What is logged because nobody in a program listens to it."""

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
    """Warns of gaps, of symbols that are not traded any more or not yet, and of what
    keeps the exchange from being reached, if no callback and no subscriber hears of it:
    each change of a state once. Thread-safe.

    Revisions and dropped messages are left to those who ask for them: the network
    decides how many there are.
    """

    def __init__(self) -> None:
        self._notices = Notices()
        self._lock = threading.Lock()
        """Guards the notices: several collectors can share a bus."""

    def see(self, event: Event, *, heard: bool) -> None:
        """Log an event that nobody heard, if a program must not miss it."""
        if not isinstance(event, _NOT_TO_MISS):
            return
        with self._lock:
            lines = self._notices.lines(event)
        if not heard:
            for line in lines:
                _log.warning("%s", brief(line))
