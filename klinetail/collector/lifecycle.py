"""Lifecycle: how far the run of a collector has come, and the order to end."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future, InvalidStateError

from klinetail.errors import KlinetailError, UsageError


class Lifecycle:
    """The milestones of one run. Safe from any thread.

    A milestone is reached once: its first result, or its first error, stands.
    """

    def __init__(self) -> None:
        self.subscribed: Future[None] = Future()
        """Done when every stream is subscribed; of a history alone, when the exchange
        has answered."""
        self.history: Future[None] = Future()
        """Done when the candles from before the start were delivered, or announced as
        missing."""
        self.ended: Future[None] = Future()
        """Done when the run has ended; with the error that ended the run, if any."""
        self.stopping = threading.Event()
        """Set when every thread of the collector has to end."""

    def fail(self, error: KlinetailError) -> None:
        """End the run with an error, because going on is of no use."""
        for milestone in (self.subscribed, self.history, self.ended):
            settle(milestone, error)
        self.stopping.set()

    def close(self) -> None:
        """Settle every milestone after a stop: nobody waits for a stopped run."""
        stopped = UsageError("the collector was stopped")
        settle(self.subscribed, stopped)
        settle(self.history, stopped)
        settle(self.ended)


def settle(milestone: Future[None], error: BaseException | None = None) -> None:
    """Mark a milestone as reached, or as failed if an error is given."""
    with contextlib.suppress(InvalidStateError):  # the first outcome stands
        if error is None:
            milestone.set_result(None)
        else:
            milestone.set_exception(error)


async def reached(milestone: Future[None]) -> None:
    """Wait until a milestone is reached, or raise its error.

    Cancelling the wait does not cancel the milestone.
    """
    import asyncio  # for programs that have a loop; a command has none

    inner = asyncio.wrap_future(milestone)
    # The error is looked at, lest asyncio complain when nobody waits any more.
    inner.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(inner)
