"""What the statuses in the exchange's list of symbols mean for a follower. Pure.

Source: "Contract Status" of the USDⓈ-M futures documentation's common definitions.
"""

from __future__ import annotations

from typing import Final

TRADING: Final = "TRADING"
PENDING: Final = "PENDING_TRADING"

_CLOSING: Final = ("PRE_DELIVERING", "PRE_SETTLE")
"""Trading may go on until the symbol is delivered or settled."""

UNKNOWN: Final = ""
"""The exchange's answer does not say: that costs nobody a stream."""


def can_be_followed(status: str) -> bool:
    """Whether a stream may begin: trades come, or can be expected to."""
    return status in (TRADING, PENDING, UNKNOWN, *_CLOSING)


def has_ended(status: str) -> bool:
    """Whether no more trades are expected of a symbol that had none for a while."""
    return status not in (TRADING, PENDING, UNKNOWN)
