"""The exchange's time: the REST answer about the time, and HTTP dates. Pure.

Source: "Check Server Time" of the USDⓈ-M futures documentation, and RFC 9110, section
5.6.7.
"""

from __future__ import annotations

import calendar
import email.utils
from typing import Annotated

import msgspec

from klinetail.candle import LAST_TIME
from klinetail.errors import BadMessage
from klinetail.protocol.lenient_json import sample


class _Time(msgspec.Struct):
    server_time: Annotated[int, msgspec.Meta(gt=0, le=LAST_TIME)] = msgspec.field(
        name="serverTime"
    )


def decode_time(body: bytes) -> int:
    """Return the server time of an answer about the exchange's time, ms.

    Raises:
        BadMessage: the answer has no server time.
    """
    try:
        return msgspec.json.decode(body, type=_Time).server_time
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no server time: {error}", sample(body)) from None


def http_date(text: str | None) -> int | None:
    """Return the time of an HTTP date, ms since the epoch; None if the text is none."""
    parts = email.utils.parsedate_tz(text)
    try:
        return None if parts is None else calendar.timegm(parts[:6]) * 1000
    except (ValueError, OverflowError):
        return None
