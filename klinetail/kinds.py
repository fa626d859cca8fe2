"""The kinds of lines for a person; the number of lines is limited for each kind."""

from __future__ import annotations

import enum
from typing import Final


class Kind(enum.StrEnum):
    """The subject of a line, as a word for many such lines."""

    GAP = "gaps"
    FILLED = "filled gaps"
    ENDED = "ends"
    REVISED = "revisions"
    DROPPED = "dropped messages"
    LINK = "connections"
    BUG = "errors"
    OWN = "this run"
    """Klinetail's own actions and failures."""
    RECEIPT = "figures"
    """A run's figures. The words are klinetail's own, and are never cut short."""


ANNOUNCED: Final = (Kind.GAP, Kind.FILLED, Kind.ENDED)
"""The kinds always reported to a person, however many lines arise."""
