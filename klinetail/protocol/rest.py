"""The REST side: kline rows, server time, symbols, errors; both ways.

Source: "Kline/Candlestick Data", "Check Server Time", "Exchange Information" and
"Error Code" of the USDⓈ-M futures documentation, and recorded answers.
"""

from __future__ import annotations

import calendar
import email.utils
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec

from klinetail.candle import (
    LAST_TIME,
    MAX_SYMBOL,
    Candle,
    Interval,
    Source,
    Stream,
    symbol_fault,
)
from klinetail.errors import (
    BadMessage,
    ExchangeError,
    RateLimited,
    Refused,
    Unavailable,
)
from klinetail.protocol.limits import MAX_ROWS

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


class BadRow(msgspec.Struct, frozen=True):
    """A row of an answer that cannot be believed. It costs no other row."""

    open_time: int | None
    """Open time of the candle that the row stands for, ms; None if nothing tells it."""
    reason: str
    """What is wrong with the row, in a few words of ours."""
    sample: str = ""
    """How the row begins, unescaped: it is text from the network."""


Row = Candle | BadRow
"""A row of an answer as it was understood."""


class _Values(msgspec.Struct, array_like=True, gc=False):
    """The values of a row that mean something. The exchange has a twelfth, which it
    calls "ignore"; whatever follows these eleven is not looked at."""

    open_time: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_time: int
    quote_volume: str
    count: int
    taker_buy_volume: str
    taker_buy_quote_volume: str


_WIDTH: Final = len(_Values.__struct_fields__)
_values_decoder = msgspec.json.Decoder(list[_Values])


def decode_rows(body: bytes, stream: Stream) -> list[Row]:
    """The rows of an answer of `/fapi/v1/klines`, ascending, each candle once.

    The exchange does not flag the candle that is still forming, so every candle
    comes back as `closed`; whether it is final is the reader's to judge. An answer
    may lack rows, have them in any order, or one of them twice alike: that loses
    nothing. A row that cannot be, or that comes twice with different values, is a
    `BadRow` in its place; those that nothing tells the place of come last.

    Raises:
        BadMessage: it is no list of rows at all.
    """
    try:
        rows = [_row_of(values, stream) for values in _values_decoder.decode(body)]
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        rows = [*_rows_one_by_one(body, stream)]
    return rows if _are_as_usual(rows) else _in_order(rows, stream.interval)


def _row_of(values: _Values, stream: Stream) -> Row:
    candle = Candle(
        stream,
        values.open_time,
        values.open,
        values.high,
        values.low,
        values.close,
        values.volume,
        values.close_time,
        values.quote_volume,
        values.count,
        values.taker_buy_volume,
        values.taker_buy_quote_volume,
        True,
        Source.REST,
    )
    if (fault := candle.fault()) is None:
        return candle
    sample = _written(msgspec.structs.astuple(values))
    return BadRow(_place(values.open_time, stream.interval), fault, sample)


def _rows_one_by_one(body: bytes, stream: Stream) -> Iterator[Row]:
    """The rows of an answer of which at least one is not as it should be. Python's own
    reader takes more than msgspec's does: half a surrogate, say, costs one row then."""
    import json  # almost no run needs it: loading it takes time at the start

    try:
        text = body.decode("utf-8", "replace")
        rows = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no list of klines: {error}", _sample(body)) from None
    if not isinstance(rows, list):
        raise BadMessage("no list of klines", _sample(body))
    if len(rows) > MAX_ROWS:
        reason = f"{len(rows)} klines, of at most {MAX_ROWS} that can be asked for"
        raise BadMessage(reason, _sample(body))
    for row in rows:
        try:
            known = row[:_WIDTH] if isinstance(row, list) else row
            values = msgspec.convert(known, _Values)
        except (ValueError, RecursionError) as error:
            first = row[0] if isinstance(row, list) and row else None
            time = first if type(first) is int else -1
            yield BadRow(_place(time, stream.interval), str(error), _written(row))
        else:
            yield _row_of(values, stream)


def _written(row: object) -> str:
    """How a row begins, in ASCII whatever is in it."""
    import json

    return json.dumps(row)[:_SAMPLE]


def _integer(digits: str) -> int | None:
    """A whole number in JSON; None in place of one that no row can have. Python would
    refuse the whole answer for a number of thousands of digits."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None


_LONGEST_INTEGER: Final = 40


def _place(open_time: int, interval: Interval) -> int | None:
    """The open time of a row, if a candle can open then."""
    if 0 <= open_time <= LAST_TIME and interval.opens_at(open_time):
        return open_time
    return None


def _are_as_usual(rows: Sequence[Row]) -> bool:
    """Whether these are consecutive candles, as they nearly always are: minutes without
    a trade have a row too."""
    expected: int | None = None
    for row in rows:
        if isinstance(row, BadRow) or expected not in (None, row.open_time):
            return False
        expected = row.close_time + 1
    return True


def _in_order(rows: Sequence[Row], interval: Interval) -> list[Row]:
    """The rows by open time, one a candle; those without a place last."""
    by_time: dict[int, Row] = {}
    homeless = []
    for row in _placed(rows, interval):
        if row.open_time is None:
            homeless.append(row)
            continue
        other = by_time.setdefault(row.open_time, row)
        if not _say_the_same(row, other):
            sample = row.sample if isinstance(row, BadRow) else _sample_of(row)
            by_time[row.open_time] = BadRow(row.open_time, _DIFFERING, sample)
    return [*(by_time[time] for time in sorted(by_time)), *homeless]


_DIFFERING: Final = "it comes twice, with different values"


def _say_the_same(one: Row, other: Row) -> bool:
    if isinstance(one, BadRow) or isinstance(other, BadRow):
        return isinstance(one, BadRow) and isinstance(other, BadRow)
    return one.same_values(other)


def _sample_of(candle: Candle) -> str:
    return _sample(encode_rows([candle])[1:-1])


def _placed(rows: Sequence[Row], interval: Interval) -> Iterator[Row]:
    """The rows; one that does not say when its candle opens stands, if there is room,
    for the candle after the row before it, or before the row after it."""
    times = [row.open_time for row in rows]
    taken = {time for time in times if time is not None}
    for at, row in enumerate(rows):
        if isinstance(row, BadRow) and row.open_time is None:
            time = _room_for(at, times, taken, interval)
            if time is not None:
                taken.add(time)
                times[at] = time
                row = msgspec.structs.replace(row, open_time=time)
        yield row


def _room_for(
    at: int, times: Sequence[int | None], taken: set[int], interval: Interval
) -> int | None:
    for neighbour, steps in ((at - 1, 1), (at + 1, -1)):
        time = times[neighbour] if 0 <= neighbour < len(times) else None
        if time is not None and (room := interval.shift(time, steps)) not in taken:
            return room
    return None


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
    if 400 <= status < 500 and status != 408:
        hint = f", {_HINTS[status]}" if status in _HINTS else ""
        return Refused(f"refused (HTTP {status}{hint}){words}", parsed.code)
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


_SAMPLE: Final = 200
"""So much of what is bad is kept: bytes, or characters."""


def _sample(body: bytes) -> str:
    return body[:_SAMPLE].decode("utf-8", "backslashreplace")
