"""What mailboxes hold in tests."""

from klinetail.candle import Interval, Stream
from klinetail.events import (
    CandleEvent,
)
from tests.strategies import BTCUSDT_1M, candle

STREAMS = [Stream(symbol, Interval.M1) for symbol in ("AUSDT", "BUSDT", "CUSDT")]


def item(number=0, *, closed=True, stream=BTCUSDT_1M):
    """A candle's event; the number of trades tells one from another."""
    return CandleEvent(candle(stream=stream, count=number, closed=closed))
