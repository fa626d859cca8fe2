"""Beginning: before anything is subscribed to, the exchange's time has to be known, and
that it lists what was asked for. All of it is asked side by side, until it answers."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from klinetail.candle import Stream
from klinetail.collector.patience import patiently
from klinetail.collector.symbols import FEW, check, latest
from klinetail.errors import Refused, UsageError
from klinetail.events import LinkEvent
from klinetail.exchange.rest import Rest
from klinetail.protocol.rest import Listing

Ask = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Asks several questions of weight 1; returns their answers, or what they raised."""


class Began(NamedTuple):
    """What the exchange said."""

    server_time: int
    """Exchange time, ms."""
    read_at: float
    """When that was, seconds of `now`."""


def begin(
    rest: Rest,
    streams: Sequence[Stream],
    *,
    ask: Ask,
    listed: Sequence[Listing] | None = None,
    now: Callable[[], float],
    random: Callable[[], float],
    patience: float,
    stopping: threading.Event,
    tell: Callable[[LinkEvent], None],
) -> Began | None:
    """Read the time and verify the symbols; None if it was stopped before it could.

    Args:
        rest: who is asked.
        streams: what is to be followed.
        ask: how to ask several questions.
        listed: what the exchange lists, where that is known already.
        now: local seconds.
        random: uniform in [0, 1).
        patience: seconds after which an exchange that does not answer is given up.
        stopping: ends the pauses between attempts.
        tell: called with what keeps it from beginning, and once when that is over.

    Raises:
        UsageError: a symbol is not listed or not traded.
        Refused: the exchange refuses, for as long as such a refusal is borne with.
        ExchangeError, BadMessage: it could not be asked for all of `patience`.
    """
    return patiently(
        lambda: inquire(rest, streams, now, ask, listed),
        now=now,
        random=random,
        patience=patience,
        stopping=stopping,
        tell=tell,
        answered=listed is not None,
    )


def inquire(
    rest: Rest,
    streams: Sequence[Stream],
    now: Callable[[], float],
    ask: Ask,
    listed: Sequence[Listing] | None = None,
) -> Began:
    """Ask once; every symbol is listed and traded if there is an answer.

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
    return Began(server_time, read_at)


def _raise_the_gravest(errors: Sequence[Exception]) -> None:
    """What will not get better comes first: the others are tried again."""
    for error in sorted(errors, key=_hope):
        raise error


def _hope(error: Exception) -> float:
    """Seconds for which it makes sense to ask again."""
    if isinstance(error, Refused):
        return error.patience
    return 0.0 if isinstance(error, UsageError) else math.inf
