"""What a line for a person is about: of each kind so many lines are said."""

from __future__ import annotations

import enum
from typing import Final


class Kind(enum.StrEnum):
    """What a line is about, as a word for many of them."""

    GAP = "gaps"
    FILLED = "filled gaps"
    ENDED = "ends"
    REVISED = "revisions"
    DROPPED = "dropped messages"
    LINK = "connections"
    BUG = "errors"
    OWN = "this run"
    """What klinetail does, and what it fails at."""
    RECEIPT = "figures"
    """Of a run. They are klinetail's own words, as long as they are."""


ANNOUNCED: Final = (Kind.GAP, Kind.FILLED, Kind.ENDED)
"""What a person has to hear of, however much there is of it."""
