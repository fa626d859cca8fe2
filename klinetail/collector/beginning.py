"""Beginning: before anything is subscribed to, the exchange's time has to be known, and
that it lists what was asked for. All of it is asked side by side, until it answers."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from klinetail.candle import Stream
from klinetail.clock import NewestRow, Reading
from klinetail.collector.patience import patiently
from klinetail.collector.symbols import FEW, check, latest
from klinetail.collector.timekeeping import Statement, read_time
from klinetail.errors import Refused, UsageError
from klinetail.events import LinkEvent
from klinetail.exchange.rest import Rest
from klinetail.protocol.rest import Listing

Ask = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Asks several questions of weight 1; returns their answers, or what they raised."""


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
) -> Statement | None:
    """What the exchange says about its time, once it lists what was asked for; None if
    that was stopped before it answered.

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
        Refused: the exchange refuses for good.
        ExchangeError, BadMessage: it could not be asked for all of `patience`.
    """
    return patiently(
        lambda: inquire(rest, streams, now, ask, listed),
        now=now,
        random=random,
        patience=patience,
        stopping=stopping,
        tell=tell,
        under_way=lambda: rest.under_way(),
    )


def inquire(
    rest: Rest,
    streams: Sequence[Stream],
    now: Callable[[], float],
    ask: Ask,
    listed: Sequence[Listing] | None = None,
) -> Statement:
    """Ask once for the time, twice and with the newest rows that bear witness to it;
    every symbol is listed and traded if there is an answer.

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
    symbols = [*dict.fromkeys(stream.symbol for stream in streams)]
    few = listed is None and len(symbols) <= FEW

    def time() -> Reading:
        return read_time(rest, now)

    def row_of(symbol: str) -> NewestRow | None:
        sent = now()
        row = latest(rest, symbol)
        if row is None:
            return None
        return NewestRow(row.open_time, row.close_time, sent, now())

    rows_of = symbols if few else symbols[:1]
    about: list[Callable[[], Any]] = [functools.partial(row_of, s) for s in rows_of]
    if not few and listed is None:
        about.append(rest.listings)
    # Two readings, as one alone is not believed.
    answers = ask([time, *about, time])
    _raise_the_gravest([one for one in answers if isinstance(one, Exception)])
    first, *found, second = answers
    rows: list[NewestRow | None] = found[: len(rows_of)]
    if few:
        doubtful = [
            symbol
            for symbol, row in zip(symbols, rows, strict=True)
            if row is None or row.close_time < first.server_time  # none is forming
        ]
        if doubtful:
            check(doubtful, rest.listings())
    else:
        check(symbols, found[-1] if listed is None else listed)
    return Statement([first, second], [row for row in rows if row is not None])


def _raise_the_gravest(errors: Sequence[Exception]) -> None:
    """What will not get better comes first: the others are tried again."""
    final = [one for one in errors if isinstance(one, Refused | UsageError)]
    for error in [*final, *errors]:
        raise error
