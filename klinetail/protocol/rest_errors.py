"""Errors of REST answers: the exchange's codes, and the error of an answer. Pure.

Source: "Error Code" of the USDⓈ-M futures documentation, and recorded answers.
"""

from __future__ import annotations

import re
from typing import Final

from klinetail.errors import (
    ExchangeError,
    Forbidden,
    RateLimited,
    Refused,
    Unavailable,
)
from klinetail.protocol.lenient_json import decode_leniently, encodable
from klinetail.protocol.server_time import http_date

ILLEGAL_CHARACTERS: Final = -1100
"""The code for a symbol with characters, or a number of characters, of no listed
symbol."""
INVALID_SYMBOL: Final = -1121
INVALID_INTERVAL: Final = -1120
INVALID_STATUS: Final = -1122
INVALID_LIMIT: Final = -1130
TOO_MANY_REQUESTS: Final = -1003

_BANNED_UNTIL: Final = re.compile(r"banned until ([0-9]{13})").search
_DEFAULT_WAIT: Final = 60.0
_LONGEST_WAIT: Final = 3 * 86_400.0  # the longest ban that the exchange knows
_FOR_NOW: Final = (408, 425)
"""The statuses that blame the request, but also say that the same request may succeed
later: Request Timeout, Too Early (RFC 9110 and 8470)."""
_HINTS: Final = {
    403: "the firewall of the exchange refuses this address for now",
    404: "no exchange answers at this path; check the address",
    451: "the exchange does not serve this location",
}


def error_of(
    status: int, body: bytes, *, retry_after: str | None, server_time: int | None
) -> ExchangeError | None:
    """Return the error meant by an answer's status and body; None for a success.

    Args:
        status: HTTP status.
        body: the body, as far as the body was read.
        retry_after: the header Retry-After, if any.
        server_time: exchange time in ms, for comparison with the end of a ban.
    """
    if status == 200:
        return None
    code, message = _words_of(body)
    words = f": {message}" if message else ""
    if status in (418, 429):
        wait = _wait(message, retry_after, server_time)
        return RateLimited(f"too many requests (HTTP {status}){words}", wait)
    if 300 <= status < 400:
        return Refused(f"a redirect (HTTP {status}) is not followed")
    if 400 <= status < 500 and status not in _FOR_NOW:
        hint = f", {_HINTS[status]}" if status in _HINTS else ""
        kind = Forbidden if status == 403 else Refused
        return kind(f"refused (HTTP {status}{hint}){words}", code)
    return Unavailable(f"the exchange is not available (HTTP {status}){words}")


def _words_of(body: bytes) -> tuple[int | None, str]:
    """Return the code and the message of an error's body, each as far as readable."""
    said = decode_leniently(body)
    code = said.get("code") if isinstance(said, dict) else None
    message = said.get("msg") if isinstance(said, dict) else None
    return (
        code if type(code) is int else None,
        encodable(message[:300]) if isinstance(message, str) else "",
    )


def _wait(words: str, retry_after: str | None, server_time: int | None) -> float:
    wait = _DEFAULT_WAIT
    if retry_after is not None and re.fullmatch("[0-9]+", retry_after.strip()):
        wait = float(retry_after)
    elif server_time is not None:
        until = http_date(retry_after)
        if until is None and (match := _BANNED_UNTIL(words)) is not None:
            banned_until = int(match[1])
            # The exchange names no ban of the past: one of the two clocks is wrong.
            until = banned_until if banned_until > server_time else None
        if until is not None:
            wait = (until - server_time) / 1000
    return min(max(1.0, wait), _LONGEST_WAIT)
