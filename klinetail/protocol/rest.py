"""The REST side: kline rows, server time, symbols, errors; both ways.

Source: "Kline/Candlestick Data", "Check Server Time", "Exchange Information" and
"Error Code" of the USDⓈ-M futures documentation, and recorded answers.
"""

from __future__ import annotations

import calendar
import email.utils
import re
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from klinetail.candle import (
    LAST_TIME,
    MAX_SYMBOL,
    Candle,
    Source,
    Stream,
    symbol_fault,
)
from klinetail.errors import (
    BadMessage,
    ExchangeError,
    Forbidden,
    RateLimited,
    Refused,
    Unavailable,
)

PING_PATH: Final = "/fapi/v1/ping"
TIME_PATH: Final = "/fapi/v1/time"
KLINES_PATH: Final = "/fapi/v1/klines"
EXCHANGE_INFO_PATH: Final = "/fapi/v1/exchangeInfo"

INVALID_SYMBOL: Final = -1121
INVALID_INTERVAL: Final = -1120
INVALID_LIMIT: Final = -1130
TOO_MANY_REQUESTS: Final = -1003

USED_WEIGHT: Final = "X-MBX-USED-WEIGHT-1M"
"""The header with the weight that the address used in the present minute."""

_Row = tuple[int, str, str, str, str, str, int, str, int, str, str, str]
_rows_decoder = msgspec.json.Decoder(list[_Row])


def decode_rows(body: bytes, stream: Stream) -> list[Candle]:
    """The rows of an answer of `/fapi/v1/klines`, ascending and without holes.

    The exchange does not flag the candle that is still forming, so every row
    comes back as `closed`; whether it is final is the reader's to judge.

    Raises:
        BadMessage: it is no list of rows, or the rows are not consecutive
            candles of `stream`. Rows always are consecutive: minutes without a
            trade have one too.
    """
    try:
        rows = _rows_decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no list of klines: {error}", _sample(body)) from None
    candles = [
        Candle(
            stream,
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            row[5],
            row[6],
            row[7],
            row[8],
            row[9],
            row[10],
            True,
            Source.REST,
        )
        for row in rows
    ]
    expected: int | None = None
    for candle in candles:
        if (fault := candle.fault()) is not None:
            raise BadMessage(f"a row of {stream}: {fault}", _sample(body))
        if expected is not None and candle.open_time != expected:
            reason = f"rows of {stream}: {candle.open_time} where {expected} belongs"
            raise BadMessage(reason, _sample(body))
        expected = candle.close_time + 1
    return candles


def encode_rows(candles: Sequence[Candle]) -> bytes:
    """Candles as an answer of `/fapi/v1/klines`."""
    return msgspec.json.encode(
        [
            (
                candle.open_time,
                candle.open_text,
                candle.high_text,
                candle.low_text,
                candle.close_text,
                candle.volume_text,
                candle.close_time,
                candle.quote_volume_text,
                candle.count,
                candle.taker_buy_volume_text,
                candle.taker_buy_quote_volume_text,
                "0",
            )
            for candle in candles
        ]
    )


class _Time(msgspec.Struct):
    server_time: Annotated[int, msgspec.Meta(gt=0, le=LAST_TIME)] = msgspec.field(
        name="serverTime"
    )


def decode_time(body: bytes) -> int:
    """Server time of an answer of `/fapi/v1/time`, ms.

    Raises:
        BadMessage: it is none.
    """
    try:
        return msgspec.json.decode(body, type=_Time).server_time
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no server time: {error}", _sample(body)) from None


class Listing(msgspec.Struct, frozen=True):
    """A symbol that the exchange lists, and its status (only TRADING streams).

    What an answer does not say, or not in a form that can be, is "" or 0.
    """

    symbol: str
    status: str
    contract_type: str = ""
    """`PERPETUAL`, `TRADIFI_PERPETUAL`, `CURRENT_QUARTER` and so on."""
    base: str = ""
    """Asset that is traded."""
    quote: str = ""
    """Asset that it is paid for with."""
    tick_size: str = ""
    """Least step of a price, in the quote asset: the exchange's digits."""
    step_size: str = ""
    """Least step of a volume, in the base asset: the exchange's digits."""
    onboard_time: int = 0
    """When it was listed, ms since the epoch."""


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str = ""
    tick_size: str = ""
    step_size: str = ""


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: str
    status: str
    contract_type: str = ""
    base_asset: str = ""
    quote_asset: str = ""
    onboard_date: int = 0
    filters: list[_Filter] = []


