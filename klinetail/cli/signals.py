"""Signals as bytes in a pipe: a handler only takes a note and wakes the main loop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import FrameType, TracebackType
from typing import Any, Final, Self

from klinetail.errors import ExitCode

STOPPING: Final = 1.3
"""Seconds from a signal to the end, whatever the outputs do; the promise is 2."""

_TWICE: Final = 0.3
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Owns the process's signals while entered.

    The first SIGINT, SIGTERM or SIGHUP asks to stop; after it, SIGINT raises
    KeyboardInterrupt, and SIGQUIT always. `fd` becomes readable when there is news.
    Once left, none of them ends the process any more: it is about to end by itself,
    with an exit code that is known.

    Args:
        suspending: take note of SIGTSTP too, instead of just stopping.
    """

    def __init__(self, *, suspending: bool = False) -> None:
        self.stop: signal.Signals | None = None
        """The signal that asked to stop."""
        self.resized = False
        self.asked = False
        """Whether SIGUSR1 asked for the figures of the moment."""
        self.suspended = False
        self.continued = False
        """Whether the process goes on after it was stopped from outside."""
        self._stopped_at = 0.0
        self.fd, self._wake_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._awake = False
        self._suspending = suspending
        self._previous: dict[signal.Signals, Any] = {}
        self._previous_fd = -1

    def __enter__(self) -> Self:
        noted = [*_STOPS, signal.SIGQUIT, signal.SIGWINCH, signal.SIGUSR1]
        if self._suspending:
            noted += [signal.SIGTSTP, signal.SIGCONT]
        for number in noted:
            # nohup ignores SIGHUP, and a shell's background job SIGINT: so it stays.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._note)
        # A handler of ours runs only once the main thread is back in Python; a signal
        # that comes just before it waits in `poll` would not be heard of until then.
        self._previous_fd = signal.set_wakeup_fd(
            self._wake_fd, warn_on_full_buffer=False
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._previous.items():
            stops = number in (*_STOPS, signal.SIGQUIT)
            signal.signal(number, signal.SIG_IGN if stops else handler)
        os.close(self.fd)
        os.close(self._wake_fd)
        self._wake_fd = -1

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGWINCH:
            self.resized = True
        elif number == signal.SIGUSR1:
            self.asked = True
        elif number == signal.SIGQUIT:
            raise KeyboardInterrupt  # not as a dump: a terminal has to be given back
        elif number == signal.SIGTSTP:
            self.suspended = True
        elif number == signal.SIGCONT:
            self.continued = True
        elif self.stop is None:
            self.stop = signal.Signals(number)
            self._stopped_at = time.monotonic()
        elif number == signal.SIGINT and self._meant():
            raise KeyboardInterrupt
        self.wake()

    def _meant(self) -> bool:
        """Some senders signal a process and then its group: that is one Ctrl-C."""
        return time.monotonic() - self._stopped_at > _TWICE

    @property
    def exit_code(self) -> ExitCode:
        """What a process exits with that did what it was asked to."""
        return ExitCode.HANGUP if self.stop is signal.SIGHUP else ExitCode.OK

    def wait(self) -> None:
        """Block until there is news; suspend the process if that is the news."""
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        poller.poll()
        self.clear()
        if self.suspended:
            self.suspend()

    def wake(self, *_: object) -> None:
        """Make `fd` readable; callable from any thread and as any callback."""
        if self._awake:
            return
        self._awake = True
        with contextlib.suppress(OSError):  # full means awake, closed means over
            os.write(self._wake_fd, b"\0")

    def clear(self) -> None:
        """Make `fd` unreadable until there is news again."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self.fd, 4096)) == 4096:
                pass
        self._awake = False  # last, so that whoever wakes now is not missed

    def suspend(self) -> None:
        """Stop the process as Ctrl-Z would have; returns when it goes on."""
        self.suspended = False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)
