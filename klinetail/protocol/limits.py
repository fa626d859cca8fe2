"""What a venue allows a client: the type of the numbers. The numbers themselves stand
in `venues`. Pure."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a venue. They differ between markets, and between hosts of one."""

    streams: int
    """Streams a connection; one more closes the connection."""

    names: int
    """Stream names in one SUBSCRIBE that are known to be accepted."""

    messages_per_second: int
    """Messages that a connection may send in a second; at more the exchange
    disconnects. Pings and pongs count."""

    rows: int
    """Rows in one answer of klines at most; a greater `limit` is refused."""

    page: int
    """Rows that a long history asks for at once, at most `rows`: the number of rows
    that gets the most rows for its weight."""

    rows_by_default: int
    """Rows in an answer of klines to a request without a `limit`."""

    weight_per_minute: int
    """REST weight that an address may use in a minute of the exchange's clock."""

    time_weight: int
    """REST weight of a request for the exchange's time."""

    listings_weight: int
    """REST weight of a request for the list of symbols."""

    klines_weights: tuple[tuple[int, int], ...]
    """REST weight of a klines request: pairs of a number of rows and the weight of a
    `limit` up to that number, ascending. The last weight holds above that as well."""

    klines_weight_by_default: int
    """REST weight of a klines request without a `limit`."""

    def klines_weight(self, limit: int | None) -> int:
        """REST weight of a klines request with this `limit`, refused or not."""
        if limit is None:
            return self.klines_weight_by_default
        for most, weight in self.klines_weights:
            if limit <= most:
                return weight
        return self.klines_weights[-1][1]
