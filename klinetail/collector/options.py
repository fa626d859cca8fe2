"""Options: numbers given by a program, refused at once and by name if impossible."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import SupportsFloat, SupportsIndex

from klinetail.candle import Stream
from klinetail.contract.start import check_start
from klinetail.errors import UsageError


def whole(name: str, value: SupportsIndex, least: int) -> int:
    """Return a whole number of at least `least`.

    Raises:
        TypeError: the value is no whole number.
        UsageError: the value is too small.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} has to be a whole number, not {value!r:.60}") from None
    if number < least:
        raise UsageError(f"{name} has to be {least} or more, not {number}")
    return number


def seconds(name: str, value: SupportsFloat) -> float:
    """Return seconds, 0 or more; infinite for a time without an end.

    Raises:
        TypeError: the value is no number.
        UsageError: the value is not a number (NaN), or negative.
    """
    number = real(name, value)
    if not number >= 0:
        raise UsageError(f"{name} has to be 0 seconds or more, not {number}")
    return number


def real(name: str, value: SupportsFloat) -> float:
    """Return a number; a text is not taken for a number.

    Raises:
        TypeError: the value is no number.
    """
    if not hasattr(value, "__float__"):
        raise TypeError(f"{name} has to be a number, not {value!r:.60}")
    return float(value)


def starts_of(
    starts: Mapping[Stream, int] | Mapping[str, int], streams: Sequence[Stream]
) -> Mapping[Stream, int]:
    """Return the start points (open times, ms) by stream.

    Raises:
        UsageError: a stream is not followed, or no candle opens at a start.
    """
    checked: dict[Stream, int] = {}
    followed = frozenset(streams)
    for name, start in starts.items():
        stream = name if isinstance(name, Stream) else Stream.parse(name)
        if stream not in followed:
            raise UsageError(f"{stream} has a start and is not followed")
        check_start(stream, start)
        checked[stream] = start
    return checked
