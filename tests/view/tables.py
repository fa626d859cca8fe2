"""Tables with something in them, and what they show."""

from datetime import UTC

import msgspec

from klinetail.candle import MINUTE, Interval, Stream
from klinetail.protocol.venues import LIVE
from klinetail.view.table import Table
from klinetail.view.theme import UNICODE
from tests.strategies import BTCUSDT_1M, candle

START = 1_700_000_040_000  # 2023-11-14 22:14 UTC
ETHUSDT_1M = Stream("ETHUSDT", Interval.M1)


def table_of(*streams, source=LIVE.name, glyphs=UNICODE, tz=UTC, **columns):
    real = source == LIVE.name
    streams = streams or [BTCUSDT_1M]
    return Table(streams, tz=tz, source=source, real=real, glyphs=glyphs, **columns)


def plain(lines):
    return [line.plain.rstrip() for line in lines]


def filled_table(count=5, **kwargs):
    table = table_of(**kwargs)
    table.put(candle(START + k * MINUTE) for k in range(count))
    table.put([forming(START + count * MINUTE)])
    return table


def forming(open_time, *, stream=BTCUSDT_1M, close="100.50", at=10_000):
    prices = ("100.10", "100.90", "100.00", close)
    made = candle(open_time, stream=stream, prices=prices, closed=False)
    return msgspec.structs.replace(made, event_time=open_time + at)
