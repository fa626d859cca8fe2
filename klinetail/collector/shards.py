"""Which streams share a connection, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence

from klinetail.candle import Stream
from klinetail.collector.silence import QuietLink


class Shard:
    """The streams of one link."""

    def __init__(self, name: str, streams: Sequence[Stream]) -> None:
        self.name = name
        self.streams = streams
        self.live = self.was_live = False
        self.quiet = QuietLink()


def shards(streams: Sequence[Stream], most: int) -> list[Shard]:
    """The streams in as few groups of at most so many as can be, of like size."""
    count = -(-len(streams) // most)
    return [Shard(f"link-{n}", streams[n::count]) for n in range(count)]
