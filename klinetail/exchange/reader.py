"""The reader of a connection: bytes in, messages out. The reader does no I/O.

The owner of the socket feeds the reader with the bytes of each read, in pieces of any
size, and takes events from the reader until more bytes are needed. One thread can read
one connection in this way, and one selector can read many connections.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from websocket import ABNF, WebSocketProtocolException

from klinetail.exchange.framing import cut

MAX_MESSAGE: Final = 1 << 20
"""Bytes of one message at most, all fragments together. A kline has about 300."""

MAX_FRAGMENTS: Final = 1024
"""Fragments of one message at most: even empty fragments take memory."""

_MAX_CONTROL: Final = 125
"""Bytes of a control frame's payload (RFC 6455, 5.5)."""

_MASKED: Final = 0x80
"""The bit of the second byte that marks a masked frame; a server never masks."""

_LENGTHS: Final = {126: struct.Struct(">H"), 127: struct.Struct(">Q")}
"""The form of the length behind the second byte, by the value of the second byte."""

_MEANINGS: Final = {
    1000: "normal closure",
    1001: "going away",
    1008: "policy violation",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}
"""Words for close codes without a reason: RFC 6455, 7.4.1, and IANA's registry."""


class Messages(NamedTuple):
    """Whole messages, in the order of the wire."""

    payloads: Sequence[bytes]


class Ping(NamedTuple):
    """A ping of the server; a pong with the same payload has to answer the ping."""

    payload: bytes


class Pong(NamedTuple):
    """A pong of the server."""

    payload: bytes


class Close(NamedTuple):
    """The server closes the connection; no further event follows."""

    reason: str
    """The reason in words."""
    code: int | None
    """The close code, if the server gave one."""


Event = Messages | Ping | Pong | Close


class MessageReader:
    """Turns the bytes that a connection brought into events.

    Text frames are cut out of a read many at a time. All other frames, and fragmented
    messages, take a careful way of their own, one frame at a time.
    """

    def __init__(self) -> None:
        self._data = b""
        """The bytes from which the next events are taken."""
        self._at = 0
        """The number of bytes of `_data` that are used up."""
        self._arrived: list[bytes] = []
        """The bytes that were fed since, not joined to `_data` yet."""
        self._missing = 0
        """The least number of bytes that the next event still lacks; none, if 0 or
        less. A long frame is looked at once in this way, and not at each piece."""
        self._fragments: list[bytes] = []
        """The fragments of the present message, in order."""
        self._size = 0
        """The number of bytes in `_fragments`."""

    def feed(self, data: bytes) -> None:
        """Take in the next bytes of the connection."""
        self._arrived.append(data)
        self._missing -= len(data)

    def next_event(self) -> Event | None:
        """Return the next event, or None if no event is whole yet.

        Raises:
            WebSocketProtocolException: the bytes break the protocol or a limit of ours;
                nothing more can be read.
        """
        if self._missing > 0:
            return None
        if self._arrived:
            self._data += b"".join(self._arrived)
            self._arrived.clear()
        while True:
            if not self._fragments:
                messages, self._at, odd = cut(self._data, self._at)
                if not odd:
                    self._wait_for(1)
                if messages:
                    return Messages(messages)
                if not odd:
                    return None
            frame = self._next_frame()
            if frame is None:
                return None
            event = self._event_of(frame)
            if event is not None:
                return event

    def _wait_for(self, missing: int) -> None:
        """Look at the bytes again once at least so many more have been fed."""
        self._data, self._at = self._data[self._at :], 0
        self._missing = missing

    def _next_frame(self) -> ABNF | None:
        """Return the next frame of any kind, or None if the frame is not whole yet."""
        data, begin = self._data, self._at + 2
        if len(data) < begin:
            self._wait_for(1)
            return None
        first, second = data[begin - 2], data[begin - 1]
        length = second & ~_MASKED
        if (written := _LENGTHS.get(length)) is not None:
            if len(data) < begin + written.size:
                self._wait_for(1)
                return None
            (length,) = written.unpack_from(data, begin)
            begin += written.size
        opcode = first & 0x0F
        if length > MAX_MESSAGE:
            raise WebSocketProtocolException(f"a frame of {length} bytes")
        if opcode >= ABNF.OPCODE_CLOSE and length > _MAX_CONTROL:
            raise WebSocketProtocolException("a control frame that is too long")
        if second & _MASKED:
            raise WebSocketProtocolException("a masked frame")
        end = begin + length
        if end > len(data):
            self._wait_for(end - len(data))
            return None
        self._at = end
        fin, *reserved = (first >> bit & 1 for bit in (7, 6, 5, 4))
        frame = ABNF(fin, *reserved, opcode, 0, data[begin:end])
        # UTF-8 is checked by the decoder, which reads every byte anyway.
        frame.validate(skip_utf8_validation=True)
        return frame

    def _event_of(self, frame: ABNF) -> Event | None:
        """Return the event of a frame, or None if more fragments follow."""
        match frame.opcode:
            case ABNF.OPCODE_PING:
                return Ping(frame.data)
            case ABNF.OPCODE_PONG:
                return Pong(frame.data)
            case ABNF.OPCODE_CLOSE:
                return _close(frame.data)
            case _:
                return self._assembled(frame)

    def _assembled(self, frame: ABNF) -> Messages | None:
        """Return the message if this frame completes a message, or None."""
        if (frame.opcode == ABNF.OPCODE_CONT) != bool(self._fragments):
            raise WebSocketProtocolException("Illegal frame")
        self._fragments.append(frame.data)
        self._size += len(frame.data)
        if self._size > MAX_MESSAGE or len(self._fragments) > MAX_FRAGMENTS:
            raise WebSocketProtocolException("a message in too many fragments")
        if not frame.fin:
            return None
        message = b"".join(self._fragments)
        self._fragments.clear()
        self._size = 0
        return Messages([message])


def _close(payload: bytes) -> Close:
    """Return the event of a close frame with this payload (RFC 6455, 5.5.1)."""
    if len(payload) < 2:
        return Close("the server closed the connection without a code", None)
    code = int.from_bytes(payload[:2])
    words = payload[2:].decode("utf-8", "backslashreplace") or _MEANINGS.get(code, "")
    return Close(f"the server closed the connection: {code} {words}".rstrip(), code)
