"""Beginning: the exchange's time is read and the symbols are verified, or tried for
ever; nothing is subscribed before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from klinetail.candle import Stream
from klinetail.collector.questions import Ask, inquire
from klinetail.errors import BadMessage, ExchangeError, Refused
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.rest import Rest
from klinetail.exchange.supervision import backoff
from klinetail.protocol.rest import Listing


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
        Refused: the exchange refuses for good.
        ExchangeError, BadMessage: it could not be asked for all of `patience`.
    """
    began = now()
    attempt = 0
    while not stopping.is_set():
        try:
            server_time, read_at = inquire(rest, streams, now, ask, listed)
        except Refused:
            raise
        except (ExchangeError, BadMessage) as error:
            if now() - began >= patience:
                raise
            attempt += 1
            asked = getattr(error, "retry_after", 0.0)
            delay = max(backoff(attempt, random), asked)
            tell(LinkEvent("rest", LinkState.WAITING, str(error), attempt, delay))
            stopping.wait(delay)
        else:
            if attempt:
                tell(LinkEvent("rest", LinkState.IDLE))
            return Began(server_time, read_at)
    return None
