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
        BadRecording: the values are no possible candle of the stream.
    """
    fault = candle.fault()
    if fault is None:
        return candle
    if LAST_TIME < candle.open_time <= LAST_TIME * 1000:
        fault = (
            "the times are in microseconds, as in the exchange's spot dumps since 2025;"
            " klinetail reads milliseconds, as in the dumps of USDⓈ-M futures"
        )
    raise BadRecording(f"no candle: {fault}")
