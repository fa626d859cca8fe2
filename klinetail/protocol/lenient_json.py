"""Lenient reading of JSON: odd parts cost nothing but themselves. Pure.

Answers of the exchange are decoded by msgspec. Python's own decoder takes four times as
long, but accepts more, and is used for an answer that msgspec refuses.
"""

from __future__ import annotations

from typing import Final

SAMPLE: Final = 200
"""The length of a kept sample of bad text: bytes, or characters."""

_LONGEST_INTEGER: Final = 40
"""Digits of a whole number at most; a longer number is no value of the exchange."""


def decode_leniently(body: bytes) -> object:
    """Return JSON as read by Python's own decoder; None if the body is no JSON.

    The decoder reads on after an odd string: the decoder accepts lone surrogates, and
    bytes outside of UTF-8 come as lone surrogates here. Numbers that are too long come
    as None.
    """
    import json  # only for odd answers: loading takes time at the start

    text = body.decode("utf-8", "surrogateescape")
    try:
        found: object = json.loads(text, strict=False, parse_int=short_integer)
    except (ValueError, RecursionError):
        return None
    return found


def short_integer(digits: str) -> int | None:
    """Return a whole number in JSON; None if the number is too long for any value.

    Python would refuse the whole answer for a number of thousands of digits.
    """
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None


def sample(message: str | bytes) -> str:
    """Return the beginning of a bad message; bytes outside of UTF-8 are written out."""
    head = message[:SAMPLE]
    return head if isinstance(head, str) else head.decode("utf-8", "backslashreplace")


def encodable(text: str) -> str:
    """Return the text in an encodable form: lone surrogates are written out."""
    return text.encode("utf-8", "backslashreplace").decode()
