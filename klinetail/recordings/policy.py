"""The policy for a recording that is started again."""

from __future__ import annotations

import enum


class Resume(enum.StrEnum):
    """What becomes of the candles that a recording lacks when it goes on."""

    FILL = "fill"
    """The candles are fetched."""
    GAP = "gap"
    """The candles stay missing, which is said."""
    NEVER = "never"
    """A file with records is refused."""
