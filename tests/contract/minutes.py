"""Minutes of a small exchange: candles, rows, how rows can be spoilt, and a Series that
has begun."""

from __future__ import annotations

import json
import random

from klinetail.candle import MINUTE, Candle, Interval, Source, Stream
from klinetail.clock import Moment
from klinetail.contract.series import Series
from klinetail.protocol.klines import Row, decode_rows, encode_rows

STREAM = Stream("BTCUSDT", Interval.M1)
T0 = 1_700_000_040_000 - 1_700_000_040_000 % MINUTE


def candle(
    open_time: int,
    count: int,
    *,
    closed: bool = True,
    event_time: int | None = None,
    source: Source = Source.STREAM,
    stream: Stream = STREAM,
) -> Candle:
    """A candle whose values tell how many trades went into it."""
    close_time = stream.interval.close_time(open_time)
    if source is Source.REST:
        event_time = 0
    elif event_time is None:
        event_time = close_time + 500 if closed else open_time + count
    price = str(100 + count)
    return Candle(
        stream,
        open_time,
        "100",
        price,
        "100",
        price,
        str(count),
        close_time,
        str(count),
        count,
        "0",
        "0",
        closed,
        source,
        event_time,
    )


def final_count(open_time: int) -> int:
    """How many trades the minute has in the end: now and then none."""
    return random.Random(open_time).choice([0, 1, 2, 5, 40])


def count_at(open_time: int, time: int) -> int:
    """How many of them happened until `time`; the last one at the very end."""
    passed = max(0, min(time - open_time, MINUTE))
    return final_count(open_time) * passed // MINUTE


def row(open_time: int, time: int) -> Candle:
    """The REST row as of `time`."""
    return candle(open_time, count_at(open_time, time), source=Source.REST)


def written(*rows: Candle) -> list:
    """Rows as the exchange writes them, each a list of its values."""
    return json.loads(encode_rows(rows))


def spoilt(rows: list, at: int, how: str) -> list:
    """The rows of an answer as one of them is bad; `null` is not a row at all."""
    open_time, first, high, low, *others = bad = list(rows[at])
    bad = {
        "negative": [open_time, first, high, low, others[0], "-1", *others[2:]],
        "crossed": [open_time, first, "99", *bad[3:]],
        "early": [*bad[:6], bad[6] - 1, *bad[7:]],
        "short": bad[:10],
        "null": None,
        "longer": [*bad[:11], 7, {"x": [[]]}, "0"],
        "differing": [*bad[:8], bad[8] + 1, *bad[9:]],
    }.get(how, bad)
    put = {"absent": [], "doubled": [bad, bad], "differing": [rows[at], bad]}
    return [*rows[:at], *put.get(how, [bad]), *rows[at + 1 :]]


HARMLESS = ("doubled", "longer")
IMPOSSIBLE = ("negative", "crossed", "early", "short", "differing")
HOWS = (*HARMLESS, *IMPOSSIBLE, "null", "absent")
ORDERS = ("ascending", "ascending", "swapped", "descending")


def ordered(rows: list, order: str) -> list:
    """The rows in another order."""
    if order == "descending":
        return rows[::-1]
    return [*rows[1::-1], *rows[2:]] if order == "swapped" else rows


def answer_of(rows: list) -> list[Row]:
    """What is read of an answer of these rows."""
    return decode_rows(json.dumps(rows).encode(), STREAM)


def moment(exchange: int, monotonic: float | None = None) -> Moment:
    """A moment at which both clocks run alike unless said otherwise."""
    return Moment(exchange, exchange / 1000 if monotonic is None else monotonic)


def begun(lines: int = 0, **options: object) -> Series:
    """A series begun in the middle of the minute at T0."""
    series = Series(STREAM, lines=lines, **options)
    series.begin(moment(T0 + 30_000))
    return series
