"""Beginning: before anything is subscribed to, the exchange's time has to be known, and
that it lists what was asked for. All of it is asked side by side, until it answers."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from klinetail.candle import Candle, Interval, Stream
from klinetail.collector.patience import patiently
from klinetail.collector.symbols import FEW, check, latest, oddity
from klinetail.errors import Refused, UsageError
from klinetail.events import DropEvent, LinkEvent
from klinetail.exchange.rest import Rest
from klinetail.protocol.rest import Listing, Listings

Ask = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Asks several questions of weight 1; returns their answers, or what they raised."""


class Began(NamedTuple):
    """What the exchange said."""

    server_time: int
    """Exchange time, ms."""
    read_at: float
    """When that was, seconds of `now`."""
    listed: Sequence[Listing] = ()
    """What the exchange lists, if that had to be known."""


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
        tell: called with what keeps it from beginning, and once when that is over; and
            with what of the exchange's list cannot be read.

    Raises:
        UsageError: a symbol is not listed, or not traded any more.
        Refused: the exchange refuses for good.
        ExchangeError, BadMessage: it could not be asked for all of `patience`.
    """
    began = patiently(
        lambda: inquire(rest, streams, now, ask, listed),
        now=now,
        random=random,
        patience=patience,
        stopping=stopping,
        tell=tell,
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
) -> Began:
    """Ask once. If there is an answer, every symbol is listed and can be followed.

    A row with trades of the minute that runs is proof enough, and small. A row without
    any is none, since the exchange goes on making such rows after a symbol's end.

    Args:
        rest: who is asked.
        streams: what is to be followed.
        now: local seconds.
        ask: how to ask.
        listed: what the exchange lists, where that is known already.

    Raises:
        UnknownSymbol: one is not listed, with those that look like it.
        UsageError: one is not traded any more, with its status.
        ExchangeError, BadMessage: the exchange could not be asked.
    """
    of = _shortest(streams)
    few = listed is None and len(of) <= FEW
    minutely = all(stream.interval is Interval.M1 for stream in of.values())
    about: list[Callable[[], Any]] = []
    if listed is None and not (few and minutely):
        about = [rest.listings]
    whole = bool(about)
    if few:
        about += [functools.partial(latest, rest, stream) for stream in of.values()]
    answers = _answers(ask, [lambda: (rest.server_time(), now()), *about])
    server_time, read_at = answers[0]
    if whole:
        listed = answers[1]
    elif few and not all(_proves(row, server_time) for row in answers[1:]):
        listed = rest.listings()
    if listed is not None:
        unread = _unread(of, listed)
        if not few:
            _answers(ask, [functools.partial(latest, rest, of[s]) for s in unread])
        check(of.keys() - unread, listed)
    return Began(server_time, read_at, () if listed is None else listed)


def _shortest(streams: Sequence[Stream]) -> dict[str, Stream]:
    """By symbol, the one of its streams with the shortest interval."""
    order = {interval: place for place, interval in enumerate(Interval)}
    found: dict[str, Stream] = {}
    for stream in streams:
        known = found.setdefault(stream.symbol, stream)
        if order[stream.interval] < order[known.interval]:
            found[stream.symbol] = stream
    return found


def _proves(row: Candle | None, time: int) -> bool:
    """Whether a stream's latest row shows that its symbol is traded at that time."""
    return row is not None and row.close_time >= time and row.count > 0


def _unread(of: Mapping[str, Stream], listed: Sequence[Listing]) -> set[str]:
    """Symbols that may be among the entries of the list that could not be read."""
    left_out = listed.left_out if isinstance(listed, Listings) else 0
    unread = of.keys() - {one.symbol for one in listed}
    return set(unread) if len(unread) <= left_out else set()


def _answers(ask: Ask, questions: Sequence[Callable[[], Any]]) -> list[Any]:
    """The answers, if there is one to each question; errors are raised."""
    answers = ask(questions)
    _raise_the_gravest([one for one in answers if isinstance(one, Exception)])
    return answers


def _raise_the_gravest(errors: Sequence[Exception]) -> None:
    """What will not get better comes first: the others are tried again."""
    final = [one for one in errors if isinstance(one, Refused | UsageError)]
    for error in [*final, *errors]:
        raise error