class _Info(msgspec.Struct):
    symbols: list[_Symbol]


_info_decoder = msgspec.json.Decoder(_Info)


def decode_listings(body: bytes) -> list[Listing]:
    """The symbols of an answer of `/fapi/v1/exchangeInfo`; what cannot be a
    symbol is left out.

    Raises:
        BadMessage: it is no such answer.
    """
    try:
        info = _info_decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no exchange information: {error}", _sample(body)) from None
    return [_listing(raw) for raw in info.symbols if symbol_fault(raw.symbol) is None]


def _listing(raw: _Symbol) -> Listing:
    filters = {one.filter_type: one for one in raw.filters}  # in no fixed order
    none = _Filter()
    return Listing(
        raw.symbol,
        raw.status,
        _name(raw.contract_type),
        _name(raw.base_asset),
        _name(raw.quote_asset),
        _digits(filters.get("PRICE_FILTER", none).tick_size),
        _digits(filters.get("LOT_SIZE", none).step_size),
        raw.onboard_date if 0 < raw.onboard_date <= LAST_TIME else 0,
    )


def _name(text: str) -> str:
    return text if text.isprintable() and len(text) <= MAX_SYMBOL else ""


_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?").fullmatch


def _digits(text: str) -> str:
    return text if _NUMBER(text) else ""


class _ErrorBody(msgspec.Struct):
    code: int | None = None
    msg: str = ""


_BANNED_UNTIL: Final = re.compile(r"banned until ([0-9]{13})").search
_DEFAULT_WAIT: Final = 60.0
_LONGEST_WAIT: Final = 3 * 86_400.0  # the longest ban that the exchange knows
_FOR_NOW: Final = (408, 425)
"""Of the statuses that blame the request, those that say themselves that the same
request may succeed later: Request Timeout, Too Early (RFC 9110 and 8470)."""
_HINTS: Final = {
    403: "the firewall of the exchange refuses this address for now",
    404: "no exchange answers there so; look at the address",
    451: "the exchange does not serve this location",
}


def error_of(
    status: int, body: bytes, *, retry_after: str | None, server_time: int | None
) -> ExchangeError | None:
    """What an answer's status and body mean, or None if it is a success.

    Args:
        status: HTTP status.
        body: the body, as far as it was read.
        retry_after: the header Retry-After, if any.
        server_time: exchange time in ms, to which a ban's end is compared.
    """
    if status == 200:
        return None
    try:
        parsed = msgspec.json.decode(body, type=_ErrorBody)
    except (ValueError, RecursionError):
        parsed = _ErrorBody()
    words = f": {parsed.msg[:300]}" if parsed.msg else ""
    if status in (418, 429):
        wait = _wait(parsed.msg, retry_after, server_time)
        return RateLimited(f"too many requests (HTTP {status}){words}", wait)
    if 300 <= status < 400:
        return Refused(f"a redirect (HTTP {status}) is not followed")
    if 400 <= status < 500 and status not in _FOR_NOW:
        hint = f", {_HINTS[status]}" if status in _HINTS else ""
        kind = Forbidden if status == 403 else Refused
        return kind(f"refused (HTTP {status}{hint}){words}", parsed.code)
    return Unavailable(f"the exchange is not available (HTTP {status}){words}")


def http_date(text: str | None) -> int | None:
    """The time of an HTTP date, ms since the epoch, or None if it is none."""
    parts = email.utils.parsedate_tz(text or "")
    try:
        return None if parts is None else calendar.timegm(parts[:6]) * 1000
    except (ValueError, OverflowError):
        return None


def _wait(words: str, retry_after: str | None, server_time: int | None) -> float:
    wait = _DEFAULT_WAIT
    if retry_after is not None and re.fullmatch("[0-9]+", retry_after.strip()):
        wait = float(retry_after)
    elif server_time is not None:
        until = http_date(retry_after)
        if until is None and (match := _BANNED_UNTIL(words)) is not None:
            until = int(match[1])
        if until is not None:
            wait = (until - server_time) / 1000
    return min(max(1.0, wait), _LONGEST_WAIT)


def _sample(body: bytes) -> str:
    return body[:200].decode("utf-8", "backslashreplace")
