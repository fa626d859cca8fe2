"""The fan-out: from one publisher to several consumers, a whole batch in one call.

There is one class for this. A collector's callbacks and iterators are its consumers,
and so are the sinks and the view of the command, and the subscribers of an `EventBus`.
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
"""Seconds. A shorter time in consumers is work and is not counted as waiting for them;
counted, it would slow the exchange's clock."""

_Item = TypeVar("_Item")


class Consumer(Protocol):
    """What receives candles and events from a `FanOut`."""

    def put(self, candles: Sequence[Candle], patience: float, /) -> None:
        """Take candles that come one after another.

        Args:
            candles: in the contract's order, forming ones among them.
            patience: seconds that the call may wait for room.
        """

    def tell(self, event: Event, patience: float, /) -> bool:
        """Take an event other than a candle, or leave it.

        Returns:
            Whether the event is of this consumer's concern.
        """

    def close(self, error: BaseException | None = None, /) -> None:
        """Know that nothing more comes, and the error that ended it, if any did."""


class Failures:
    """Counts what consumers raise, and logs the first of it. Thread-safe.

    Args:
        source: what raises, for the log: `a handler of the event bus`.
    """

    def __init__(self, source: str) -> None:
        self.count = 0
        """Times that a consumer raised."""
        self._source = source
        self._lock = threading.Lock()

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
        """Make a call with each item; what it raises costs no other item.

        Raises:
            BaseException: what is no `Exception`, such as `SystemExit`, the last one,
                after all items; it is not counted yet.
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
    up for a second at most. A consumer that raises costs the others nothing; what is no
    `Exception` is raised again once all have the batch. Consumers may be added and
    removed on any thread, by a consumer that is being called too.

    Args:
        consumers: those from the beginning, in the order in which they are called.
        failures: counts what the consumers raise.
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
        """Replaced as a whole, never changed."""
        self.failures = Failures("an output") if failures is None else failures
        """What the consumers raised."""
        self.waited = 0.0
        """Seconds that the consumers kept the publisher waiting."""
        self._closed = False
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
        """Hand over candles that come one after another."""
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
        """Let the consumers know that nothing more comes, and what ended it, if an
        error did. Only the first call counts."""
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
        self.close = mailbox.close

    def tell(self, event: Event, patience: float) -> bool:  # noqa: ARG002
        """No event is of concern."""
        return False


class LatestEvents:
    """A consumer that never waits: of all that comes a view keeps what is newest.

    Args:
        latest: what is kept.
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
        """Nothing: what is kept stays to be looked at."""
