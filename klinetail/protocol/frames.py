"""The frames of the market WebSocket: klines, replies, errors.

Source: "Kline/Candlestick Streams" and "Live Subscribing/Unsubscribing" of the
USDⓈ-M futures documentation, and recorded frames. The recorded frames differ from
the documentation: keys come in any order, and more keys come over time; errors come in
two shapes, and the trade ids do not count the trades.
"""

from __future__ import annotations

import functools
from typing import Final

import msgspec

from klinetail.candle import LAST_TIME, Candle, Source, Stream
from klinetail.errors import BadMessage, UsageError
from klinetail.protocol.lenient_json import sample

REMEMBERED: Final = 65_536
"""Greatest number of streams and names remembered as lately checked or written:
several markets' worth."""


class Reply(msgspec.Struct, frozen=True):
    """An answer to a request: an ack (`result` is None), a list, a property.

    An ack proves nothing: the exchange acks unknown streams too, and unknown streams
    then stay silent.
    """

    id: int | str | None
    result: object


class Rejection(msgspec.Struct, frozen=True):
    """An error in answer to a request.

    The codes are: 0 and 1 for a property, 2 for an invalid request, 3 for invalid JSON
    (a disconnect follows), 4 for too many streams (close 1008 follows).
    """

    code: int
    message: str
    id: int | str | None = None


class Kline(msgspec.Struct, gc=False):
    """The object `k` of a kline frame on the wire."""

    t: int
    o: str
    h: str
    l: str  # noqa: E741
    c: str
    v: str
    T: int
    q: str
    n: int
    V: str
    Q: str
    x: bool
    s: str
    i: str


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


class _Event(msgspec.Struct, gc=False):
    e: str | None = None
    E: int | None = None
    s: str | None = None
    k: Kline | None = None


class Frame(_Event, gc=False):
    """Any frame: a kline, bare or wrapped, a reply or an error."""

    stream: str | None = None
    data: _Event | None = None
    result: object = msgspec.UNSET
    id: int | str | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str | None = None


decode_frame = msgspec.json.Decoder(Frame).decode
"""The decoder of the frame in a message, with unchecked values. The decoder raises a
ValueError or a RecursionError if the message holds no frame."""


def decode(message: str | bytes) -> Candle | Reply | Rejection:
    """Decode one frame's payload.

    Raises:
        BadMessage: the payload is anything but a kline, a reply or an error.
    """
    try:
        frame = decode_frame(message)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise BadMessage(str(error), sample(message)) from None
    event = frame if frame.data is None else frame.data
    if (kline := event.k) is not None:
        return _candle(event, kline, frame.stream, message)
    if frame.error is not None:
        return Rejection(frame.error.code, frame.error.msg, frame.id)
    if frame.code is not None:
        return Rejection(frame.code, frame.msg or "", frame.id)
    if frame.result is not msgspec.UNSET:
        return Reply(frame.id, frame.result)
    raise BadMessage(f"no kline, reply or error: event {event.e!r}", sample(message))


def _candle(
    event: _Event, kline: Kline, name: str | None, message: str | bytes
) -> Candle:
    if event.e != "kline" or event.E is None or event.s != kline.s:
        reason = f"not a kline of one symbol: event {event.e!r}"
        raise BadMessage(reason, sample(message))
    try:
        stream = stream_of(kline.s, kline.i)
    except UsageError as error:
        raise BadMessage(str(error), sample(message)) from None
    candle = Candle(
        stream,
        kline.t,
        kline.o,
        kline.h,
        kline.l,
        kline.c,
        kline.v,
        kline.T,
        kline.q,
        kline.n,
        kline.V,
        kline.Q,
        kline.x,
        Source.STREAM,
        event.E,
    )
    if (fault := candle.fault()) is not None:
        raise BadMessage(fault, sample(message))
    if not 0 < event.E <= LAST_TIME:
        raise BadMessage("the event time is out of range", sample(message))
    if name is not None and name != stream_name(stream):
        raise BadMessage(f"a kline under another's name: {name!r}", sample(message))
    return candle


@functools.lru_cache(maxsize=REMEMBERED)
def stream_of(symbol: str, interval: str) -> Stream:
    """Return the stream of a kline's names.

    Raises:
        UsageError: no stream can have the names.
    """
    stream = Stream.of(symbol, interval)
    if stream.symbol != symbol:
        raise UsageError("a symbol is upper case")
    return stream


@functools.lru_cache(maxsize=REMEMBERED)
def stream_name(stream: Stream) -> str:
    """Return the name on the wire, `btcusdt@kline_1m`.

    The symbol is lower case: the exchange acks an upper-case name and stays silent. The
    interval keeps its case: 1M is not 1m.
    """
    return f"{stream.symbol.lower()}@kline_{stream.interval}"


def parse_stream_name(name: str) -> Stream | None:
    """Return the stream of a wire name; None where the exchange would stay silent."""
    symbol, _, interval = name.partition("@kline_")
    if symbol != symbol.lower():
        return None
    try:
        return Stream.of(symbol, interval)
    except UsageError:
        return None


def encode_kline(
    candle: Candle, *, first_trade: int, last_trade: int, combined: bool
) -> str:
    """Return a kline frame as the exchange writes the frame, with the spaces in `k`.

    Args:
        candle: the candle to write; its `event_time` is the frame's.
        first_trade: the id of the candle's first trade, -1 if the candle has no trade.
        last_trade: the id of the candle's latest trade.
        combined: whether the frame is wrapped as on `/stream`, or bare as on `/ws`.
    """
    symbol = _quoted(candle.symbol)
    event = (
        f'{{"e":"kline","E":{candle.event_time},"s":{symbol},"k":{{'
        f'"t":{candle.open_time}, "T":{candle.close_time}, "s":{symbol}, '
        f'"i":"{candle.interval}", "f":{first_trade}, "L":{last_trade}, '
        f'"o":"{candle.open_text}", "c":"{candle.close_text}", '
        f'"h":"{candle.high_text}", "l":"{candle.low_text}", '
        f'"v":"{candle.volume_text}", "n":{candle.count}, '
        f'"x":{"true" if candle.closed else "false"}, '
        f'"q":"{candle.quote_volume_text}", '
        f'"V":"{candle.taker_buy_volume_text}", '
        f'"Q":"{candle.taker_buy_quote_volume_text}", "B":"0"}}}}'
    )
    if not combined:
        return event
    return f'{{"stream":{_quoted(stream_name(candle.stream))},"data":{event}}}'


def encode_reply(reply: Reply | Rejection) -> str:
    """Return a reply or an error in the exchange's form, never in the wrapper."""
    body: dict[str, object]
    if isinstance(reply, Reply):
        body = {"result": reply.result, "id": reply.id}
    else:
        body = {"error": {"code": reply.code, "msg": reply.message}}
        if reply.id is not None:
            body["id"] = reply.id
    return msgspec.json.encode(body).decode()


@functools.lru_cache(maxsize=REMEMBERED)
def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
