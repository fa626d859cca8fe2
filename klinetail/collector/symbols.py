"""Whether the exchange lists what was asked for. An ack proves nothing there: the
WebSocket acks any name and then stays silent, so REST is asked first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.errors import Refused, UnknownSymbol, UsageError
from klinetail.exchange.rest import Rest
from klinetail.protocol.rest import INVALID_SYMBOL, Listing

FEW: Final = 5
"""Up to so many symbols are cheaper to ask one by one than the list of all is."""

TRADING: Final = "TRADING"


def latest(rest: Rest, stream: Stream) -> Candle | None:
    """The latest candle of a stream, if there is any.

    Raises:
        UnknownSymbol: the exchange does not list the symbol.
        UsageError: it does, and not for trading.
        ExchangeError, BadMessage: the exchange could not be asked.
    """
    try:
        rows = rest.klines(stream, limit=1)
    except Refused as error:
        if error.code == INVALID_SYMBOL:
            check([stream.symbol], rest.listings())
        raise
    return rows[-1] if rows else None


def check(symbols: Iterable[str], listed: Sequence[Listing]) -> None:
    """Make sure that these symbols are listed and traded.

    Raises:
        UnknownSymbol: one is not, with those that look like it.
        UsageError: one is not traded, with its status.
    """
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
