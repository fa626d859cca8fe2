"""Many klines at once: the answers of `frames.decode`, for less.

A frame is decoded into a narrower form of the same structs, and the narrower form
leaves no doubt about the frame's kind and the size of its numbers. The checks of one
frame in `decode` are made here on whole columns: the digits in one go, and the order of
the prices. Where anything is not as usual the answer is None, and each frame is to be
looked at by itself. The tests compare the two ways of decoding with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import le
from typing import Annotated, Final, Literal

import msgspec

from klinetail.candle import LAST_TIME, Candle, Source, Stream
from klinetail.errors import UsageError
from klinetail.protocol.frames import REMEMBERED, Frame, Kline, stream_of

_MANY: Final = 4

_Price = Annotated[str, msgspec.Meta(max_length=15)]
"""A price: short enough for two different texts always to be different floats."""

_Amount = Annotated[str, msgspec.Meta(max_length=20)]
"""An amount: short enough for each of its parts to have at most 18 digits, if the
amount is below 1e18."""

_Number = Annotated[float, msgspec.Meta(lt=1e18)]


class _Kline(Kline, gc=False):
    o: _Price
    h: _Price
    l: _Price  # noqa: E741
    c: _Price
    v: _Amount
    q: _Amount
    V: _Amount
    Q: _Amount
    n: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class _Frame(Frame, gc=False, kw_only=True):
    e: Literal["kline"]
    E: Annotated[int, msgspec.Meta(gt=0, le=LAST_TIME)]
    s: str
    k: _Kline
    stream: None = None
    data: None = None


_decode = msgspec.json.Decoder(_Frame).decode
_numbers = msgspec.json.Decoder(list[_Number]).decode
_OF_NUMBERS: Final = b"0123456789.,"
_STREAM: Final = Source.STREAM

_Place = tuple[Stream, int, int]
"""A stream and the open and close time of one of its candles."""

_places: dict[tuple[str, str], _Place] = {}
"""Each stream's latest place, by the names on the wire: a place is checked only
once."""


def decode_klines(messages: Sequence[bytes]) -> list[Candle] | None:
    """Return the candles of frames; None if not all frames are ordinary klines."""
    candles = []
    try:
        for frame in map(_decode, messages):
            k = frame.k
            names = k.s, k.i
            place = _places.get(names)
            if place is None or place[1] != k.t or place[2] != k.T:
                place = _find_place(k)
                _keep_place(names, place)
            if frame.s != k.s:
                return None
            candles.append(
                Candle(
                    place[0],
                    k.t,
                    k.o,
                    k.h,
                    k.l,
                    k.c,
                    k.v,
                    k.T,
                    k.q,
                    k.n,
                    k.V,
                    k.Q,
                    k.x,
                    _STREAM,
                    frame.E,
                )
            )
        few = len(candles) < _MANY
        sound = all(map(_sound_alone, candles)) if few else _sound(candles)
        return candles if sound else None
    except (ValueError, RecursionError, UsageError):  # msgspec's are ValueErrors
        return None


def _find_place(kline: Kline) -> _Place:
    stream = stream_of(kline.s, kline.i)
    interval = stream.interval
    if (
        kline.t < 0
        or kline.T > LAST_TIME
        or not interval.opens_at(kline.t)
        or interval.close_time(kline.t) != kline.T
    ):
        raise ValueError("a candle out of place")
    return stream, kline.t, kline.T


def _keep_place(names: tuple[str, str], place: _Place) -> None:
    if len(_places) >= REMEMBERED:
        _places.clear()
    _places[names] = place


def _sound_alone(candle: Candle) -> bool:
    """Return the same as `_sound`, for one candle: columns suit few candles badly."""
    text = (
        f"{candle.open_text},{candle.high_text},{candle.low_text},{candle.close_text},"
        f"{candle.volume_text},{candle.quote_volume_text},"
        f"{candle.taker_buy_volume_text},{candle.taker_buy_quote_volume_text}"
    ).encode()
    if text.translate(None, _OF_NUMBERS):
        return False
    numbers = _numbers(b"[%b]" % text)
    if len(numbers) != 8:
        return False
    first, high, low, last, *_ = numbers
    return low <= first <= high and low <= last <= high


def _sound(candles: Sequence[Candle]) -> bool:
    """Return whether the texts are plain decimals and the prices are in order."""
    texts = [
        *[candle.open_text for candle in candles],
        *[candle.high_text for candle in candles],
        *[candle.low_text for candle in candles],
        *[candle.close_text for candle in candles],
        *[candle.volume_text for candle in candles],
        *[candle.quote_volume_text for candle in candles],
        *[candle.taker_buy_volume_text for candle in candles],
        *[candle.taker_buy_quote_volume_text for candle in candles],
    ]
    text = ",".join(texts).encode()
    if text.translate(None, _OF_NUMBERS):
        return False
    numbers = _numbers(b"[%b]" % text)
    n = len(candles)
    if len(numbers) != 8 * n:
        return False
    opens, highs, lows, closes = (numbers[at : at + n] for at in range(0, 4 * n, n))
    return (
        all(map(le, lows, opens))
        and all(map(le, opens, highs))
        and all(map(le, lows, closes))
        and all(map(le, closes, highs))
    )
