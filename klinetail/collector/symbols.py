"""Whether the exchange lists what was asked for. An ack proves nothing there: the
WebSocket acks any name and then stays silent, so REST is asked first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from klinetail.candle import Stream
from klinetail.errors import Refused, UnknownSymbol, UsageError
from klinetail.exchange.rest import Rest
from klinetail.protocol.rest import INVALID_SYMBOL, Listing

_FEW: Final = 5
"""Up to so many symbols are cheaper to ask one by one than the list of all is."""

TRADING: Final = "TRADING"


def verify(rest: Rest, streams: Sequence[Stream], server_time: int) -> None:
    """Make sure that every symbol is listed and traded.

    Args:
        rest: who is asked.
        streams: what is to be followed.
        server_time: exchange time, ms.

    Raises:
        UnknownSymbol: one is not, with those that look like it.
        UsageError: one is not traded, with its status.
        ExchangeError, BadMessage: the exchange could not be asked.
    """
    by_symbol = {stream.symbol: stream for stream in streams}
    if len(by_symbol) > _FEW:
        _check(by_symbol, rest.listings())
        return
    for symbol, stream in by_symbol.items():
        try:
            rows = rest.klines(stream, limit=1)
        except Refused as error:
            if error.code != INVALID_SYMBOL:
                raise
            _check([symbol], rest.listings())
            raise
        if not rows or rows[-1].close_time < server_time:  # no candle is forming
            _check([symbol], rest.listings())


def _check(symbols: Sequence[str] | dict[str, Stream], listed: list[Listing]) -> None:
    status = {listing.symbol: listing.status for listing in listed}
    for symbol in symbols:
        if symbol not in status:
            raise UnknownSymbol(symbol, suggestions(symbol, list(status)))
        if status[symbol] != TRADING:
            raise UsageError(f"{symbol} is not traded: its status is {status[symbol]}")


def suggestions(symbol: str, listed: Sequence[str]) -> tuple[str, ...]:
    """Up to three listed symbols that look like this one, best first."""
    import difflib

    begin = sorted((s for s in listed if s.startswith(symbol)), key=len)
    alike = difflib.get_close_matches(symbol, listed, n=3, cutoff=0.6)
    return tuple(dict.fromkeys([*begin[:2], *alike]))[:3]
