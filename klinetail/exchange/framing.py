"""Framing: cuts many messages out of one read. Pure.

Nearly all frames are short, unfragmented text, and only those frames are cut here. The
reader takes all other frames one by one, at many times the cost of a frame.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

_TEXT: Final = 0x81
"""The first byte of a final text frame without extensions (RFC 6455, 5.2)."""

_SHORT: Final = 126
"""The value of a frame's second byte if a length of two bytes follows. A smaller value
is the length itself. The bit of a mask makes the value greater."""

_HEAD: Final = Struct(">HH").unpack_from
"""Reads the first two bytes of a frame as one number, and the next two as another."""

_PLAIN: Final = _TEXT << 8 | _SHORT
"""The first two bytes of a text frame with a length of two bytes, as one number."""

_BEGINNINGS: Final = (b"", b"\x81", b"\x81\x7e")
"""The first bytes, two at most, of a text frame whose length is still to come."""


class Cut(NamedTuple):
    """The result of `cut`: the messages of a buffer, and where the messages end."""

    messages: list[bytes]
    """The payloads of the text frames at the beginning of the buffer, in order."""
    end: int
    """The index of the first byte behind these frames."""
    odd: bool
    """Whether the bytes from `end` on belong to a frame of another kind."""


def cut(data: bytes, at: int = 0) -> Cut:
    """Return the text frames of up to 65,535 bytes that `data` begins with.

    Args:
        data: bytes of a connection; the first byte at `at` begins a frame.
        at: the index of the first byte to look at.
    """
    messages: list[bytes] = []
    add = messages.append
    size = len(data)
    while size - at >= 4:
        head, length = _HEAD(data, at)
        begin = at + 4
        if head != _PLAIN:
            length = data[at + 1]
            begin = at + 2
            if data[at] != _TEXT or length >= _SHORT:
                return Cut(messages, at, odd=True)
        end = begin + length
        if end > size:
            return Cut(messages, at, odd=False)
        add(data[begin:end])
        at = end
    return Cut(messages, at, odd=data[at : at + 2] not in _BEGINNINGS)
