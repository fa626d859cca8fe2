"""Many klines at once: the answers of `frames.decode`, for less.

What `decode` asks of one frame is asked here of whole columns: the digits in one go,
then the order of the prices. Where anything is not as usual there is no answer, and
each frame is to be looked at by itself. The tests hold the two against one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import le
from typing import Final

import msgspec
from msgspec.structs import astuple

from klinetail.candle import LAST_TIME, Candle, Source, Stream
from klinetail.errors import UsageError
from klinetail.protocol.frames import Kline, decode_frame, stream_of

_FEWEST: Final = 3

_DISTINCT: Final = 15
"""Characters of a price up to which no two differ and are the same float."""

_LONGEST: Final = 20
"""Characters of a number below `_GREATEST` up to which neither of its parts has more
than 18 digits."""

_GREATEST: Final = 1e18
_OF_NUMBERS: Final = b"0123456789.,"
_numbers: Final = msgspec.json.Decoder(list[float]).decode

_STREAM: Final = Source.STREAM
_Place = tuple[Stream, int, int]
"""A stream and the open and close time of one of its candles."""

_places: dict[tuple[str, ...], _Place] = {}
"""Each stream's latest, by its names on the wire: to be found right only once."""

_MOST_PLACES: Final = 65_536


def decode_klines(messages: Sequence[bytes]) -> list[Candle] | None:
    """The candles of frames; None if they are not all ordinary klines, or too few for
    this to be the shorter way."""
    if len(messages) < _FEWEST:
        return None
    try:
        frames = list(map(decode_frame, messages))
    except (ValueError, RecursionError):
        return None
    rows = []
    candles = []
    for frame in frames:
        kline = frame.k
        if (
            kline is None
            or frame.e != "kline"
            or frame.s != kline.s
            or frame.data is not None
            or frame.stream is not None
        ):
            return None
        row = astuple(kline)
        names = row[12:]
        place = _places.get(names)
        if place is None or place[1] != row[0] or place[2] != row[6]:
            if (place := _find_place(kline)) is None:
                return None
            if len(_places) >= _MOST_PLACES:
                _places.clear()
            _places[names] = place
        rows.append(row)
        candle = Candle(place[0], *row[:12], _STREAM, frame.E or 0)  # type: ignore[call-arg]
        candles.append(candle)
    return candles if _sound(rows, [candle.event_time for candle in candles]) else None


def _find_place(kline: Kline) -> _Place | None:
    try:
        stream = stream_of(kline.s, kline.i)
    except UsageError:
        return None
    interval = stream.interval
    if not 0 <= kline.t <= kline.T <= LAST_TIME or not interval.opens_at(kline.t):
        return None
    if interval.close_time(kline.t) != kline.T:
        return None
    return stream, kline.t, kline.T


def _sound(rows: Sequence[tuple[object, ...]], event_times: Sequence[int]) -> bool:
    """Whether all numbers are what they have to be."""
    _, o, h, l, c, v, _, q, counts, tv, tq, *_ = zip(*rows, strict=True)  # noqa: E741
    if min(event_times) <= 0 or max(event_times) > LAST_TIME:
        return False
    if min(counts) < 0 or max(counts) >= 1 << 53:
        return False
    prices = (*o, *h, *l, *c)
    amounts = (*v, *q, *tv, *tq)
    if max(map(len, prices)) > _DISTINCT or max(map(len, amounts)) > _LONGEST:
        return False
    text = ",".join((*prices, *amounts)).encode()
    if text.translate(None, _OF_NUMBERS):
        return False
    try:
        numbers = _numbers(b"[%b]" % text)
    except ValueError:
        return False
    n = len(rows)
    if len(numbers) != 8 * n or max(numbers) >= _GREATEST:
        return False
    opens, highs, lows, closes = (numbers[at : at + n] for at in range(0, 4 * n, n))
    return (
        all(map(le, lows, opens))
        and all(map(le, opens, highs))
        and all(map(le, lows, closes))
        and all(map(le, closes, highs))
    )
