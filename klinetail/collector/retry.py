"""Retry: asking the exchange again until the exchange answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from klinetail.errors import BadMessage, ExchangeError, Refused
from klinetail.events import REST, LinkEvent, LinkState
from klinetail.exchange.backoff import BACKOFF, backoff, insistence
from klinetail.exchange.slowness import Slowness

_Answer = TypeVar("_Answer")


def retry(
    ask: Callable[[], _Answer],
    *,
    now: Callable[[], float],
    random: Callable[[], float],
    patience: float,
    stopping: threading.Event,
    tell: Callable[[LinkEvent], object],
    answered: bool = False,
    under_way: Callable[[], tuple[str, str]] = lambda: ("", ""),
) -> _Answer | None:
    """Ask until the exchange answers, and return the answer; None after a stop.

    Args:
        ask: raises the reason for which the exchange does not answer.
        now: local seconds.
        random: uniform in [0, 1), for the pauses between attempts.
        patience: seconds without an answer before giving up.
        stopping: ends the pauses, and the asking.
        tell: called with the reason for each delay, slowness included, and once when
            the delay is over.
        answered: whether the exchange has answered before in this run. No refusal ends
            the asking then.
        under_way: how far the request is, and the question; see `Rest.under_way`.

    Raises:
        Refused: the exchange refuses, for longer than a refusal of this kind is
            tolerated.
        ExchangeError, BadMessage: the exchange did not answer for `patience` seconds,
            or asks to be left alone for longer.
    """
    began = now()
    attempt = 0
    refused_since: float | None = None

    def tell_slow() -> None:
        doing, where = under_way()
        reason = f"still {doing or 'waiting'}"
        tell(LinkEvent(REST, LinkState.CONNECTING, reason, attempt, where=where))

    while not stopping.is_set():
        slowness = Slowness(tell_slow)
        try:
            with slowness:
                answer = ask()
        except (ExchangeError, BadMessage) as error:
            attempt += 1
            at, pause = now(), backoff(attempt, random)
            left = began + patience - at
            if not answered:
                refused_since, borne = insistence(error, refused_since, at)
                left = min(left, borne)
            elif isinstance(error, Refused):
                pause = BACKOFF[1]
            asked = getattr(error, "retry_after", 0.0)
            if left <= asked:
                raise
            pause = max(asked, min(left, pause))
            why, where = error.cause, error.where
            event = LinkEvent(REST, LinkState.WAITING, why, attempt, pause, where, left)
            tell(event)
            stopping.wait(pause)
        else:
            if attempt or slowness.told:
                tell(LinkEvent(REST, LinkState.IDLE))
            return answer
    return None
