"""The output of the contract of one stream, in the order of delivery. Pure."""

from __future__ import annotations

from klinetail.candle import Candle, Stream
from klinetail.events import (
    Drop,
    DropEvent,
    GapEvent,
    MuteEvent,
    PreviewEvent,
    RevisionEvent,
    TradedEvent,
)

Output = (
    Candle
    | PreviewEvent
    | GapEvent
    | RevisionEvent
    | MuteEvent
    | DropEvent
    | TradedEvent
)


def bad(stream: Stream, what: str) -> DropEvent:
    """Return the announcement of an unbelievable frame or row.

    Args:
        stream: the stream of the frame or the row.
        what: the fault of the frame or the row.
    """
    return DropEvent(Drop.BAD, stream, f"{stream}: {what}")
