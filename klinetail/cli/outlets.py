"""What stands at stdout: a pipe (or file) that takes lines, or a live table.

Both are driven by the session's loop: they say what to poll for, and are stepped.
"""

from __future__ import annotations

import math
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from klinetail.candle import Candle
from klinetail.mailbox import Latest, Mailbox
from klinetail.sinks.stdout import ReaderGone, StdoutSink

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


class LineOutlet:
    """Lines for whatever reads stdout."""

    def __init__(self, sink: StdoutSink, mailbox: Mailbox[Candle]) -> None:
        self._sink = sink
        self._mailbox = mailbox

    def interest(self) -> tuple[int, int] | None:
        """See `Outlet`."""
        return self._sink.fd, select.POLLOUT if self._sink.pending else 0

    def step(self, ready: int, now: float) -> float:  # noqa: ARG002
        """See `Outlet`."""
        if ready & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            raise ReaderGone
        if ready & select.POLLOUT:
            self._sink.write()
        if not self._sink.pending:
            self._sink.offer(self._mailbox.take())
            if _writable(self._sink.fd):
                self._sink.write()
        return math.inf

    @property
    def done(self) -> bool:
        """See `Outlet`."""
        return not self._sink.pending and self._mailbox.done


def _writable(fd: int) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return any(ready & select.POLLOUT for _, ready in poller.poll(0))


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
