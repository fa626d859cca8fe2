"""What is logged because nobody in a program listens to it."""

from __future__ import annotations

import logging

from klinetail.escape import printable
from klinetail.events import EndedEvent, Event, GapEvent, LinkEvent
from klinetail.notices import Notices

_log = logging.getLogger("klinetail")


class Unheard:
    """Warns of gaps, of ends, and of what keeps the exchange from being reached, if no
    callback and no subscriber hears of it: each change of a state once.

    Revisions and dropped messages are left to those who ask for them: the network
    decides how many there are.
    """

    def __init__(self) -> None:
        self._notices = Notices()

    def see(self, event: Event, *, heard: bool) -> None:
        """Log an event that nobody heard, if a program must not miss it."""
        if not isinstance(event, LinkEvent | GapEvent | EndedEvent):
            return
        for line in self._notices.lines(event):
            if not heard:
                _log.warning("%s", printable(line))
