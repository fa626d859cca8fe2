"""The REST side: kline rows, server time, symbols, errors; both ways. The paths of a
venue are in `venues`.

Source: "Kline/Candlestick Data", "Check Server Time", "Exchange Information" and
"Error Code" of the USDⓈ-M futures documentation, and recorded answers.
"""

from __future__ import annotations

import calendar
import email.utils
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, TypeVar

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
    Forbidden,
    RateLimited,
    Refused,
    Unavailable,
)
from klinetail.escape import printable
from klinetail.protocol.venues import LIVE, StatusKey

ILLEGAL_CHARACTERS: Final = -1100
"""The code for a symbol with characters, or a number of characters, of no listed
symbol."""
INVALID_SYMBOL: Final = -1121
INVALID_INTERVAL: Final = -1120
INVALID_STATUS: Final = -1122
INVALID_LIMIT: Final = -1130
TOO_MANY_REQUESTS: Final = -1003

USED_WEIGHT: Final = "X-MBX-USED-WEIGHT-1M"
"""The header with the address's used weight in the present minute."""

_T = TypeVar("_T")


class BadRow(msgspec.Struct, frozen=True):
    """An unbelievable row of an answer. A bad row leaves all further rows usable."""

    open_time: int | None
    """Open time of the candle that the row stands for, ms; None if nothing tells the
    open time."""
    reason: str
    """The fault of the row, in a few words of ours."""
    sample: str = ""
    """The beginning of the row, unescaped: text from the network."""


Row = Candle | BadRow
"""A row of an answer as understood by the decoder."""


class _Values(msgspec.Struct, array_like=True, gc=False):
    """The eleven meaningful values of a row. The exchange calls the twelfth value
    "ignore"; nothing after the eleven values is looked at."""

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


def decode_rows(body: bytes, stream: Stream, most: int = LIVE.limits.rows) -> list[Row]:
    """Return the rows of an answer about klines, ascending, each candle once.

    The exchange does not flag the candle that is still forming, and therefore every
    candle comes back as `closed`; whether a candle is final is the reader's to judge.
    Nothing is lost if an answer lacks rows, has the rows in any order, or has a row
    twice alike. An impossible row, or a row that comes twice with different values, is
    a `BadRow` in the row's place; bad rows without a known place come last.

    Args:
        body: the answer's body.
        stream: the stream whose candles were asked for.
        most: the number of rows that can be asked for; a longer list with an odd row
            is not looked through.

    Raises:
        BadMessage: the answer is no list of rows at all.
    """
    try:
        rows = [_row_of(values, stream) for values in _values_decoder.decode(body)]
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        rows = [*_rows_one_by_one(body, stream, most)]
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


def _rows_one_by_one(body: bytes, stream: Stream, most: int) -> Iterator[Row]:
    """Return the rows of an answer with at least one odd row. Python's own reader takes
    more than msgspec's does: half a surrogate, say, then costs only one row."""
    import json  # almost no run needs json, and loading takes time at the start

    try:
        text = body.decode("utf-8", "replace")
        rows = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no list of klines: {error}", _sample(body)) from None
    if not isinstance(rows, list):
        raise BadMessage("no list of klines", _sample(body))
    if len(rows) > most:
        reason = f"{len(rows)} klines, of at most {most} that can be asked for"
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
    """Return the beginning of a row, in ASCII whatever the row holds."""
    import json

    return json.dumps(row)[:_SAMPLE]


