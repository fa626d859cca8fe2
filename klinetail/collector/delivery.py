"""Delivery: from a series' output to whoever asked for it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Final

from klinetail.candle import Candle
from klinetail.events import CandleEvent, Event
from klinetail.mailbox import PATIENCE, Mailbox
from klinetail.series import Output

_log = logging.getLogger(__name__)

_NOTICEABLE: Final = 0.05
"""Seconds. Shorter waits are work; counted, they would slow the exchange clock."""


class Delivery:
    """Calls the callbacks and fills the mailboxes, in order. Not thread-safe: the
    collector's lock is held.

    Args:
        on_candle: for every candle.
        on_event: for every other event.
        monotonic: local seconds.
    """

    def __init__(
        self,
        on_candle: Callable[[Candle], object] | None,
        on_event: Callable[[Event], object] | None,
        monotonic: Callable[[], float],
    ) -> None:
        for callback in (on_candle, on_event):
            if inspect.iscoroutinefunction(callback):
                raise TypeError(
                    "a callback runs on a thread and cannot be a coroutine function;"
                    " `async for candle in collector` serves event loops"
                )
        self.failures = 0
        """Times that a callback raised."""
        self.waited = 0.0
        """Seconds that consumers kept us waiting, which count against no deadline."""
        self.mailboxes: list[Mailbox] = []
        self.ended = False
        """Set to deliver nothing any more."""
        self._on_candle = on_candle
        self._on_event = on_event
        self._monotonic = monotonic

    def deliver(self, output: Sequence[Output | Event]) -> None:
        """Hand these over."""
        if not output or self.ended:
            return
        began = self._monotonic()
        for item in output:
            if self.ended:
                return
            callback = self._on_candle if isinstance(item, Candle) else self._on_event
            if callback is None:
                continue
            try:
                callback(item)  # type: ignore[arg-type]
            except Exception:  # noqa: BLE001 - a user's bug must not cost a candle
                self.failures += 1
                if self.failures == 1:
                    _log.exception("a callback of the collector raised")
        if self.mailboxes:
            self._post([_event(item) for item in output], began + PATIENCE)
        if (waited := self._monotonic() - began) > _NOTICEABLE:
            self.waited += waited

    def _post(self, events: Sequence[Event], until: float) -> None:
        for mailbox in self.mailboxes:
            mailbox.put(events, max(0.0, until - self._monotonic()))


def _event(item: Output | Event) -> Event:
    return CandleEvent(item) if isinstance(item, Candle) else item
