"""The meaning of the statuses in the exchange's list of symbols for a follower. Pure.

Source: "Contract Status" of the USDⓈ-M futures documentation's common definitions.
"""

from __future__ import annotations

from typing import Final

TRADING: Final = "TRADING"
PENDING: Final = "PENDING_TRADING"

_CLOSING: Final = ("PRE_DELIVERING", "PRE_SETTLE")
"""The statuses with which trading may go on until the delivery or the settlement."""

UNKNOWN: Final = ""
"""The status of a symbol whose status is missing in the exchange's answer: a missing
status costs nobody a stream."""


def can_be_followed(status: str) -> bool:
    """Return whether a stream may begin: trades come, or can be expected to come."""
    return status in (TRADING, PENDING, UNKNOWN, *_CLOSING)


def has_ended(status: str) -> bool:
    """Return whether no more trades are expected of a symbol without recent trades."""
    return status not in (TRADING, PENDING, UNKNOWN)
