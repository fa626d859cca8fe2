"""How long to wait between attempts, and for how long to go on. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from klinetail.errors import Refused

BACKOFF: Final = (0.5, 30.0)
"""Seconds: the bound of the first pause, and of the longest."""


def backoff(failures: int, random: Callable[[], float]) -> float:
    """Seconds to wait after so many failures in a row, with full jitter."""
    base, most = BACKOFF
    return random() * min(most, base * float(2 ** min(failures, 16)))


def insistence(
    error: Exception | None, since: float | None, now: float
) -> tuple[float | None, float]:
    """Since when a run that has had no success yet has only been refused, and for how
    many seconds it still goes on trying: 0 or less if it has to give up.

    Args:
        error: what the last attempt failed with.
        since: what this function said before about the attempt before that.
        now: monotonic seconds.
    """
    if not isinstance(error, Refused):
        return None, float("inf")
    since = now if since is None else since
    return since, since + error.patience - now
