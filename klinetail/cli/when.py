"""WHEN: a moment in the past, as a person writes it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from klinetail.candle import DAY, HOUR, LAST_TIME, MINUTE
from klinetail.errors import UsageError

_UNITS: Final = {"s": 1000, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
"""By unit of a duration, its length in ms."""

_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhdw])+").fullmatch
_PART: Final = re.compile(r"([0-9]+)([smhdw])").findall

_SECONDS: Final = 10**11
"""Numbers below are seconds, other numbers milliseconds: in milliseconds they would be
before 1974."""

HELP: Final = (
    "a duration before now (90s, 5m, 3h, 2d, 1h30m), ISO 8601 (2023-11-14,"
    " 2023-11-14T12:00), seconds or milliseconds since the epoch, or today"
)
"""What a WHEN can be."""


def parse_when(text: str, now: int, option: str) -> int:
    """Return the moment (ms since the epoch, UTC) that a person means.

    Args:
        text: a duration before now, ISO 8601 (without an offset: UTC), seconds or
            milliseconds since the epoch, or `today`, the last midnight of UTC.
        now: the time, ms.
        option: the option, for the message.

    Raises:
        UsageError: the text is no moment.
    """
    word = text.strip()
    if word.lower() == "today":
        return now - now % DAY
    if word.isascii() and word.isdigit():
        number = int(word[:20])
        moment = number * 1000 if number < _SECONDS else number
    elif _DURATION(word):
        moment = now - sum(int(n) * _UNITS[unit] for n, unit in _PART(word))
    else:
        moment = _iso(word, text, option)
    if not 0 <= moment <= LAST_TIME:
        raise UsageError(f"{option} {text[:40]!r} is out of range; it is {HELP}")
    return moment


def _iso(word: str, text: str, option: str) -> int:
    try:
        moment = datetime.fromisoformat(word)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} cannot be {text[:40]!r}; it is {HELP}") from None
