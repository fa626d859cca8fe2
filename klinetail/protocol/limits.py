"""The exchange's limits, as numbers. Source: WebSocket Market Streams, General Info
and change log of the USDⓈ-M futures documentation; weights as measured 2026-10-07."""

from __future__ import annotations

from typing import Final

MAX_STREAMS: Final = 1024
"""Streams a connection; one more closes it."""

MAX_NAMES: Final = 200
"""Stream names in one SUBSCRIBE that are known to be accepted."""

MESSAGES_PER_SECOND: Final = 10
"""Incoming messages a connection; above it the exchange disconnects."""

MAX_ROWS: Final = 1500
"""Rows in one answer of klines."""

WEIGHT_PER_MINUTE: Final = 2400
"""REST weight an address may use in a minute of the exchange's clock."""

TIME_WEIGHT: Final = 1
"""REST weight of a `/fapi/v1/time` request."""

LISTINGS_WEIGHT: Final = 1
"""REST weight of a `/fapi/v1/exchangeInfo` request."""


def klines_weight(limit: int | None) -> int:
    """REST weight of a klines request with this `limit`."""
    if limit is None:
        return 5
    for most, weight in ((100, 1), (500, 2), (1000, 5)):
        if limit <= most:
            return weight
    return 10
