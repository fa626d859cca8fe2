"""Attempts: a call to a sink, made again and again with growing pauses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from klinetail.sinks.sink import Retry, Sink, words

_DOUBLED: Final = 32
"""Failures in a row after which the pause does not double any more."""


class Attempts:
    """Repeats calls to a sink while the sink's `retry` asks for attempts.

    Args:
        sink: the sink that is called.
        pause: waits so many seconds; a true result forbids further attempts.
        say: is told once when the sink fails, and once when the sink works again.
        monotonic: local seconds.
        random: uniform in [0, 1), for the pauses.
    """

    def __init__(
        self,
        sink: Sink[Any, Any],
        pause: Callable[[float], object],
        *,
        say: Callable[[str], object],
        monotonic: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._sink = sink
        """The sink that is called."""
        self._pause = pause
        """Waits between two attempts."""
        self._say = say
        """Is told of failures, and of the end of failures."""
        self._monotonic = monotonic
        """Local seconds."""
        self._random = random
        """Uniform in [0, 1)."""

    def make(self, call: Callable[..., object], *arguments: object) -> None:
        """Make a call until the call succeeds.

        Raises:
            Exception: of the last attempt, if the error is worth no further attempt.
        """
        retry: Retry = self._sink.retry
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
                    self._say(f"{self._sink.name}: {self.words(error)}; tried again")
                longest = min(retry.longest, retry.first * 2**failures)
                failures = min(failures + 1, _DOUBLED)
                if self._pause(longest * self._random()):
                    raise
        if failures:
            seconds = self._monotonic() - since
            self._say(f"{self._sink.name}: works again after {seconds:,.0f} s")

    def words(self, error: Exception) -> str:
        """Return an error in words; an error named by the sink's `retry` is no bug."""
        retried = self._sink.retry.errors
        if isinstance(error, retried) and not isinstance(error, OSError):
            return str(error) or type(error).__name__
        return words(error)
