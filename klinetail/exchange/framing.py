"""Framing: many messages out of one read. Pure.

Nearly all that comes is short, unfragmented text, and only that is cut here. All else
is left to the reader's careful way, which takes many times as long.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

_TEXT: Final = 0x81
"""The first byte of a final text frame without extensions (RFC 6455, 5.2)."""

_SHORT: Final = 126
"""The second byte that says that a length of two bytes follows; below it, it is the
length itself. A mask's bit makes it greater."""

_HEAD: Final = Struct(">HH").unpack_from
_PLAIN: Final = _TEXT << 8 | _SHORT
_BEGINNINGS: Final = (b"", b"\x81", b"\x81\x7e")


class Cut(NamedTuple):
    """What was cut off a buffer."""

    messages: list[bytes]
    """The payloads of the text frames that it begins with."""
    end: int
    """Where they end."""
    odd: bool
    """Whether what follows, if anything, is not the beginning of another."""


def cut(data: bytes, at: int = 0) -> Cut:
    """Cut the leading text frames of up to 65,535 bytes off `data`, from `at` on."""
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
