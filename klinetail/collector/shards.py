"""Which streams share a connection."""

from __future__ import annotations

from collections.abc import Sequence

from klinetail.candle import Stream
from klinetail.protocol.limits import MAX_STREAMS


def shards(
    streams: Sequence[Stream], most: int = MAX_STREAMS
) -> list[Sequence[Stream]]:
    """The streams in as few groups as the exchange's limit allows, of like size."""
    count = -(-len(streams) // most)
    return [streams[index::count] for index in range(count)]
