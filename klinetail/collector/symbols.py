"""Symbols: whether the exchange lists the wanted symbols, and which symbols a glob
means.

The WebSocket acks any name, and stays silent if the symbol does not exist. Therefore
REST is asked before anything is subscribed to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from klinetail.candle import Candle, Interval, Stream
from klinetail.errors import Refused, UnknownSymbol, UsageError
from klinetail.events import Drop, DropEvent
from klinetail.exchange.rest_client import Rest
from klinetail.pattern import Pattern, is_glob
from klinetail.protocol.exchange_info import Listing, Listings
from klinetail.protocol.rest_errors import (
    ILLEGAL_CHARACTERS,
    INVALID_STATUS,
    INVALID_SYMBOL,
)
from klinetail.protocol.statuses import PENDING, TRADING, can_be_followed
from klinetail.spelling import plainer

FEW: Final = 5
"""Up to this number, asking for symbols one by one is cheaper than the whole list."""


def latest(rest: Rest, symbol: str) -> Candle | None:
    """Return the newest one-minute candle of a symbol; None without any candle.

    Raises:
        UnknownSymbol: the exchange does not list the symbol.
        UsageError: the exchange lists the symbol, and does not trade the symbol any
            more.
        ExchangeError, BadMessage: the exchange could not be asked.
    """
    try:
        rows = rest.klines(Stream(symbol, Interval.M1), limit=1)
    except Refused as error:
        if error.code not in (INVALID_SYMBOL, ILLEGAL_CHARACTERS, INVALID_STATUS):
            raise
        listed = rest.listings()
        check([symbol], listed)
        if any(one.symbol == symbol and one.status == PENDING for one in listed):
            return None
        raise
    candles = [row for row in rows if isinstance(row, Candle)]
    return candles[-1] if candles else None


def oddity(listed: Sequence[Listing]) -> list[DropEvent]:
    """Return one event about the entries of a list that cannot be read in full, or no
    event if every entry can."""
    if not isinstance(listed, Listings) or not listed.odd:
        return []
    left_out = f"; {listed.left_out:,} left out" if listed.left_out else ""
    detail = (
        f"{listed.odd:,} of the {listed.entries:,} symbols that the exchange lists"
        f" cannot be read in full, among them {listed.sample}{left_out}"
    )
    return [DropEvent(Drop.LISTING, None, detail)]


def check(symbols: Iterable[str], listed: Sequence[Listing]) -> None:
    """Make sure that every symbol is listed, and traded or about to be traded.

    Raises:
        UnknownSymbol: a symbol is not listed; the error names similar symbols.
        UsageError: a symbol is not traded any more; the error names its status.
    """
    status = {listing.symbol: listing.status for listing in listed}
    for symbol in symbols:
        if symbol not in status:
            raise UnknownSymbol(symbol, suggestions(symbol, list(status)))
        if not can_be_followed(status[symbol]):
            raise UsageError(f"{symbol} is not traded: its status is {status[symbol]}")


def resolve(
    wanted: Sequence[Stream | Pattern],
    listed: Sequence[Listing],
    quote: str | None = None,
) -> list[Stream]:
    """Return the wanted streams, each once, with the symbols of a pattern in the
    exchange's order.

    Args:
        wanted: streams, returned as given, and patterns, which give the matching
            symbols that are traded.
        listed: what the exchange lists.
        quote: the asset in which the symbols of patterns have to be quoted.

    Raises:
        UsageError: a pattern matches no traded symbol.
    """
    streams: dict[Stream, None] = {}
    for one in wanted:
        if isinstance(one, Stream):
            streams[one] = None
            continue
        for listing in traded(one, listed, quote):
            for interval in one.intervals:
                streams[Stream(listing.symbol, interval)] = None
    return list(streams)


def find(
    word: str, listed: Sequence[Listing], quote: str | None = None
) -> list[Listing]:
    """Return the traded symbols that match a glob, or a single symbol that can be
    followed; errors as `resolve` and `check`."""
    if is_glob(word):
        return traded(Pattern(word, ()), listed, quote)
    symbol = Stream.of(word, Interval.M1).symbol
    check([symbol], listed)
    if quote is not None:
        return traded(Pattern(symbol, ()), listed, quote)
    return [one for one in listed if one.symbol == symbol]


def traded(
    pattern: Pattern, listed: Sequence[Listing], quote: str | None = None
) -> list[Listing]:
    """Return the traded symbols that match a pattern, in the exchange's order; errors
    as `resolve`."""
    trading = [listing for listing in listed if listing.status == TRADING]
    if quote is not None:
        among = trading
        trading = [one for one in among if one.quote.upper() == quote.upper()]
        if not trading:
            quotes = sorted({one.quote for one in among if one.quote})
            there = f"; there are {', '.join(quotes)}" if quotes else ""
            raise UsageError(f"nothing that is traded is quoted in {quote}{there}")
    found = [listing for listing in trading if pattern.matches(listing.symbol)]
    if not found:
        raise UsageError(_nothing(pattern, trading, listed, quote))
    return found


def _nothing(
    pattern: Pattern,
    trading: Sequence[Listing],
    listed: Sequence[Listing],
    quote: str | None,
) -> str:
    """Return the reason, for a person, for which a pattern matches no traded symbol."""
    idle = [
        f"{one.symbol} ({one.status})"
        for one in listed
        if one.status != TRADING and pattern.matches(one.symbol)
    ]
    if idle:
        more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
        names = f"{', '.join(idle[:3])}{more}"
        return f"{pattern.glob!r} matches nothing that is traded, only {names}"
    if pattern.otherwise:
        return pattern.otherwise
    alike = _patterns_like(pattern, trading)
    hint = f"; did you mean {' or '.join(map(repr, alike))}?" if alike else ""
    among = "" if quote is None else f" and is quoted in {quote}"
    return f"{pattern.glob!r} matches nothing that is traded{among}{hint}"


def _patterns_like(pattern: Pattern, trading: Sequence[Listing]) -> list[str]:
    """Return up to three globs that match traded symbols and differ from the pattern in
    one word."""
    import difflib

    names = dict.fromkeys(
        name.lower()
        for one in trading
        for name in (one.quote, one.base, one.symbol)
        if name
    )
    found: dict[str, None] = {}
    for word in re.findall(r"[^*?\[\]]{2,}", pattern.glob.lower()):
        for name in difflib.get_close_matches(word, list(names), n=8, cutoff=0.6):
            glob = pattern.glob.lower().replace(word, name)
            other = Pattern(glob, pattern.intervals)
            if any(other.matches(one.symbol) for one in trading):
                found[glob] = None
    return list(found)[:3]


def suggestions(symbol: str, listed: Sequence[str]) -> tuple[str, ...]:
    """Return up to three listed symbols that resemble `symbol`, best first.

    First come other spellings of the symbol, and the symbol with a quote asset; then
    listed symbols with the same beginning; then symbols that differ in a few
    characters.
    """
    import difflib

    plain = plainer(symbol).upper()
    there = set(listed)
    likely = [
        name
        for start in dict.fromkeys((symbol, plain))
        for name in (
            *(start, f"{start}T", f"{start}USDT", f"{start}USDC"),
            *(f"1000{start}", f"1000{start}USDT"),
        )
        if name in there
    ]
    begin = sorted((s for s in listed if s.startswith(symbol)), key=len)[:2]
    alike = [] if likely else difflib.get_close_matches(symbol, listed, n=3, cutoff=0.6)
    return tuple(dict.fromkeys([*likely, *begin, *alike]))[:3]


def encode(listings: Iterable[Listing]) -> bytes:
    """Return the listings as JSON lines. The keys are always the same; sizes are number
    literals with the exchange's own digits, and an unknown value is null."""
    return _lines([_Line.of(listing) for listing in listings])


_lines = msgspec.json.Encoder().encode_lines


class _Line(msgspec.Struct):
    symbol: str
    status: str | None
    contract_type: str | None
    base: str | None
    quote: str | None
    tick_size: msgspec.Raw | None
    step_size: msgspec.Raw | None
    onboard_time: int | None

    @classmethod
    def of(cls, listing: Listing) -> _Line:
        return cls(
            listing.symbol,
            listing.status or None,
            listing.contract_type or None,
            listing.base or None,
            listing.quote or None,
            _number(listing.tick_size),
            _number(listing.step_size),
            listing.onboard_time or None,
        )


def _number(digits: str) -> msgspec.Raw | None:
    return msgspec.Raw(digits.encode()) if digits else None
