"""Beginning: before anything is subscribed to, the exchange's time has to be known, and
that it lists what was asked for. All of it is asked side by side, until it answers."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from klinetail.candle import Candle, Stream
from klinetail.clock import NewestRow
from klinetail.collector.patience import patiently
from klinetail.collector.symbols import FEW, check, latest, oddity
from klinetail.collector.timekeeping import Statement, read_time
from klinetail.errors import Refused, UsageError
from klinetail.events import DropEvent, LinkEvent
from klinetail.exchange.rest_client import Rest
from klinetail.pace import Reading
from klinetail.protocol.rest import Listing, Listings

Ask = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Asks several questions of weight 1; returns their answers, or what they raised."""


class Began(NamedTuple):
    """What the exchange said."""

    statement: Statement
    """About its time."""
    listed: Sequence[Listing] = ()
    """What the exchange lists, if that had to be known."""


class Latest(NamedTuple):
    """The newest one-minute candle of a symbol, and when it was asked for."""

    candle: Candle
    sent: float
    received: float

    @property
    def row(self) -> NewestRow:
        """What the candle tells about the time."""
        candle = self.candle
        return NewestRow(candle.open_time, candle.close_time, self.sent, self.received)


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
    tell: Callable[[LinkEvent | DropEvent], None],
) -> Began | None:
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
        tell: called with what keeps it from beginning, and once when that is over; and
            with what of the exchange's list cannot be read.

    Raises:
        UsageError: a symbol is not listed, or not traded any more.
        Refused: the exchange refuses, for as long as such a refusal is borne with.
        ExchangeError, BadMessage: it could not be asked for all of `patience`.
    """
    known: dict[str, Latest | None] = {}
    began = patiently(
        lambda: inquire(rest, streams, now, ask, listed, known),
        now=now,
        random=random,
        patience=patience,
        stopping=stopping,
        tell=tell,
        answered=listed is not None,
        under_way=lambda: rest.under_way(),
    )
    if began is not None and began.listed is not listed:
        for odd in oddity(began.listed):
            tell(odd)
    return began


def inquire(
    rest: Rest,
    streams: Sequence[Stream],
    now: Callable[[], float],
    ask: Ask,
    listed: Sequence[Listing] | None = None,
    known: dict[str, Latest | None] | None = None,
) -> Began:
    """Ask once for the time, twice and with the newest rows that bear witness to it. If
    there is an answer, every symbol is listed and can be followed.

    A row with trades of the minute that runs is proof enough, and small. A row without
    any is none, since the exchange goes on making such rows after a symbol's end.

    Args:
        rest: who is asked.
        streams: what is to be followed.
        now: local seconds.
        ask: how to ask.
        listed: what the exchange lists, where that is known already.
        known: what an earlier attempt got of each symbol; this one adds to it.

    Raises:
        UnknownSymbol: one is not listed, with those that look like it.
        UsageError: one is not traded any more, with its status.
        ExchangeError, BadMessage: the exchange could not be asked.
    """
    symbols = [*dict.fromkeys(stream.symbol for stream in streams)]
    few = listed is None and len(symbols) <= FEW
    known = {} if known is None else known

    def time() -> Reading:
        return read_time(rest, now)

    def latest_of(symbol: str) -> Latest | None:
        sent = now()
        candle = latest(rest, symbol)
        return None if candle is None else Latest(candle, sent, now())

    lacking = [one for one in (symbols if few else symbols[:1]) if one not in known]
    about: list[Callable[[], Any]] = [functools.partial(latest_of, s) for s in lacking]
    if not few and listed is None:
        about.append(rest.listings)
    # Two readings and a row: none of them alone is believed.
    first, *found, second = ask([time, *about, time])
    for symbol, answer in zip(lacking, found, strict=False):
        if not isinstance(answer, Exception):
            known[symbol] = answer
    readings = [one for one in (first, second) if isinstance(one, Reading)]
    needed = [*(found if few else found[len(lacking) :]), *(readings or [first])]
    _raise_the_gravest([one for one in needed if isinstance(one, Exception)])
    if few:
        if not all(_proves(known[s], readings[0].server_time) for s in symbols):
            listed = rest.listings()
    elif listed is None:
        listed = found[-1]
    if listed is not None:
        unread = _unread(symbols, listed)
        if not few:
            answers = ask([functools.partial(latest, rest, s) for s in unread])
            _raise_the_gravest([one for one in answers if isinstance(one, Exception)])
        check([symbol for symbol in symbols if symbol not in unread], listed)
    rows = [one.row for one in known.values() if one is not None]
    return Began(Statement(readings, rows), () if listed is None else listed)


def _proves(latest: Latest | None, time: int) -> bool:
    """Whether a symbol's newest row shows that it is traded at that time."""
    if latest is None:
        return False
    return latest.candle.close_time >= time and latest.candle.count > 0


def _unread(symbols: Sequence[str], listed: Sequence[Listing]) -> set[str]:
    """Symbols that may be among the entries of the list that could not be read."""
    left_out = listed.left_out if isinstance(listed, Listings) else 0
    unread = {*symbols} - {one.symbol for one in listed}
    return unread if len(unread) <= left_out else set()


def _raise_the_gravest(errors: Sequence[Exception]) -> None:
    """What will not get better comes first: the others are tried again."""
    for error in sorted(errors, key=_hope):
        raise error


def _hope(error: Exception) -> float:
    """Seconds for which it makes sense to ask again."""
    if isinstance(error, Refused):
        return error.patience
    return 0.0 if isinstance(error, UsageError) else math.inf
