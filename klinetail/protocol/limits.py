"""The type of a venue's limits for a client, and the header with the used weight. Pure.

The numbers of each venue stand in `venues`.
"""

from __future__ import annotations

from typing import Final

import msgspec

USED_WEIGHT: Final = "X-MBX-USED-WEIGHT-1M"
"""The header with the address's used weight in the present minute."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a venue. The limits differ between markets, and between hosts of a
    market."""

    streams: int
    """Streams that a connection may have; a further stream closes the connection."""

    names: int
    """Stream names that the exchange is known to accept in a single SUBSCRIBE."""

    messages_per_second: int
    """Messages that a connection may send in a second; at more the exchange
    disconnects. Pings and pongs count."""

    rows: int
    """Greatest number of rows in an answer of klines; the exchange refuses a greater
    `limit`."""

    page: int
    """Rows in each request for a long history, at most `rows`: the number of rows with
    the most rows for its weight."""

    rows_by_default: int
    """Rows in an answer of klines to a request without a `limit`."""

    weight_per_minute: int
    """REST weight allowed to an address in a minute of the exchange's clock."""

    time_weight: int
    """REST weight of a request for the exchange's time."""

    listings_weight: int
    """REST weight of a request for the list of symbols."""

    klines_weights: tuple[tuple[int, int], ...]
    """REST weight of a klines request: pairs of a number of rows and the weight of a
    `limit` up to that number, ascending. The last weight also holds above the last
    number."""

    klines_weight_by_default: int
    """REST weight of a klines request without a `limit`."""

    def klines_weight(self, limit: int | None) -> int:
        """Return the REST weight of a klines request with a `limit`, refused or not."""
        if limit is None:
            return self.klines_weight_by_default
        for most, weight in self.klines_weights:
            if limit <= most:
                return weight
        return self.klines_weights[-1][1]
