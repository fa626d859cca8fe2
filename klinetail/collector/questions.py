"""What has to be known before anything is subscribed to: the exchange's time, and
that it lists what was asked for. All of it is asked at once, side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from klinetail.candle import Stream
from klinetail.collector.symbols import FEW, check, latest
from klinetail.errors import Refused, UsageError
from klinetail.exchange.rest import Rest
from klinetail.protocol.rest import Listing

Ask = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Asks several questions of weight 1; returns their answers, or what they raised."""


def inquire(
    rest: Rest,
    streams: Sequence[Stream],
    now: Callable[[], float],
    ask: Ask,
    listed: Sequence[Listing] | None = None,
) -> tuple[int, float]:
    """Exchange time in ms, and the local seconds at which it was read; every symbol
    is listed and traded then.

    Args:
        rest: who is asked.
        streams: what is to be followed.
        now: local seconds.
        ask: how to ask.
        listed: what the exchange lists, where that is known already.

    Raises:
        UnknownSymbol: one is not listed, with those that look like it.
        UsageError: one is not traded, with its status.
        ExchangeError, BadMessage: the exchange could not be asked.
    """
    by_symbol = {stream.symbol: stream for stream in streams}
    few = listed is None and len(by_symbol) <= FEW
    about: list[Callable[[], Any]] = []
    if few:
        about = [functools.partial(latest, rest, s) for s in by_symbol.values()]
    elif listed is None:
        about = [rest.listings]
    answers = ask([lambda: (rest.server_time(), now()), *about])
    _raise_the_gravest([one for one in answers if isinstance(one, Exception)])
    (server_time, read_at), *found = answers
    if few:
        doubtful = [
            symbol
            for symbol, row in zip(by_symbol, found, strict=True)
            if row is None or row.close_time < server_time  # no candle is forming
        ]
        if doubtful:
            check(doubtful, rest.listings())
    else:
        check(by_symbol, found[0] if listed is None else listed)
    return server_time, read_at


def _raise_the_gravest(errors: Sequence[Exception]) -> None:
    """What will not get better comes first: the others are tried again."""
    final = [one for one in errors if isinstance(one, Refused | UsageError)]
    for error in [*final, *errors]:
        raise error
