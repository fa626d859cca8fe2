"""PoliteRest: the REST side, never asked while the exchange wants to be left alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from klinetail.candle import Stream
from klinetail.errors import BadMessage, ExchangeError, RateLimited
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.limits import LISTINGS_WEIGHT, TIME_WEIGHT, klines_weight
from klinetail.protocol.rest import Listings, Row
from klinetail.shortage import cause

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class PoliteRest:
    """`Rest` that fails at once while a ban lasts: asking on would lengthen it.

    It raises nothing but what a `Rest` may, whatever the real one does.

    Args:
        rest: the real one.
        monotonic: seconds.
        on_sent: called before each request with its weight.
        on_used_weight: called after each request with what the exchange says that
            the address used.
    """

    def __init__(
        self,
        rest: Rest,
        monotonic: Callable[[], float],
        on_sent: Callable[[int], None],
        on_used_weight: Callable[[int | None], None],
    ) -> None:
        self._rest = rest
        self._monotonic = monotonic
        self._on_sent = on_sent
        self._on_used_weight = on_used_weight
        self._lock = threading.Lock()
        self._banned_until = float("-inf")
        self._why = self._where = ""

    @property
    def used_weight(self) -> int | None:
        """See `Rest`."""
        return self._rest.used_weight

    def server_time(self) -> int:
        """See `Rest`."""
        return self._ask(TIME_WEIGHT, self._rest.server_time)

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> Sequence[Row]:
        """See `Rest`."""
        return self._ask(
            klines_weight(limit),
            lambda: self._rest.klines(stream, start=start, limit=limit),
        )

    def listings(self) -> Listings:
        """See `Rest`."""
        return self._ask(LISTINGS_WEIGHT, self._rest.listings)

    def under_way(self) -> tuple[str, str]:
        """See `Rest`."""
        return self._rest.under_way()

    def close(self) -> None:
        """See `Rest`."""
        self._rest.close()

    def _ask(self, weight: int, request: Callable[[], _T]) -> _T:
        with self._lock:
            left = self._banned_until - self._monotonic()
            banned = RateLimited(self._why, left)
            banned.where = self._where
        if left > 0:
            raise banned
        self._on_sent(weight)
        try:
            return request()
        except RateLimited as error:
            with self._lock:
                until = self._monotonic() + error.retry_after
                self._banned_until = max(self._banned_until, until)
                self._why, self._where = error.cause, error.where
            raise
        except (ExchangeError, BadMessage):
            raise
        except Exception as error:
            # Else it would end the thread that asks, in silence.
            _log.exception("a request failed")
            raise ExchangeError(cause(error)) from error
        finally:
            self._on_used_weight(self._rest.used_weight)
