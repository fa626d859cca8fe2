"""Values as other programs write them back, and the last check of a decoded candle.

pandas, jq and spreadsheet programs read a recording and write a file in their own
spelling: `9.8e-07`, `0E-7`, `True`. The value is the same, and is read exactly.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from klinetail.candle import LAST_TIME, Candle
from klinetail.errors import BadRecording

BOOLEANS: Final = {
    word: value
    for value, words in ((True, "true True TRUE"), (False, "false False FALSE"))
    for word in words.split()
}
"""The spellings of a truth value: ours, pandas', and that of spreadsheet programs."""


class BadCandle(BadRecording):
    """A line holds a candle whose values cannot be right.

    Args:
        reason: what is wrong.
        candle: the candle with the values of the line.
    """

    def __init__(self, reason: str, candle: Candle) -> None:
        super().__init__(reason)
        self.candle = candle
        """The candle with the values of the line."""


_EXPONENT: Final = re.compile(
    r"[0-9]{1,18}(?:\.[0-9]{1,18})?[eE][+-]?[0-9]{1,2}"
).fullmatch


def plain(text: str) -> str:
    """Return a number with an exponent in plain digits: `0.000000980` for `9.80E-7`;
    any other text as it is."""
    if _EXPONENT(text) is None:
        return text
    return f"{Decimal(text):f}"


def sound(candle: Candle) -> Candle:
    """Return the candle.

    Raises:
        BadCandle: the values are no possible candle of the stream.
    """
    fault = candle.fault()
    if fault is None:
        return candle
    if LAST_TIME < candle.open_time <= LAST_TIME * 1000:
        fault = (
            "the times are in microseconds, as in the exchange's spot dumps since 2025;"
            " klinetail reads milliseconds, as in the dumps of USDⓈ-M futures"
        )
    raise BadCandle(f"no candle: {fault}", candle)


_NUMBER: Final = re.compile(
    rb'(?:^|[,:;\t])"? *([0-9]+(?:\.([0-9]+))?([eE][+-]?[0-9]+)?)(?=[ ",;\t}\r]|$)'
)
"""A number of CSV or of JSON, its decimals and its exponent."""

_ORDINARY: Final = 8
"""Decimals of a number of the exchange at most: its `quotePrecision`."""

_FLOAT: Final = 16
"""Digits at least of a number that a calculation with floats has left behind."""


def has_float(line: bytes) -> bool:
    """Return whether a number of a line has the digits that a float leaves behind: an
    exponent, or all the digits of a float, as in 0.30000000000000004."""
    return any(map(_from_float, _NUMBER.findall(line)))


def _from_float(found: tuple[bytes, bytes, bytes]) -> bool:
    number, decimals, exponent = found
    if exponent:
        return True
    places = len(decimals)
    digits = len(number.replace(b".", b"").lstrip(b"0"))
    if places <= _ORDINARY or digits < _FLOAT or len(number) > _LONGEST:
        return False
    return f"{float(number):.{places}f}".encode() == number


_LONGEST: Final = 40
"""Characters of a number at most; a candle's are shorter."""
