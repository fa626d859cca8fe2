"""The pauses between attempts, and the seconds until giving up. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from klinetail.errors import Refused

BACKOFF: Final = (0.5, 30.0)
"""Seconds: the bound of the first pause, and the bound of every pause."""


def backoff(failures: int, random: Callable[[], float]) -> float:
    """Return the seconds to wait before the next attempt, with full jitter.

    Args:
        failures: the number of failures in a row.
        random: uniform in [0, 1).
    """
    base, most = BACKOFF
    return random() * min(most, base * float(2 ** min(failures, 16)))


def insistence(
    error: Exception | None, since: float | None, now: float
) -> tuple[float | None, float]:
    """Return the time of the first refusal in a row, and the seconds until giving up.

    Only a run without any success gives up: when the seconds are 0 or less.

    Args:
        error: the error of the last attempt.
        since: the time that this function returned for the attempt before, or None.
        now: monotonic seconds.

    Returns:
        The time of the first refusal (None if the error is no refusal) and the seconds
        for which the run goes on trying (infinite if the error is no refusal).
    """
    if not isinstance(error, Refused):
        return None, float("inf")
    since = now if since is None else since
    return since, since + error.patience - now
