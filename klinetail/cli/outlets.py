"""The outlets at stdout: lines for a pipe, a file or a terminal, or a live table.

The session's loop drives both outlets: the loop asks an outlet for the descriptor to
poll, and then steps the outlet.
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
        """Return a descriptor and the poll events to wait for; None if the outlet never
        waits."""

    def step(self, ready: int, now: float) -> float:
        """Write or draw as far as possible without blocking.

        Args:
            ready: the poll events of the descriptor.
            now: monotonic seconds.

        Returns:
            The monotonic seconds of the next step, even if nothing happens until then.

        Raises:
            ReaderGone: the reader of the pipe has gone.
            OutputError: writing failed for good.
        """

    @property
    def done(self) -> bool:
        """Return whether the run is over and every queued candle has gone out."""


_AHEAD: Final = 1 << 18
"""Bytes encoded ahead for the loop to write, at most."""


class LineOutlet:
    """Lines for the reader of stdout.

    Candles go straight out on the delivering thread if the write cannot block: the
    reader of a pipe need not wait until another thread has woken up. Otherwise candles
    are queued, and go out in the session's loop.

    Args:
        sink: writes to stdout.
        mailbox: the queue; this outlet is the only reader of the queue.
        wake: lets the loop step this outlet; callable from any thread.
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
        """Held by the thread that uses the sink: a delivering thread or the loop."""
        self._failure: ReaderGone | OutputError | None = None
        """The error of a delivering thread, to be raised in the loop."""

    def put(self, candles: Sequence[Candle], patience: float) -> None:
        """Write the candles now or queue the candles; see `Mailbox.put`."""
        if not self._pass_on(candles):
            self._mailbox.put(candles, patience)
            if not self._mailbox.empty:
                self._wake()

    def tell(self, event: Event, patience: float) -> bool:
        """Queue an event behind the earlier candles, if the sink takes such events.

        Returns:
            Whether the sink takes events of this type.
        """
        wanted = isinstance(event, self._sink.events)
        if wanted:
            self._mailbox.put((event,), patience)
            self._wake()
        return wanted

    def close(self, error: BaseException | None = None) -> None:  # noqa: ARG002
        """Take no further candles; queued candles still go out."""
        self._mailbox.close()

    def _pass_on(self, candles: Sequence[Candle]) -> bool:
        """Write candles past the queue, or encode the candles for the loop.

        Returns:
            Whether the candles were taken; False if the candles have to be queued.
        """
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
        # Not `mailbox.done`: `on_pace` told the session about lost candles already.
        return mailbox.closed and mailbox.empty and not self._sink.pending


class TableOutlet:
    """The live table.

    Args:
        screen: the terminal, entered already.
        table: the table on the screen.
        latest: holds the newest candles and events for the table.
        refresh: updates the table's status, given monotonic seconds.
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
        """Return None: a screen is never waited for."""
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
        """Return True: the last candles need no drawing, the summary shows them."""
        for event in self._latest.take():
            self._table.mark(event)
        return True
