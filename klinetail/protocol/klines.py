"""Rows of klines: the REST answers with candles, both ways. Pure.

Source: "Kline/Candlestick Data" of the USDⓈ-M futures documentation, and recorded
answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from klinetail.candle import LAST_TIME, Candle, Interval, Source, Stream
from klinetail.errors import BadMessage
from klinetail.protocol.lenient_json import SAMPLE, sample, short_integer
from klinetail.protocol.venues import LIVE


class BadRow(msgspec.Struct, frozen=True):
    """An unbelievable row of an answer. A bad row leaves all further rows usable."""

    open_time: int | None
    """Open time of the candle that the row stands for, ms; None if nothing tells the
    open time."""
    reason: str
    """The fault of the row, in a few words of ours."""
    sample: str = ""
    """The beginning of the row, unescaped: text from the network."""


Row = Candle | BadRow
"""A row of an answer as understood by the decoder."""


class _Values(msgspec.Struct, array_like=True, gc=False):
    """The eleven meaningful values of a row. The exchange calls the twelfth value
    "ignore"; nothing after the eleven values is looked at."""

    open_time: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_time: int
    quote_volume: str
    count: int
    taker_buy_volume: str
    taker_buy_quote_volume: str


_WIDTH: Final = len(_Values.__struct_fields__)
_values_decoder = msgspec.json.Decoder(list[_Values])


def decode_rows(body: bytes, stream: Stream, most: int = LIVE.limits.rows) -> list[Row]:
    """Return the rows of an answer about klines, ascending, each candle once.

    The exchange does not flag the candle that is still forming, and therefore every
    candle comes back as `closed`; whether a candle is final is the reader's to judge.
    Nothing is lost if an answer lacks rows, has the rows in any order, or has a row
    twice alike. An impossible row, or a row that comes twice with different values, is
    a `BadRow` in the row's place; bad rows without a known place come last.

    Args:
        body: the answer's body.
        stream: the stream whose candles were asked for.
        most: the number of rows that can be asked for; a longer list with an odd row
            is not looked through.

    Raises:
        BadMessage: the answer is no list of rows at all.
    """
    try:
        rows = [_row_of(values, stream) for values in _values_decoder.decode(body)]
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        rows = [*_rows_one_by_one(body, stream, most)]
    return rows if _are_as_usual(rows) else _in_order(rows, stream.interval)


def _row_of(values: _Values, stream: Stream) -> Row:
    candle = Candle(
        stream,
        values.open_time,
        values.open,
        values.high,
        values.low,
        values.close,
        values.volume,
        values.close_time,
        values.quote_volume,
        values.count,
        values.taker_buy_volume,
        values.taker_buy_quote_volume,
        True,
        Source.REST,
    )
    if (fault := candle.fault()) is None:
        return candle
    written = _written(msgspec.structs.astuple(values))
    return BadRow(_place(values.open_time, stream.interval), fault, written)


def _rows_one_by_one(body: bytes, stream: Stream, most: int) -> Iterator[Row]:
    """Return the rows of an answer with at least one odd row. Python's own reader takes
    more than msgspec's does: half a surrogate, say, then costs only one row."""
    import json  # almost no run needs json, and loading takes time at the start

    try:
        text = body.decode("utf-8", "replace")
        rows = json.loads(text, parse_int=short_integer)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no list of klines: {error}", sample(body)) from None
    if not isinstance(rows, list):
        raise BadMessage("no list of klines", sample(body))
    if len(rows) > most:
        reason = f"{len(rows)} klines, of at most {most} that can be asked for"
        raise BadMessage(reason, sample(body))
    for row in rows:
        try:
            known = row[:_WIDTH] if isinstance(row, list) else row
            values = msgspec.convert(known, _Values)
        except (ValueError, RecursionError) as error:
            first = row[0] if isinstance(row, list) and row else None
            time = first if type(first) is int else -1
            yield BadRow(_place(time, stream.interval), str(error), _written(row))
        else:
            yield _row_of(values, stream)


def _written(row: object) -> str:
    """Return the beginning of a row, in ASCII whatever the row holds."""
    import json

    return json.dumps(row)[:SAMPLE]


def _place(open_time: int, interval: Interval) -> int | None:
    """Return the open time of a row, if a candle can open at that time; else None."""
    if 0 <= open_time <= LAST_TIME and interval.opens_at(open_time):
        return open_time
    return None


def _are_as_usual(rows: Sequence[Row]) -> bool:
    """Return whether the rows are consecutive candles. Rows nearly always are: minutes
    without a trade have a row too."""
    expected: int | None = None
    for row in rows:
        if isinstance(row, BadRow) or expected not in (None, row.open_time):
            return False
        expected = row.close_time + 1
    return True


def _in_order(rows: Sequence[Row], interval: Interval) -> list[Row]:
    """Return the rows by open time, one for each candle; rows without a place last."""
    by_time: dict[int, Row] = {}
    homeless = []
    for row in _placed(rows, interval):
        if row.open_time is None:
            homeless.append(row)
            continue
        other = by_time.setdefault(row.open_time, row)
        if not _say_the_same(row, other):
            shown = row.sample if isinstance(row, BadRow) else _sample_of(row)
            by_time[row.open_time] = BadRow(row.open_time, _DIFFERING, shown)
    return [*(by_time[time] for time in sorted(by_time)), *homeless]


_DIFFERING: Final = "the row comes twice, with different values"


def _say_the_same(one: Row, other: Row) -> bool:
    if isinstance(one, BadRow) or isinstance(other, BadRow):
        return isinstance(one, BadRow) and isinstance(other, BadRow)
    return one.same_values(other)


def _sample_of(candle: Candle) -> str:
    return sample(encode_rows([candle])[1:-1])


def _placed(rows: Sequence[Row], interval: Interval) -> Iterator[Row]:
    """Return the rows. If there is room, a row without an open time stands for the
    candle after the preceding row, or for the candle before the following row."""
    times = [row.open_time for row in rows]
    taken = {time for time in times if time is not None}
    for at, row in enumerate(rows):
        if isinstance(row, BadRow) and row.open_time is None:
            time = _room_for(at, times, taken, interval)
            if time is not None:
                taken.add(time)
                times[at] = time
                row = msgspec.structs.replace(row, open_time=time)
        yield row


def _room_for(
    at: int, times: Sequence[int | None], taken: set[int], interval: Interval
) -> int | None:
    for neighbour, steps in ((at - 1, 1), (at + 1, -1)):
        time = times[neighbour] if 0 <= neighbour < len(times) else None
        if time is not None and (room := interval.shift(time, steps)) not in taken:
            return room
    return None


def encode_rows(candles: Sequence[Candle]) -> bytes:
    """Return candles as an answer about klines."""
    return msgspec.json.encode(
        [
            (
                candle.open_time,
                candle.open_text,
                candle.high_text,
                candle.low_text,
                candle.close_text,
                candle.volume_text,
                candle.close_time,
                candle.quote_volume_text,
                candle.count,
                candle.taker_buy_volume_text,
                candle.taker_buy_quote_volume_text,
                "0",
            )
            for candle in candles
        ]
    )
