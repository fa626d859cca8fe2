"""The policies for recordings: choices of the user."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class Resume(enum.StrEnum):
    """The fate of candles that are missing when a recording goes on."""

    FILL = "fill"
    """The candles are fetched."""
    GAP = "gap"
    """The candles stay missing, and a line says so."""
    NEVER = "never"
    """A file with records is refused."""


class DumpUse(enum.StrEnum):
    """The use of the exchange's public dumps."""

    AUTO = "auto"
    """Whole past months and days come from dumps, the rest by REST."""
    NEVER = "never"
    """All candles come by REST."""
    ONLY = "only"
    """No candle comes by REST. The history ends where the dumps end."""


CLOSED: Final = 0.0
"""The value of `sync` for a sync after each batch with a closed candle."""


class FileOptions(NamedTuple):
    """How files are written and continued."""

    resume: Resume = Resume.FILL
    """The fate of candles that are missing when a file goes on."""
    sync: float | None = CLOSED
    """Seconds between two syncs to the disk; `CLOSED` after each batch with a closed
    candle, None for never."""
