"""The worker: a thread for writing a sink, however long the writing takes."""

from __future__ import annotations

import random as _random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from klinetail.candle import Candle
from klinetail.errors import OutputError, SlowConsumer
from klinetail.events import Event
from klinetail.pipeline.mailbox import CAPACITY, MOST, Mailbox, Pace
from klinetail.sinks.attempts import Attempts
from klinetail.sinks.sink import Sink


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
        sleep: Callable[[float], None] = time.sleep,
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
        """Is told of the end."""
        self._attempts = Attempts(
            sink, sleep, say=say, monotonic=monotonic, random=random
        )
        """Repeats calls to the sink."""

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
                self._attempts.make(self.sink.write, batch)
                if self._mailbox.empty:
                    self._attempts.make(self.sink.flush)
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

    def _said(self, failure: Exception | None) -> OutputError | None:
        """Return the error that ended the sink, with the name of the sink."""
        if failure is None or isinstance(failure, OutputError):
            return failure
        return OutputError(f"{self.sink.name}: {self._attempts.words(failure)}")
