"""Asking what the exchange lists, for as long as it takes."""

from __future__ import annotations

import math
import random as _random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from klinetail.errors import BadMessage, ExchangeError, KlinetailError, Refused
from klinetail.events import LinkEvent, LinkState
from klinetail.exchange.rest import Rest
from klinetail.exchange.supervision import backoff
from klinetail.protocol.rest import Listing

_STOP: Final = 0.5


class Inquiry:
    """Asks for the listings on a daemon thread until there is an answer.

    `answer` is done with them, or with the error that makes it useless to go on: the
    exchange refuses, or it did not answer for `patience` seconds.

    Args:
        rest: who is asked; it is closed at the end.
        on_event: called on the thread when an attempt failed, and when one succeeds
            after that.
        patience: seconds without an answer before giving up.
        monotonic: local seconds.
        random: uniform in [0, 1), for the pauses between attempts.
    """

    def __init__(
        self,
        rest: Rest,
        on_event: Callable[[LinkEvent], object],
        *,
        patience: float = math.inf,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.answer: Future[list[Listing]] = Future()
        self._rest = rest
        self._on_event = on_event
        self._patience = patience
        self._monotonic = monotonic
        self._random = random
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="klinetail-inquiry", daemon=True
        )

    def start(self) -> None:
        """Begin to ask; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, whether there was an answer or not; within a second."""
        self._stopping.set()
        self._rest.close()
        self._thread.join(_STOP)

    def _run(self) -> None:
        try:
            listed = self._ask()
        except KlinetailError as error:
            self.answer.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            self.answer.set_exception(KlinetailError(f"a bug: {error!r}"))
        else:
            self.answer.set_result(listed)

    def _ask(self) -> list[Listing]:
        began = self._monotonic()
        attempt = 0
        while True:
            try:
                listed = self._rest.listings()
            except Refused:
                raise
            except (ExchangeError, BadMessage) as error:
                attempt += 1
                asked = getattr(error, "retry_after", 0.0)
                left = began + self._patience - self._monotonic()
                if left <= asked or self._stopping.is_set():
                    raise
                pause = max(asked, min(left, backoff(attempt, self._random)))
                waiting = LinkState.WAITING
                self._on_event(LinkEvent("rest", waiting, str(error), attempt, pause))
                self._stopping.wait(pause)
                continue
            if attempt:
                self._on_event(LinkEvent("rest", LinkState.IDLE))
            return listed
