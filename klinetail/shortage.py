"""Shortages: the machine has no memory, thread or file descriptor left for the moment.

A shortage is neither a bug nor a refusal. Shortages pass, often within seconds, and the
failed action is tried again.
"""

from __future__ import annotations

import errno
import threading
from typing import Final, TypeVar

_Thread = TypeVar("_Thread", bound=threading.Thread)

_ERRNOS: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
"""The system's error numbers of a shortage."""

_NO_THREAD: Final = "can't start new thread"
"""Python's text, in a plain `RuntimeError`, if the system provides no thread."""

BIRTH: Final = 3.0
"""Seconds that a new thread may take to begin running."""


def shortage(error: BaseException) -> str:
    """Return the shortage behind an error, in words; empty for any other error."""
    match error:
        case MemoryError():
            return "this machine has no memory left"
        case RuntimeError() if str(error) == _NO_THREAD:
            return "this machine has no thread left (can't start new thread)"
        case OSError(errno=number) if number in _ERRNOS:
            return f"this machine lacks a resource ({error.strerror})"
        case _:
            return ""


def cause(error: BaseException) -> str:
    """Return the cause of an unexpected error, in words: a shortage, or a bug."""
    return shortage(error) or f"a bug: {error!r}"


def safe_to_start(thread: _Thread, seconds: float = BIRTH) -> _Thread:
    """Return the thread, with a `start` that raises a `RuntimeError` instead of waiting
    for ever.

    A new thread that lacks memory for its first steps ends without a word, and `start`
    would wait for the thread: https://github.com/python/cpython/issues/140746.

    Args:
        thread: a thread not started yet.
        seconds: how long the thread may take to begin running.
    """
    thread._started = _Birth(seconds)  # type: ignore[attr-defined]
    return thread


class _Birth(threading.Event):
    """The event set by a new thread and awaited by `Thread.start`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        """The seconds to wait for the event without a given timeout."""

    def wait(self, timeout: float | None = None) -> bool:
        begun = super().wait(self._seconds if timeout is None else timeout)
        if not begun and timeout is None:
            raise RuntimeError(_NO_THREAD)
        return begun
