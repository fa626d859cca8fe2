"""ThrottledRest: a REST side that asks nothing while the exchange bans the address."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from klinetail.candle import Stream
from klinetail.errors import BadMessage, ExchangeError, RateLimited
from klinetail.exchange.rest_client import Rest
from klinetail.protocol.exchange_info import Listings
from klinetail.protocol.klines import Row
from klinetail.protocol.limits import Limits
from klinetail.shortage import cause

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class ThrottledRest:
    """A `Rest` that fails at once while a ban lasts, because asking would lengthen the
    ban.

    A request raises only the errors that a `Rest` may raise, whatever the inner `Rest`
    raises.

    Args:
        rest: the `Rest` that sends the requests.
        limits: the limits of the exchange, with the weight of each request.
        monotonic: local seconds.
        on_sent: called before each request with its weight.
        on_used_weight: called after each request with the weight that the address has
            used, as the exchange says.
    """

    def __init__(
        self,
        rest: Rest,
        limits: Limits,
        monotonic: Callable[[], float],
        on_sent: Callable[[int], None],
        on_used_weight: Callable[[int | None], None],
    ) -> None:
        self._rest = rest
        """The `Rest` that sends the requests."""
        self._limits = limits
        """The limits of the exchange, with the weight of each request."""
        self._monotonic = monotonic
        """Local seconds."""
        self._on_sent = on_sent
        """Is told of each request, with its weight."""
        self._on_used_weight = on_used_weight
        """Is told the weight that the address has used."""
        self._lock = threading.Lock()
        """Guards the ban."""
        self._banned_until = float("-inf")
        """When the last ban ends, monotonic seconds."""
        self._why = ""
        """Why the address is banned."""
        self._where = ""
        """The request whose answer told of the ban."""

    @property
    def used_weight(self) -> int | None:
        """See `Rest`."""
        return self._rest.used_weight

    def server_time(self) -> int:
        """See `Rest`."""
        return self._ask(self._limits.time_weight, self._rest.server_time)

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> Sequence[Row]:
        """See `Rest`."""
        return self._ask(
            self._limits.klines_weight(limit),
            lambda: self._rest.klines(stream, start=start, limit=limit),
        )

    def listings(self) -> Listings:
        """See `Rest`."""
        return self._ask(self._limits.listings_weight, self._rest.listings)

    def under_way(self) -> tuple[str, str]:
        """See `Rest`."""
        return self._rest.under_way()

    def close(self) -> None:
        """See `Rest`."""
        self._rest.close()

    def _ask(self, weight: int, request: Callable[[], _T]) -> _T:
        """Send a request of this weight, unless a ban lasts."""
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
            # Otherwise the error would end the thread that asks, in silence.
            _log.exception("a request failed")
            raise ExchangeError(cause(error)) from error
        finally:
            self._on_used_weight(self._rest.used_weight)
