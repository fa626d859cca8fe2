"""The fan-out: from one publisher to several consumers, a whole batch in one call.

One class does all handing out. The consumers are a collector's callbacks and iterators,
the sinks and the view of the command, and the subscribers of an `EventBus`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from klinetail.candle import Candle
from klinetail.events import CandleEvent, Event
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.mailbox import PATIENCE, Mailbox

_log = logging.getLogger(__name__)

NOTICEABLE: Final = 0.05
"""Seconds. A shorter time in consumers is work and is not counted as waiting for the
consumers; counted, the time would slow the exchange's clock."""

_Item = TypeVar("_Item")


class Consumer(Protocol):
    """A receiver of candles and events from a `FanOut`."""

    def put(self, candles: Sequence[Candle], patience: float, /) -> None:
        """Take consecutive candles.

        Args:
            candles: closed and forming candles, in the contract's order.
            patience: the most seconds of waiting for room.
        """

    def tell(self, event: Event, patience: float, /) -> bool:
        """Take an event other than a candle, or leave the event.

        Returns:
            Whether the event is of this consumer's concern.
        """

    def close(self, error: BaseException | None = None, /) -> None:
        """Learn that no more candles and events come, and the error if an error ended
        the run."""


class Failures:
    """Counts the consumers' exceptions, and logs the first exception. Thread-safe.

    Args:
        source: the consumer's name for the log: `a handler of the event bus`.
    """

    def __init__(self, source: str) -> None:
        self.count = 0
        """Times that a consumer raised."""
        self._source = source
        self._lock = threading.Lock()
        """Guards the count."""

    def note(self) -> None:
        """Count the exception that is being handled."""
        with self._lock:
            self.count += 1
            first = self.count == 1
        if first:
            _log.exception("%s raised", self._source)

    def call_each(
        self, call: Callable[[_Item], object], items: Iterable[_Item]
    ) -> None:
        """Make a call with each item; an exception of a call costs no further item.

        Raises:
            BaseException: the last exception outside `Exception`, like `SystemExit`,
                after all items; the exception is not counted yet.
        """
        leaving: BaseException | None = None
        for item in items:
            try:
                call(item)
            except Exception:  # noqa: BLE001 - counted and logged
                self.note()
            except BaseException as error:  # noqa: BLE001 - raised again below
                if leaving is not None:
                    self.note()
                leaving = error
        if leaving is not None:
            raise leaving


class FanOut:
    """Hands each batch of candles, and each event, to every consumer.

    Waiting is shared: for one batch or event all consumers together hold the publisher
    up for a second at most. An exception of a consumer costs the rest nothing; an
    exception outside `Exception` is raised again once all consumers have the batch.
    Consumers may be added and removed on any thread, also by a consumer during a call.

    Args:
        consumers: the consumers from the beginning, in the order of the calls.
        failures: counts the consumers' exceptions.
        monotonic: local seconds.
    """

    def __init__(
        self,
        consumers: Iterable[Consumer] = (),
        *,
        failures: Failures | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.consumers: tuple[Consumer, ...] = tuple(consumers)
        """The consumers: a tuple replaced as a whole, never changed."""
        self.failures = Failures("an output") if failures is None else failures
        """The count of the consumers' exceptions."""
        self.waited = 0.0
        """Seconds of the publisher's waiting for the consumers."""
        self._closed = False
        """Whether `close` was called."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        """Guards `consumers` and `_closed` against two changes at once."""

    def add(self, consumer: Consumer) -> Callable[[], None]:
        """Add a consumer, which is closed at once if the fan-out is closed.

        Returns:
            A function that removes the consumer again.
        """

        def remove() -> None:
            with self._lock:
                self.consumers = tuple(
                    other for other in self.consumers if other is not consumer
                )

        with self._lock:
            if self._closed:
                consumer.close()
            else:
                self.consumers = (*self.consumers, consumer)
        return remove

    def candles(self, candles: Sequence[Candle]) -> None:
        """Hand over consecutive candles."""
        leaving: BaseException | None = None
        began = now = self._monotonic()
        for consumer in self.consumers:
            try:
                left = began + PATIENCE - now
                consumer.put(candles, left if left > 0.0 else 0.0)  # noqa: FURB136 - faster
            except BaseException as error:  # noqa: BLE001 - must not stop the others
                leaving = self._caught(error, leaving)
            now = self._monotonic()
        if now - began > NOTICEABLE:
            self.waited += now - began
        if leaving is not None:
            raise leaving

    def event(self, event: Event) -> bool:
        """Hand over an event.

        Returns:
            Whether the event is of any consumer's concern.
        """
        leaving: BaseException | None = None
        heard = False
        began = now = self._monotonic()
        for consumer in self.consumers:
            try:
                heard |= consumer.tell(event, max(0.0, began + PATIENCE - now))
            except BaseException as error:  # noqa: BLE001 - must not stop the others
                heard = True
                leaving = self._caught(error, leaving)
            now = self._monotonic()
        if now - began > NOTICEABLE:
            self.waited += now - began
        if leaving is not None:
            raise leaving
        return heard

    def close(self, error: BaseException | None = None) -> None:
        """Tell the consumers that no more candles and events come, and the error if an
        error ended the run. Only the first call counts."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for consumer in self.consumers:
            consumer.close(error)

    def _caught(
        self, error: BaseException, leaving: BaseException | None
    ) -> BaseException | None:
        self.failures.note()
        return leaving if isinstance(error, Exception) else error


class CandleQueue:
    """A consumer that queues candles, and leaves events.

    Args:
        mailbox: the queue.
    """

    def __init__(self, mailbox: Mailbox[Candle, Candle]) -> None:
        self.put = mailbox.put
        """Queues candles; see `Consumer`."""
        self.close = mailbox.close
        """Closes the queue; see `Consumer`."""

    def tell(self, event: Event, patience: float) -> bool:  # noqa: ARG002
        """Return False: no event is of concern."""
        return False


class LatestEvents:
    """A consumer for a view: keeps only the newest candles and events, never waits.

    Args:
        latest: the queue of the newest events.
    """

    def __init__(self, latest: Latest) -> None:
        self._latest = latest

    def put(self, candles: Sequence[Candle], patience: float) -> None:  # noqa: ARG002
        """Keep the candles as events."""
        self._latest.put([CandleEvent(candle) for candle in candles])

    def tell(self, event: Event, patience: float) -> bool:  # noqa: ARG002
        """Keep the event."""
        self._latest.put((event,))
        return True

    def close(self, error: BaseException | None = None) -> None:
        """Do nothing: the kept events stay to be looked at."""
