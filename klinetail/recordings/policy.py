"""The policy for a recording that is started again."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class Resume(enum.StrEnum):
    """What becomes of the candles that a recording lacks when it goes on."""

    FILL = "fill"
    """The candles are fetched."""
    GAP = "gap"
    """The candles stay missing, which is said."""
    NEVER = "never"
    """A file with records is refused."""


CLOSED: Final = 0.0
"""Seconds between two syncs that stand for: after each batch with a closed candle."""


class FileOptions(NamedTuple):
    """How files are written and continued."""

    resume: Resume = Resume.FILL
    """What becomes of candles that a file lacks."""
    sync: float | None = CLOSED
    """Seconds between two syncs to the disk; `CLOSED` after each batch with a closed
    candle, None for never."""
