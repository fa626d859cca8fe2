"""Preflight: the questions that have to be answered before anything is subscribed to.

Exchange time has to be known, and every symbol has to be listed. Both are asked about
side by side, until the exchange answers.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from klinetail.candle import Candle, Stream
from klinetail.clock import NewestRow
from klinetail.collector.retry import retry
from klinetail.collector.symbols import FEW, check, latest, oddity
from klinetail.collector.timekeeping import TimeAnswers, read_time
from klinetail.errors import Refused, UsageError
from klinetail.events import DropEvent, LinkEvent
from klinetail.exchange.rest_client import Rest
from klinetail.pace import Reading
from klinetail.protocol.exchange_info import Listing, Listings

Ask = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Asks several questions of weight 1, and returns their answers in order; a question
that raised is answered by its exception."""


class Preflight(NamedTuple):
    """The answers of the exchange."""

    time: TimeAnswers
    """Answers about the time."""
    listed: Sequence[Listing] = ()
    """What the exchange lists; empty if the list was not needed."""


class LatestCandle(NamedTuple):
    """The newest one-minute candle of a symbol, with the times of the request."""

    candle: Candle
    """The candle."""
    sent: float
    """When the request was sent, local seconds."""
    received: float
    """When the answer came, local seconds."""

    @property
    def row(self) -> NewestRow:
        """The open and close times of the candle, as evidence about the time."""
        candle = self.candle
        return NewestRow(candle.open_time, candle.close_time, self.sent, self.received)


def preflight(
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
) -> Preflight | None:
    """Ask until the exchange has told the time and lists every symbol, and return the
    answers; None after a stop.

    Args:
        rest: the REST side.
        streams: the streams to follow.
        ask: how to ask several questions side by side.
        listed: what the exchange lists, if the list is known already.
        now: local seconds.
        random: uniform in [0, 1), for the pauses between attempts.
        patience: seconds without an answer before giving up.
        stopping: ends the pauses between attempts.
        tell: called with the reason for each delay, and once when the delay is over;
            and with the symbols that cannot be read.

    Raises:
        UsageError: a symbol is not listed, or not traded any more.
        Refused: the exchange refuses, for longer than a refusal of this kind is
            tolerated.
        ExchangeError, BadMessage: the exchange could not be asked for all of
            `patience`.
    """
    known: dict[str, LatestCandle | None] = {}
    began = retry(
        lambda: ask_once(rest, streams, now, ask, listed, known),
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


def ask_once(
    rest: Rest,
    streams: Sequence[Stream],
    now: Callable[[], float],
    ask: Ask,
    listed: Sequence[Listing] | None = None,
    known: dict[str, LatestCandle | None] | None = None,
) -> Preflight:
    """Ask once for the time and for the newest rows, and return the answers. Every
    symbol is listed then, and can be followed.

    The time is asked for twice. A row with trades of the present minute proves that its
    symbol is traded, and costs little. A row without trades proves nothing, since the
    exchange goes on making rows after a symbol's end.

    Args:
        rest: the REST side.
        streams: the streams to follow.
        now: local seconds.
        ask: how to ask several questions side by side.
        listed: what the exchange lists, if the list is known already.
        known: answers of earlier attempts, by symbol; this attempt adds its answers.

    Raises:
        UnknownSymbol: a symbol is not listed; the error names similar symbols.
        UsageError: a symbol is not traded any more; the error names its status.
        ExchangeError, BadMessage: the exchange could not be asked.
    """
    symbols = [*dict.fromkeys(stream.symbol for stream in streams)]
    few = listed is None and len(symbols) <= FEW
    known = {} if known is None else known

    def time() -> Reading:
        return read_time(rest, now)

    def latest_of(symbol: str) -> LatestCandle | None:
        sent = now()
        candle = latest(rest, symbol)
        return None if candle is None else LatestCandle(candle, sent, now())

    lacking = [one for one in (symbols if few else symbols[:1]) if one not in known]
    about: list[Callable[[], Any]] = [functools.partial(latest_of, s) for s in lacking]
    if not few and listed is None:
        about.append(rest.listings)
    # Two readings and a row, since none of the three is believed alone.
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
    return Preflight(TimeAnswers(readings, rows), () if listed is None else listed)


def _proves(latest: LatestCandle | None, time: int) -> bool:
    """Whether a symbol's newest row shows that the symbol is traded at `time`."""
    if latest is None:
        return False
    return latest.candle.close_time >= time and latest.candle.count > 0


def _unread(symbols: Sequence[str], listed: Sequence[Listing]) -> set[str]:
    """Return symbols that may be among the unreadable entries of the list."""
    left_out = listed.left_out if isinstance(listed, Listings) else 0
    unread = {*symbols} - {one.symbol for one in listed}
    return unread if len(unread) <= left_out else set()


def _raise_the_gravest(errors: Sequence[Exception]) -> None:
    """Raise the error that is the least likely to pass. The other errors would only
    lead to another attempt."""
    for error in sorted(errors, key=_hope):
        raise error


def _hope(error: Exception) -> float:
    """Return the seconds for which asking again makes sense."""
    if isinstance(error, Refused):
        return error.patience
    return 0.0 if isinstance(error, UsageError) else math.inf
