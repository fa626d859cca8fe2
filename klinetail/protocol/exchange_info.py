"""The list of symbols: the REST answer "Exchange Information". Pure.

Source: "Exchange Information" of the USDⓈ-M futures documentation, and recorded
answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from klinetail.candle import LAST_TIME, MAX_SYMBOL, symbol_fault
from klinetail.errors import BadMessage
from klinetail.escape import printable
from klinetail.protocol.lenient_json import decode_leniently, encodable, sample
from klinetail.protocol.venues import StatusKey

_T = TypeVar("_T")


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
        listings.sample = listings.sample or encodable(
            (raw.symbol or repr(entry))[:MAX_SYMBOL]
        )
    found.pop("", None)
    if entries and not found:
        raise BadMessage("exchange information without a symbol", sample(body))
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
    info = decode_leniently(body)
    entries = info.get("symbols") if isinstance(info, dict) else None
    if not isinstance(entries, list):
        raise BadMessage(f"no exchange information: {error}", sample(body)) from None
    return entries


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
