"""What stands at stdout: a pipe (or file) that takes lines, or a live table.

Both are driven by the session's loop: they say what to poll for, and are stepped.
"""

from __future__ import annotations

import math
import select
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from klinetail.candle import Candle
from klinetail.errors import OutputError
from klinetail.events import Event
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.mailbox import Mailbox
from klinetail.sinks.sink import DirectSink
from klinetail.sinks.stdout import ReaderGone

if TYPE_CHECKING:
    from klinetail.view.screen import Screen
    from klinetail.view.table import Table


class Outlet(Protocol):
    """A consumer that runs in the session's loop."""

    def interest(self) -> tuple[int, int] | None:
        """A descriptor and the poll events to wake for, if any."""

    def step(self, ready: int, now: float) -> float:
        """Do what can be done without blocking.

        Args:
            ready: the poll events that came for the descriptor.
            now: monotonic seconds.

        Returns:
            When to be stepped again even if nothing happens, monotonic seconds.

        Raises:
            ReaderGone: nobody reads any more.
            OutputError: nothing can be written any more.
        """

    @property
    def done(self) -> bool:
        """Whether all that came has gone out, and no more will come."""


_AHEAD: Final = 1 << 18
"""Bytes that are made ready for the loop to write, at most."""


class LineOutlet:
    """Lines for whatever reads stdout.

    What comes goes straight out on the thread that brings it, if that cannot block: the
    reader of a pipe need not wait until another thread has woken up. All else is queued
    and goes out in the session's loop.

    Args:
        sink: where to.
        mailbox: the queue; this outlet is its reader.
        wake: has the loop step this outlet; callable from any thread.
    """

    def __init__(
        self,
        sink: DirectSink[Any, Any],
        mailbox: Mailbox[Any, Any],
        wake: Callable[[], object],
    ) -> None:
        self._sink = sink
        self._mailbox = mailbox
        self._wake = wake
        self._writing = threading.Lock()
        self._failure: ReaderGone | OutputError | None = None

    def put(self, candles: Sequence[Candle], patience: float) -> None:
        """Take candles in, see `Mailbox.put`."""
        if not self._pass_on(candles):
            self._mailbox.put(candles, patience)
            if not self._mailbox.empty:
                self._wake()

    def tell(self, event: Event, patience: float) -> bool:
        """Take an event in if the sink takes such, after the candles before it."""
        wanted = isinstance(event, self._sink.events)
        if wanted:
            self._mailbox.put((event,), patience)
            self._wake()
        return wanted

    def close(self, error: BaseException | None = None) -> None:  # noqa: ARG002
        """Say that nothing more comes; what is queued still goes out."""
        self._mailbox.close()

    def _pass_on(self, candles: Sequence[Candle]) -> bool:
        """Send candles past the queue, or have them ready; whether that can be."""
        if not self._writing.acquire(blocking=False):
            return False
        try:
            sink = self._sink
            if sink.pending > (0 if sink.never_blocks else _AHEAD):
                return False
            if sink.never_blocks and not sink.writable:
                return False
            if (lines := self._mailbox.passing(candles)) is None:
                return False
            sink.write(lines)
            if sink.never_blocks:
                sink.flush()
            if sink.pending:
                self._wake()
        except (ReaderGone, OutputError) as error:
            self._failure = error
            self._wake()
        finally:
            self._writing.release()
        return True

    def interest(self) -> tuple[int, int] | None:
        """See `Outlet`."""
        waits = self._sink.pending or not self._mailbox.empty
        return self._sink.fd, select.POLLOUT if waits else 0

    def step(self, ready: int, now: float) -> float:  # noqa: ARG002
        """See `Outlet`."""
        if ready & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            raise ReaderGone
        with self._writing:
            if self._failure is not None:
                raise self._failure
            if ready & select.POLLOUT:
                self._sink.flush()
            ready_for_more = not self._sink.pending and self._sink.writable
            if ready_for_more and not self._mailbox.empty:
                self._sink.write(self._mailbox.take())
                self._sink.flush()
        return math.inf

    @property
    def done(self) -> bool:
        """See `Outlet`."""
        mailbox = self._mailbox
        # Not `mailbox.done`: of what is lost the session was told by `on_pace`.
        return mailbox.closed and mailbox.empty and not self._sink.pending


class TableOutlet:
    """The live table.

    Args:
        screen: entered already.
        table: what it shows.
        latest: where its candles come from.
        refresh: brings the table's status up to date, given monotonic seconds.
    """

    def __init__(
        self,
        screen: Screen,
        table: Table,
        latest: Latest,
        refresh: Callable[[float], None],
    ) -> None:
        self._screen = screen
        self._table = table
        self._latest = latest
        self._refresh = refresh

    def interest(self) -> tuple[int, int] | None:
        """See `Outlet`; a screen is never waited for."""
        return None

    def step(self, ready: int, now: float) -> float:  # noqa: ARG002
        """See `Outlet`."""
        if now >= self._screen.due:
            for event in self._latest.take(self._table.shown):
                self._table.mark(event)
            self._refresh(now)
        return self._screen.draw(self._table, now)

    @property
    def done(self) -> bool:
        """See `Outlet`: what is not drawn yet is in the summary."""
        for event in self._latest.take():
            self._table.mark(event)
        return True