def _integer(digits: str) -> int | None:
    """Return a whole number in JSON; None if the number is too long for any value.
    Python would refuse the whole answer for a number of thousands of digits."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None


_LONGEST_INTEGER: Final = 40


def _place(open_time: int, interval: Interval) -> int | None:
    """Return the open time of a row, if a candle can open at that time; else None."""
    if 0 <= open_time <= LAST_TIME and interval.opens_at(open_time):
        return open_time
    return None


def _are_as_usual(rows: Sequence[Row]) -> bool:
    """Return whether the rows are consecutive candles. Rows nearly always are: minutes
    without a trade have a row too."""
    expected: int | None = None
    for row in rows:
        if isinstance(row, BadRow) or expected not in (None, row.open_time):
            return False
        expected = row.close_time + 1
    return True


def _in_order(rows: Sequence[Row], interval: Interval) -> list[Row]:
    """Return the rows by open time, one for each candle; rows without a place last."""
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
    """Return the rows. If there is room, a row without an open time stands for the
    candle after the preceding row, or for the candle before the following row."""
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
    """Return candles as an answer about klines."""
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
    """Return the server time of an answer about the exchange's time, ms.

    Raises:
        BadMessage: the answer has no server time.
    """
    try:
        return msgspec.json.decode(body, type=_Time).server_time
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no server time: {error}", _sample(body)) from None


class Listing(msgspec.Struct, frozen=True):
    """A symbol in the exchange's list, and the symbol's status.

    A value that is missing in the answer, or that has an impossible form, is "" or 0.
    """

    symbol: str
    status: str
    """The status: `TRADING`, `SETTLING` and the like; "" if the answer has none."""
    contract_type: str = ""
    """The type: `PERPETUAL`, `TRADIFI_PERPETUAL`, `CURRENT_QUARTER` and the like."""
    base: str = ""
    """The traded asset."""
    quote: str = ""
    """The asset in which the traded asset is paid for."""
    tick_size: str = ""
    """Least step of a price, in the quote asset: the exchange's digits."""
    step_size: str = ""
    """Least step of a volume, in the base asset: the exchange's digits."""
    onboard_time: int = 0
    """The time at which trading of the symbol begins or began, ms since the epoch."""
    delivery_time: int = 0
    """The time at which the symbol is delivered or settled, ms since the epoch. For a
    symbol without a delivery date the exchange gives a date in the year 2100."""


class Listings(list[Listing]):
    """The symbols of an answer, each once and in the answer's order, and how much of
    the answer could not be read."""

    def __init__(self, listings: Iterable[Listing] = ()) -> None:
        super().__init__(listings)
        self.entries = len(self)
        """The number of entries in the answer."""
        self.odd = 0
        """The number of entries with an unreadable part, left-out entries included."""
        self.left_out = 0
        """The number of entries with an impossible symbol, or with an earlier entry's
        symbol."""
        self.sample = ""
        """The first odd entry's symbol, or the beginning of the entry; unescaped."""


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
    delivery_date: int = 0
    filters: list[_Filter] = []


class _Info(msgspec.Struct):
    symbols: list[_Symbol]


class _ContractSymbol(_Symbol, kw_only=True):
    status: str = msgspec.field(name="contractStatus")


class _ContractInfo(msgspec.Struct):
    symbols: list[_ContractSymbol]


_info_decoders: Final[
    Mapping[
        StatusKey, msgspec.json.Decoder[_Info] | msgspec.json.Decoder[_ContractInfo]
    ]
] = {
    "status": msgspec.json.Decoder(_Info),
    "contractStatus": msgspec.json.Decoder(_ContractInfo),
}


def decode_listings(body: bytes, status_key: StatusKey = "status") -> Listings:
    """Return the symbols of an answer of the list of symbols.

    An odd entry does no harm to the remaining entries. An odd entry comes with blanks
    for the odd fields; an entry with an impossible symbol is left out. Of several
    entries for a symbol the first counts, with a blank status if the entries do not
    agree about the status.

    Args:
        body: the answer's body.
        status_key: the key of a symbol's status.

    Raises:
        BadMessage: the answer is no list of symbols, or no entry names a symbol.
    """
    try:
        entries: Sequence[object] = _info_decoders[status_key].decode(body).symbols
    except (ValueError, RecursionError) as error:
        entries = _loose_entries(body, error)
    found: dict[str, Listing] = {}
    listings = Listings()
    for entry in entries:
        raw, whole = (
            (entry, True) if isinstance(entry, _Symbol) else _read(entry, status_key)
        )
        listing, said = _listing(raw)
        first = found.setdefault(listing.symbol, listing)
        if first is not listing and first.status != listing.status:
            found[listing.symbol] = msgspec.structs.replace(first, status="")
        if first is not listing or not listing.symbol:
            listings.left_out += 1
        elif whole and said:
            continue
        listings.odd += 1
        listings.sample = listings.sample or _plain(
            (raw.symbol or repr(entry))[:MAX_SYMBOL]
        )
    found.pop("", None)
    if entries and not found:
        raise BadMessage("exchange information without a symbol", _sample(body))
    listings.extend(found.values())
    listings.entries = len(entries)
    return listings


