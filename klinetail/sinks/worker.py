"""The worker: a thread for writing a sink, however long the writing takes."""

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
    """Queues candles and events, and writes the queue to a sink until the end.

    Args:
        sink: the sink to write; closed at the end.
        updates: whether the sink gets forming candles too.
        on_pace: called when the sink falls behind or catches up, see `Mailbox`; with
            this worker first.
        on_end: called on this thread at the end, with the error if the sink failed.
        say: called with a line when the sink fails and is tried again, and when the
            sink works again.
        monotonic: local seconds.
        sleep: waits a number of seconds.
        random: uniform in [0, 1), for the pauses between attempts.
        capacity, most: the arguments of the `Mailbox`.
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
        """Whether the sink is closed; set before `on_end`, with the thread alive."""
        self._mailbox = Mailbox[Any, Any](
            sink.prepare,
            updates=updates,
            on_pace=lambda pace, skipped: on_pace(self, pace, skipped),
            capacity=capacity,
            most=most,
        )
        """The queue of candles and events to write."""
        self._refused: Exception | None = None
        """The exception of `prepare`; candles from before are still written."""
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
        """Queue an event if the sink takes the class; return whether the sink does."""
        wanted = isinstance(event, self.sink.events)
        if wanted:
            self._queue((event,), patience)
        return wanted

    def close(self, error: BaseException | None = None) -> None:  # noqa: ARG002
        """End the queue: nothing more comes; the queued items are still written."""
        self._mailbox.close()

    def _queue(self, items: Sequence[Candle | Event], patience: float) -> None:
        try:
            self._mailbox.put(items, patience)
        except Exception as error:  # noqa: BLE001 - must not cost a consumer a candle
            self._refused = error
            self._mailbox.close()

    # The thread

    def run(self) -> None:
        """Write until no more candles and events come, then close the sink."""
        failure: Exception | None = None
        try:
            for batch in self._mailbox.batches():
                self._attempt(self.sink.write, batch)
                if self._mailbox.empty:
                    self._attempt(self.sink.flush)
        except SlowConsumer:
            pass  # The queue is written; the mailbox's `on_pace` told the rest.
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
        """Make a call, again and again while the sink's `retry` asks for attempts."""
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
        """Return the error that ended the sink, with the name of the sink."""
        if failure is None or isinstance(failure, OutputError):
            return failure
        return OutputError(f"{self.sink.name}: {self._words(failure)}")

    def _words(self, error: Exception) -> str:
        """Return an error in words; an error named by the sink's `retry` is no bug."""
        if isinstance(error, self.sink.retry.errors) and not isinstance(error, OSError):
            return str(error) or type(error).__name__
        return words(error)
