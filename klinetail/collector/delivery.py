"""Delivery: from a series' output to the callbacks and iterators of a collector."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from klinetail.callbacks import check_callback
from klinetail.candle import Candle
from klinetail.contract.output import Output
from klinetail.events import Event
from klinetail.pipeline.fanout import CandleQueue, Failures, FanOut
from klinetail.pipeline.mailbox import Mailbox
from klinetail.pipeline.unheard import Unheard


class Delivery(FanOut):
    """A collector's fan-out: callbacks first, then mailboxes. Its `waited` seconds
    count against no deadline. The collector's lock is held while it delivers.

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
        for name, callback in (
            ("on_candle_callback", on_candle),
            ("on_candles", on_candles),
            ("on_event", on_event),
        ):
            if callback is not None:
                check_callback(callback, name)
        failures = Failures("a callback of the collector")
        self._callbacks = _Callbacks(on_candle, on_candles, on_event, failures)
        super().__init__([self._callbacks], failures=failures, monotonic=monotonic)
        self._unheard = Unheard()

    def end(self) -> None:
        """Deliver nothing any more; without the lock too."""
        self._callbacks.ended = True

    def fill(self, mailbox: Mailbox[Candle, Candle]) -> Callable[[], None]:
        """Put every candle into a mailbox from now on.

        Returns:
            A function that ends this.
        """
        return self.add(CandleQueue(mailbox))

    def deliver(self, output: Sequence[Output | Event]) -> None:
        """Hand over candles and events, in order."""
        for kind, items in itertools.groupby(output, type):
            if self._callbacks.ended:
                return
            if kind is Candle:
                self.candles(list(items))  # type: ignore[arg-type]
                continue
            for event in items:
                if not self.event(event):  # type: ignore[arg-type]
                    self._unheard.see(event, heard=False)  # type: ignore[arg-type]


class _Callbacks:
    """The collector's callbacks, as a consumer that raises nothing."""

    def __init__(
        self,
        on_candle: Callable[[Candle], object] | None,
        on_candles: Callable[[Sequence[Candle]], object] | None,
        on_event: Callable[[Event], object] | None,
        failures: Failures,
    ) -> None:
        self.ended = False
        """Set on any thread to call no callback any more."""
        self._failures = failures
        self._on_candle = on_candle
        self._on_candles = on_candles
        self._on_event = on_event

    def put(self, candles: Sequence[Candle], patience: float) -> None:  # noqa: ARG002
        if self._on_candles is not None:
            self._call(self._on_candles, (candles,))
        if self._on_candle is not None:
            self._call(self._on_candle, candles)

    def tell(self, event: Event, patience: float) -> bool:  # noqa: ARG002
        if self._on_event is None:
            return False
        self._call(self._on_event, (event,))
        return True

    def close(self, error: BaseException | None = None) -> None:
        pass  # a callback is told by the collector's `ended`

    def _call(self, callback: Callable[[Any], object], items: Iterable[object]) -> None:
        for item in items:
            if self.ended:
                return
            try:
                callback(item)
            except BaseException:  # noqa: BLE001 - not even `sys.exit` costs a candle
                self._failures.note()