def _listing(raw: _Symbol) -> tuple[Listing, bool]:
    """Return the listing of an entry, and whether the listing says as much as the
    entry."""
    filters = {one.filter_type: one for one in raw.filters}  # in no fixed order
    none = _Filter()
    tick = filters.get("PRICE_FILTER", none).tick_size
    step = filters.get("LOT_SIZE", none).step_size
    listing = Listing(
        raw.symbol if symbol_fault(raw.symbol) is None else "",
        _name(raw.status),
        _name(raw.contract_type),
        _name(raw.base_asset),
        _name(raw.quote_asset),
        _digits(tick),
        _digits(step),
        _date(raw.onboard_date),
        _date(raw.delivery_date),
    )
    return listing, msgspec.structs.astuple(listing) == (
        raw.symbol,
        raw.status,
        raw.contract_type,
        raw.base_asset,
        raw.quote_asset,
        tick,
        step,
        raw.onboard_date,
        raw.delivery_date,
    )


def _name(text: str) -> str:
    shown = len(text) <= MAX_SYMBOL and text.isprintable() and printable(text) == text
    return text if shown else ""


_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?").fullmatch


def _digits(text: str) -> str:
    return text if _NUMBER(text) else ""


def _date(time: int) -> int:
    return time if 0 < time <= LAST_TIME else 0


def _loose_entries(body: bytes, error: Exception) -> Sequence[object]:
    """Return the entries of an answer with an odd part; `error` names the odd part."""
    info = _loosely(body)
    entries = info.get("symbols") if isinstance(info, dict) else None
    if not isinstance(entries, list):
        raise BadMessage(f"no exchange information: {error}", _sample(body)) from None
    return entries


def _loosely(body: bytes) -> object:
    """Return JSON as read by Python's own decoder; None if the body is no JSON.

    Python's decoder takes four times as long, but reads on after an odd string: the
    decoder accepts lone surrogates, and bytes outside of UTF-8 come as lone surrogates
    here. Numbers that are too long come as None.
    """
    import json  # only for odd answers

    text = body.decode("utf-8", "surrogateescape")
    try:
        found: object = json.loads(text, strict=False, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return found


def _read(entry: object, status_key: StatusKey) -> tuple[_Symbol, bool]:
    """Return the readable part of an entry, and whether the part is complete."""
    whole = isinstance(entry, dict) and status_key in entry

    def take(source: object, key: str, blank: _T) -> _T:
        nonlocal whole
        value = source.get(key, blank) if isinstance(source, dict) else None
        if type(value) is type(blank):
            return value
        whole = False
        return blank

    no_filters: list[object] = []
    symbol = _Symbol(
        take(entry, "symbol", ""),
        take(entry, status_key, ""),
        take(entry, "contractType", ""),
        take(entry, "baseAsset", ""),
        take(entry, "quoteAsset", ""),
        take(entry, "onboardDate", 0),
        take(entry, "deliveryDate", 0),
        [
            _Filter(
                take(one, "filterType", ""),
                take(one, "tickSize", ""),
                take(one, "stepSize", ""),
            )
            for one in take(entry, "filters", no_filters)
        ],
    )
    return symbol, whole


_BANNED_UNTIL: Final = re.compile(r"banned until ([0-9]{13})").search
_DEFAULT_WAIT: Final = 60.0
_LONGEST_WAIT: Final = 3 * 86_400.0  # the longest ban that the exchange knows
_FOR_NOW: Final = (408, 425)
"""The statuses that blame the request, but also say that the same request may succeed
later: Request Timeout, Too Early (RFC 9110 and 8470)."""
_HINTS: Final = {
    403: "the firewall of the exchange refuses this address for now",
    404: "no exchange answers there so; look at the address",
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
    said = _loosely(body)
    code = said.get("code") if isinstance(said, dict) else None
    message = said.get("msg") if isinstance(said, dict) else None
    return (
        code if type(code) is int else None,
        _plain(message[:300]) if isinstance(message, str) else "",
    )


def http_date(text: str | None) -> int | None:
    """Return the time of an HTTP date, ms since the epoch; None if the text is none."""
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
            banned_until = int(match[1])
            # A ban that is over would not be said: one of the two clocks is wrong.
            until = banned_until if banned_until > server_time else None
        if until is not None:
            wait = (until - server_time) / 1000
    return min(max(1.0, wait), _LONGEST_WAIT)


_SAMPLE: Final = 200
"""The length of a kept sample of bad text: bytes, or characters."""


def _sample(body: bytes) -> str:
    return body[:_SAMPLE].decode("utf-8", "backslashreplace")


def _plain(text: str) -> str:
    """Return the text in an encodable form: lone surrogates are written out."""
    return text.encode("utf-8", "backslashreplace").decode()
