"""Invalid messages and invalid WebSocket frames. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from klinetail.candle import Candle
from klinetail.protocol.frames import encode_kline

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv1: bool = False,
    masked: bool = False,
    length: int | None = None,
) -> bytes:
    """Return a WebSocket frame as written by a server, valid or not.

    Args:
        opcode: the frame's opcode.
        payload: the frame's payload.
        fin: whether the frame ends a message.
        rsv1: whether the first reserved bit is set.
        masked: whether the payload is masked; only clients may mask.
        length: the length in the header, if other than the payload's.
    """
    size = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv1 << 6 | opcode])
    mask = masked << 7
    if size < 126:
        head += bytes([mask | size])
    elif size < 1 << 16:
        head += struct.pack("!BH", mask | 126, size)
    else:
        head += struct.pack("!BQ", mask | 127, size)
    return head + (bytes(4) if masked else b"") + payload


def fragments(payload: bytes, pieces: int) -> bytes:
    """Return a text message in pieces, with a ping after the first piece: all valid."""
    size = max(1, -(-len(payload) // pieces))
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    frames = [
        frame(CONT if at else TEXT, part, fin=at == len(parts) - 1)
        for at, part in enumerate(parts)
    ]
    frames.insert(1, frame(PING, b"between"))
    return b"".join(frames)


BAD_FRAMES: Final[Mapping[str, Callable[[], bytes]]] = {
    "promises 2^40 bytes": partial(frame, TEXT, b"{", length=1 << 40),
    "promises 2^63 bytes": partial(frame, TEXT, b"{", length=1 << 63),
    "2 MiB": lambda: frame(TEXT, b'"' + b"x" * (2 << 20) + b'"'),
    "reserved bit": partial(frame, TEXT, b"{}", rsv1=True),
    "unknown opcode": partial(frame, 3, b"{}"),
    "unknown control opcode": partial(frame, 11),
    "masked": partial(frame, TEXT, b"{}", masked=True),
    "ping of 126 bytes": partial(frame, PING, b"x" * 126),
    "fragmented ping": partial(frame, PING, b"x", fin=False),
    "continues nothing": partial(frame, CONT, b"{}"),
    "never finished": lambda: frame(TEXT, b"{", fin=False) + frame(TEXT, b"{}"),
    "truncated UTF-8": partial(frame, TEXT, b'{"s":"\xe5\xb8'),
    "invalid UTF-8": partial(frame, TEXT, b"\xff\xfe\xc0\x80"),
    "half a close code": partial(frame, CLOSE, b"\x03"),
}
"""Frames forbidden by the protocol (RFC 6455), or too large: a client must end the
connection."""

CLOSES: Final = (
    (1000, ""),
    (1001, "going away"),
    (1006, ""),
    (1008, "Too many requests"),
    (1008, "Invalid request"),
    (1011, "internal error"),
    (1012, "service restart"),
    (1013, "try again later"),
    (1000, "\x1b[2J\x1b]0;owned\x07\u202ebye"),
    (None, ""),
)
"""Codes and reasons of CLOSE frames; None is a CLOSE frame without a code."""


def close_frame(code: int | None, reason: str) -> bytes:
    """Return a CLOSE frame."""
    if code is None:
        return frame(CLOSE)
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


def garbage(candle: Candle, random: Random) -> str | bytes:
    """Return a message that is no sound candle of the stream, or a sound frame of
    `candle` with oddities to be ignored by a client."""
    return random.choice(GARBAGE)(candle)


def _text(candle: Candle) -> str:
    """Return a candle as the text of a frame."""
    first = candle.open_time
    return encode_kline(
        candle, first_trade=first, last_trade=first + candle.count, combined=False
    )


def _changed(**changes: Any) -> Callable[[Candle], str]:
    """Return a function making a frame with other values in `k`; None removes a key."""

    def make(candle: Candle) -> str:
        event = json.loads(_text(candle))
        kline = {**event["k"], **changes}
        event["k"] = {key: value for key, value in kline.items() if value is not None}
        return json.dumps(event)

    return make


def _said(message: str | bytes) -> Callable[[Candle], str | bytes]:
    """Return a function making a fixed message."""
    return lambda _: message


def _replaced(old: str, new: str) -> Callable[[Candle], str]:
    """Return a function making a frame with a replaced part."""
    return lambda candle: _text(candle).replace(old, new, 1)


def _shifted(candle: Candle) -> Candle:
    """Return the candle with an impossible open time."""
    open_time, close_time = candle.open_time + 1, candle.close_time + 1
    return replace(candle, open_time=open_time, close_time=close_time)


GARBAGE: Final[tuple[Callable[[Candle], str | bytes], ...]] = (
    _said(""),
    _said("not JSON"),
    _said("null"),
    _said("[]"),
    _said('"x"'),
    _said("0"),
    _said("{}"),
    _said("[" * 100_000),
    _said('{"e":' + "9" * 5_000 + "}"),
    _said('{"e":"\\ud800"}'),
    _said('{"e":"serverShutdown","E":1700000000000}'),
    _said('{"e":"aggTrade","E":1700000000000,"s":"BTCUSDT","p":"1"}'),
    _said('{"e":"kline"}'),
    _said('{"result":null,"id":987654321}'),
    _said('{"error":{"code":0,"msg":"\\u001b[2Jescaped"},"id":987654321}'),
    _said(b"\x00\x01\x02 binary"),
    _said(b"\x80\xff"),
    lambda candle: _text(candle)[: len(_text(candle)) // 2],
    lambda candle: "\ufeff" + _text(candle),
    lambda candle: _text(candle).encode(),
    _changed(c=None),
    _changed(x="true"),
    _changed(t=True),
    _changed(o=1.5),
    _changed(c="NaN"),
    _changed(c="-1"),
    _changed(v="Infinity"),
    _changed(v="1e5"),
    _changed(q="1_000"),
    _changed(Q="\uff11"),
    _changed(V="9" * 400),
    _changed(n=-1),
    _changed(n=10**30),
    _changed(n=1.5),
    _changed(h="0"),
    _changed(i="7m"),
    _changed(s="../../X"),
    _changed(s="\x1b[2J"),
    lambda candle: _text(replace(candle, open_time=candle.open_time + 1)),
    lambda candle: _text(_shifted(candle)),
    lambda candle: f'{{"stream":"other@kline_1m","data":{_text(candle)}}}',
    _replaced('"x":', '"x":false, "x":'),
    _changed(T=1),
    _replaced('"t":', '"t":1'),
    _replaced('"c":"', '"c":NaN,"_":"'),
    _changed(st=1, z={"new": [1, 2]}),
)
"""Functions making an invalid message, or a sound frame with oddities."""
