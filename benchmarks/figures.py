"""Slopes and percentiles. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def slope(short: tuple[float, float], long: tuple[float, float]) -> float:
    """What one more of x costs in y: both are (x, y). Start-up cancels out."""
    if long[0] <= short[0]:
        raise ValueError("the long run must be longer")
    return (long[1] - short[1]) / (long[0] - short[0])


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least of the values, in ascending order, that `share` (0 to 1) of them do
    not exceed.

    Raises:
        ValueError: there are none.
    """
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]
