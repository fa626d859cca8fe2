"""Signals as bytes in a pipe: a handler only sets a flag and wakes the main loop."""

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
"""Seconds from a signal to the end, even with outputs that block; 2 s are promised."""

_TWICE: Final = 0.3
"""Seconds after the first Ctrl-C within which a second SIGINT is still the first."""
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a run to stop."""


class Signals:
    """Owns the process's signals while entered.

    The first SIGINT, SIGTERM or SIGHUP asks to stop. After the first signal a SIGINT
    raises KeyboardInterrupt; a SIGQUIT always raises KeyboardInterrupt. `fd` becomes
    readable when a signal has arrived. After the context is left, no signal ends the
    process any more: the process is about to end by itself, with a known exit code.

    Args:
        suspending: handle SIGTSTP and SIGCONT too, so that a screen can be given back
            before the process is suspended.
        reopening: whether SIGHUP asks to open the recordings again, as log rotation
            does, instead of to stop.
    """

    def __init__(self, *, suspending: bool = False, reopening: bool = False) -> None:
        self.stop: signal.Signals | None = None
        """The signal that asked to stop; None before the first such signal."""
        self.resized = False
        """Whether the terminal's size changed; the main loop resets the flag."""
        self.asked = False
        """Whether SIGUSR1 asked for the figures of the moment."""
        self.reopen = False
        """Whether SIGHUP asked to open the recordings again; the main loop resets the
        flag."""
        self.suspended = False
        """Whether SIGTSTP asked to suspend the process."""
        self.continued = False
        """Whether the process goes on after a suspension."""
        self._stopped_at = 0.0
        """Monotonic seconds of the signal in `stop`."""
        self.fd, self._wake_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        """The two ends of the pipe: the main loop polls `fd`, a handler writes to
        `_wake_fd`."""
        self._reopening = reopening
        """Whether SIGHUP asks to open the recordings again."""
        self._awake = False
        """Whether the pipe holds a byte already."""
        self._suspending = suspending
        self._previous: dict[signal.Signals, Any] = {}
        """The handlers from before the context was entered."""
        self._previous_fd = -1
        """The process's wake-up descriptor from before the context was entered."""

    def __enter__(self) -> Self:
        noted = [*_STOPS, signal.SIGQUIT, signal.SIGWINCH, signal.SIGUSR1]
        if self._suspending:
            noted += [signal.SIGTSTP, signal.SIGCONT]
        for number in noted:
            # nohup ignores SIGHUP, and a shell's background job ignores SIGINT: an
            # ignored signal stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._note)
        # A handler of ours runs only once the main thread is back in Python code. A
        # signal that arrives just before the thread waits in `poll` would not be
        # handled until the wait ends, so Python's C handler writes to the pipe.
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
            raise KeyboardInterrupt  # no core dump: a terminal has to be given back
        elif number == signal.SIGTSTP:
            self.suspended = True
        elif number == signal.SIGCONT:
            self.continued = True
        elif number == signal.SIGHUP and self._reopening:
            self.reopen = True
        elif self.stop is None:
            self.stop = signal.Signals(number)
            self._stopped_at = time.monotonic()
        elif number == signal.SIGINT and self._meant():
            raise KeyboardInterrupt
        self.wake()

    def _meant(self) -> bool:
        """Return whether a second SIGINT is a second Ctrl-C.

        Some senders signal a process and then its group: both signals are one Ctrl-C.
        """
        return time.monotonic() - self._stopped_at > _TWICE

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of a run without errors, given the stop signal."""
        return ExitCode.HANGUP if self.stop is signal.SIGHUP else ExitCode.OK

    def wait(self) -> None:
        """Block until a signal or a call of `wake` arrives; suspend the process after
        a SIGTSTP."""
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
        with contextlib.suppress(OSError):  # the pipe is full or closed already
            os.write(self._wake_fd, b"\0")

    def clear(self) -> None:
        """Make `fd` unreadable until the next signal or call of `wake`."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self.fd, 4096)) == 4096:
                pass
        self._awake = False  # last, so that a concurrent call of `wake` is not missed

    def suspend(self) -> None:
        """Suspend the process, as Ctrl-Z would have done; return when it goes on."""
        self.suspended = False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)


def has_terminal() -> bool:
    """Return whether the process has a controlling terminal, which sends SIGHUP when
    the terminal goes away. A service has none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
