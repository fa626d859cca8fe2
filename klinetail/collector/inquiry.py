"""Asking what the exchange lists, for as long as it takes."""

from __future__ import annotations

import math
import random as _random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from klinetail.collector.patience import patiently
from klinetail.collector.symbols import oddity
from klinetail.errors import KlinetailError, Unreachable
from klinetail.events import DropEvent, LinkEvent
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.rest import Listings
from klinetail.shortage import cause

_STOP: Final = 0.5


class Inquiry:
    """Asks for the listings on a daemon thread until there is an answer.

    `answer` is done with them, or with the error that makes it useless to go on: the
    exchange refuses, or it did not answer for `patience` seconds.

    Args:
        rest: who is asked; it is closed at the end.
        on_event: called, on a thread of its own, when an attempt failed or takes long,
            when one succeeds after that, and when an answer cannot be read in full.
        patience: seconds without an answer before giving up.
        monotonic: local seconds.
        random: uniform in [0, 1), for the pauses between attempts.
    """

    def __init__(
        self,
        rest: Rest,
        on_event: Callable[[LinkEvent | DropEvent], object],
        *,
        patience: float = math.inf,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.answer: Future[Listings] = Future()
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
            listed = patiently(
                self._rest.listings,
                now=self._monotonic,
                random=self._random,
                patience=self._patience,
                stopping=self._stopping,
                tell=self._on_event,
                under_way=lambda: self._rest.under_way(),
            )
            if listed is None:
                raise Unreachable("asked no more")
            for odd in oddity(listed):
                self._on_event(odd)
        except KlinetailError as error:
            self.answer.set_exception(error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            self.answer.set_exception(KlinetailError(cause(error)))
        else:
            self.answer.set_result(listed)
