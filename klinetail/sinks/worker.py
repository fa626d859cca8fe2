"""The worker: a thread of its own that writes a sink, whatever that takes."""

from __future__ import annotations

import random as _random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from klinetail.candle import Candle
from klinetail.errors import OutputError, SlowConsumer
from klinetail.events import Event
from klinetail.pipeline.mailbox import CAPACITY, MOST, Mailbox, Pace
from klinetail.sinks.sink import Retry, Sink, words

_DOUBLED: Final = 32
"""Failures in a row after which the pause does not double any more."""


class SinkWorker(threading.Thread):
    """Queues what is delivered, and writes it to a sink until nothing more comes.

    Args:
        sink: closed at the end.
        updates: whether the sink gets forming candles too.
        on_pace: called when the sink falls behind or catches up, see `Mailbox`; with
            this worker first.
        on_end: called on this thread at the end, with the error if the sink failed.
        say: called with a line when the sink fails and is tried again, and when it
            works again.
        monotonic: local seconds.
        sleep: waits so many seconds.
        random: uniform in [0, 1), for the pauses between attempts.
        capacity, most: those of the `Mailbox`.
    """

    def __init__(
        self,
        sink: Sink[Any, Any],
        *,
        updates: bool,
        on_pace: Callable[[SinkWorker, Pace, int], None],
        on_end: Callable[[OutputError | None], object],
        say: Callable[[str], object],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = _random.random,
        capacity: int = CAPACITY,
        most: int = MOST,
    ) -> None:
        super().__init__(name=f"klinetail-sink-{sink.name}", daemon=True)
        self.sink = sink
        self.done = False
        """Whether the sink is closed. `on_end` finds it set, but the thread alive."""
        self._mailbox = Mailbox[Any, Any](
            sink.prepare,
            updates=updates,
            on_pace=lambda pace, skipped: on_pace(self, pace, skipped),
            capacity=capacity,
            most=most,
        )
        """What waits to be written."""
        self._refused: Exception | None = None
        """What `prepare` raised. What came before it is still written."""
        self._on_end = on_end
        self._say = say
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random

    # For the threads that deliver

    def put(self, candles: Sequence[Candle], patience: float) -> None:
        """Queue candles; wait for room at most `patience` seconds."""
        self._queue(candles, patience)

    def tell(self, event: Event, patience: float) -> bool:
        """Queue an event if the sink takes such; whether it does."""
        wanted = isinstance(event, self.sink.events)
        if wanted:
            self._queue((event,), patience)
        return wanted

    def close(self, error: BaseException | None = None) -> None:  # noqa: ARG002
        """Say that nothing more comes; what is queued is still written."""
        self._mailbox.close()

    def _queue(self, items: Sequence[Candle | Event], patience: float) -> None:
        try:
            self._mailbox.put(items, patience)
        except Exception as error:  # noqa: BLE001 - it must not cost others a candle
            self._refused = error
            self._mailbox.close()

    # The thread

    def run(self) -> None:
        """Write until nothing more comes, then close the sink."""
        failure: Exception | None = None
        try:
            for batch in self._mailbox.batches():
                self._attempt(self.sink.write, batch)
                if self._mailbox.empty:
                    self._attempt(self.sink.flush)
        except SlowConsumer:
            pass  # What was queued is written; the mailbox's `on_pace` told the rest.
        except Exception as error:  # noqa: BLE001 - a silent end would look like success
            failure = error
        finally:
            self._mailbox.close()
            try:
                self.sink.close()
            except Exception as error:  # noqa: BLE001 - the same
                failure = failure or error
            self.done = True
            self._on_end(self._said(failure or self._refused))

    def _attempt(self, call: Callable[..., object], *arguments: object) -> None:
        """Make a call, again and again while the sink wants that."""
        retry: Retry = self.sink.retry
        failures, since = 0, self._monotonic()
        while True:
            try:
                call(*arguments)
                break
            except retry.errors as error:
                now = self._monotonic()
                since = since if failures else now
                if now - since >= retry.seconds:
                    raise
                if not failures:
                    self._say(f"{self.sink.name}: {self._words(error)}; tried again")
                longest = min(retry.longest, retry.first * 2**failures)
                failures = min(failures + 1, _DOUBLED)
                self._sleep(longest * self._random())
        if failures:
            seconds = self._monotonic() - since
            self._say(f"{self.sink.name}: works again after {seconds:,.0f} s")

    def _said(self, failure: Exception | None) -> OutputError | None:
        """What ended the sink, in words that name it."""
        if failure is None or isinstance(failure, OutputError):
            return failure
        return OutputError(f"{self.sink.name}: {self._words(failure)}")

    def _words(self, error: Exception) -> str:
        """What an error says; one that the sink has named is no bug."""
        if isinstance(error, self.sink.retry.errors) and not isinstance(error, OSError):
            return str(error) or type(error).__name__
        return words(error)
