"""Listings request: asking for the list of symbols until the exchange answers."""

from __future__ import annotations

import math
import random as _random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from klinetail.collector.retry import retry
from klinetail.collector.symbols import oddity
from klinetail.errors import KlinetailError, Unreachable
from klinetail.events import DropEvent, LinkEvent
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.exchange_info import Listings
from klinetail.shortage import cause

_STOP: Final = 0.5
"""Seconds for which a stop waits for the thread."""


class ListingsRequest:
    """Asks for the listings on a daemon thread until the exchange answers.

    Args:
        rest: the REST side, which is closed at the end.
        on_event: called, on a thread of its own, when an attempt failed or takes long,
            when an attempt succeeds after that, and when an answer cannot be read in
            full.
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
        """Done with the listings, or with the error that ends the asking: the exchange
        refuses, or did not answer for `patience` seconds."""
        self._rest = rest
        """The REST side."""
        self._on_event = on_event
        """Is told of failed and slow attempts, and of their end."""
        self._patience = patience
        """Seconds without an answer before giving up."""
        self._monotonic = monotonic
        """Local seconds."""
        self._random = random
        """Uniform in [0, 1), for the pauses between attempts."""
        self._stopping = threading.Event()
        """Set to end the asking."""
        self._thread = threading.Thread(
            target=self._run, name="klinetail-listings", daemon=True
        )
        """The thread that asks."""

    def start(self) -> None:
        """Begin to ask, and return at once."""
        self._thread.start()

    def stop(self) -> None:
        """End within a second, with an answer or without."""
        self._stopping.set()
        self._rest.close()
        self._thread.join(_STOP)

    def _run(self) -> None:
        try:
            listed = retry(
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
        except Exception as error:  # noqa: BLE001 - the waiting thread must hear of it
            self.answer.set_exception(KlinetailError(cause(error)))
        else:
            self.answer.set_result(listed)
