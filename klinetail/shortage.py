"""Shortage: this machine has no memory, thread or file descriptor left for now.

A shortage is neither a bug nor a refusal: it passes, often within seconds, and what
failed for the lack of something is tried again.
"""

from __future__ import annotations

import errno
import threading
from typing import Final, TypeVar

_Thread = TypeVar("_Thread", bound=threading.Thread)

_ERRNOS: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}

_NO_THREAD: Final = "can't start new thread"
"""What Python says, in a plain `RuntimeError`, when the system gives it no thread."""

BIRTH: Final = 3.0
"""Seconds that a thread which the system has given may take to begin."""


def shortage(error: BaseException) -> str:
    """What an error says that this machine has run out of, in words; empty if the
    error says nothing of the kind."""
    match error:
        case MemoryError():
            return "this machine has no memory left"
        case RuntimeError() if str(error) == _NO_THREAD:
            return "this machine has no thread left (can't start new thread)"
        case OSError(errno=number) if number in _ERRNOS:
            return f"this machine has run out of something ({error.strerror})"
        case _:
            return ""


def cause(error: BaseException) -> str:
    """Why something failed that should not fail, in words: a shortage, or a bug."""
    return shortage(error) or f"a bug: {error!r}"


def safe_to_start(thread: _Thread, seconds: float = BIRTH) -> _Thread:
    """The thread, made so that its `start` raises a `RuntimeError` in place of waiting
    for ever.

    A new thread that finds no memory for its first steps ends without a word, and who
    started it would wait: https://github.com/python/cpython/issues/140746.

    Args:
        thread: not started yet.
        seconds: how long it may take to begin.
    """
    thread._started = _Birth(seconds)  # type: ignore[attr-defined]
    return thread


class _Birth(threading.Event):
    """What a new thread sets when it runs, and who starts it waits for."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        begun = super().wait(self._seconds if timeout is None else timeout)
        if not begun and timeout is None:
            raise RuntimeError(_NO_THREAD)
        return begun
