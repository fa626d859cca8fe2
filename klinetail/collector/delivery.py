"""Delivery: from a series' output to whoever asked for it."""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from klinetail.candle import Candle
from klinetail.contract.output import Output
from klinetail.events import Event
from klinetail.mailbox import PATIENCE, Mailbox

_log = logging.getLogger(__name__)

_NOTICEABLE: Final = 0.05
"""Seconds. Shorter waits are work; counted, they would slow the exchange clock."""


class Delivery:
    """Calls the callbacks and fills the mailboxes, in order. Not thread-safe: the
    collector's lock is held.

    Args:
        on_candle: for every candle.
        on_candles: the same, with all that come at once.
        on_event: for every other event.
        monotonic: local seconds.
    """

    def __init__(
        self,
        on_candle: Callable[[Candle], object] | None,
        on_candles: Callable[[Sequence[Candle]], object] | None,
        on_event: Callable[[Event], object] | None,
        monotonic: Callable[[], float],
    ) -> None:
        for callback in (on_candle, on_candles, on_event):
            if inspect.iscoroutinefunction(callback):
                raise TypeError(
                    "a callback runs on a thread and cannot be a coroutine function;"
                    " `async for candle in collector` serves event loops"
                )
        self.failures = 0
        """Times that a callback raised."""
        self.waited = 0.0
        """Seconds that consumers kept us waiting, which count against no deadline."""
        self.mailboxes: list[Mailbox[Candle, Candle]] = []
        self.ended = False
        """Set to deliver nothing any more."""
        self._on_candle = on_candle
        self._on_candles = on_candles
        self._on_event = on_event
        self._monotonic = monotonic

    def deliver(self, output: Sequence[Output | Event]) -> None:
        """Hand these over."""
        for kind, items in itertools.groupby(output, type):
            if kind is Candle:
                self.deliver_candles(list(items))  # type: ignore[arg-type]
            else:
                self._hand_over(self._on_event, items)

    def deliver_candles(self, candles: Sequence[Candle]) -> None:
        """Hand over candles that come one after another."""
        if self.ended:
            return
        began = self._monotonic()
        if self._on_candles is not None:
            self._hand_over(self._on_candles, (candles,))
        if self._on_candle is not None:
            self._hand_over(self._on_candle, candles)
        for mailbox in self.mailboxes:
            mailbox.put(candles, max(0.0, began + PATIENCE - self._monotonic()))
        if (waited := self._monotonic() - began) > _NOTICEABLE:
            self.waited += waited

    def close(self) -> None:
        """Let whoever reads a mailbox end; without the lock too."""
        for mailbox in list(self.mailboxes):
            mailbox.close()

    def _hand_over(
        self, callback: Callable[[Any], object] | None, items: Iterable[object]
    ) -> None:
        if callback is None:
            return
        for item in items:
            if self.ended:
                return
            try:
                callback(item)
            except BaseException:  # noqa: BLE001 - not even `sys.exit` costs a candle
                self.failures += 1
                if self.failures == 1:
                    _log.exception("a callback of the collector raised")
