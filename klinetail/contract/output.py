"""The output of one stream's contract: candles and events to be delivered. Pure."""

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
    """The announcement of a frame or a row that cannot be believed.

    Args:
        stream: the stream that the frame or the row is of.
        what: what is wrong with it.
    """
    return DropEvent(Drop.BAD, stream, f"{stream}: {what}")
