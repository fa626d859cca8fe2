"""Shards: which streams share a connection, and the state of each connection."""

from __future__ import annotations

from collections.abc import Sequence

from klinetail.candle import Stream
from klinetail.collector.silence import SilentLink


class Shard:
    """The streams of one link.

    Args:
        name: the name of the link.
        streams: the streams of the link.
    """

    def __init__(self, name: str, streams: Sequence[Stream]) -> None:
        self.name = name
        """The name of the link."""
        self.streams = streams
        """The streams of the link."""
        self.live = False
        """Whether the link is connected and subscribed."""
        self.was_live = False
        """Whether the link has been connected and subscribed before."""
        self.silence = SilentLink()
        """Evidence about a link without frames."""


def shards(streams: Sequence[Stream], most: int) -> list[Shard]:
    """Return the streams in as few groups of similar sizes as possible, with at most
    `most` streams each."""
    count = -(-len(streams) // most)
    return [Shard(f"link-{n}", streams[n::count]) for n in range(count)]
