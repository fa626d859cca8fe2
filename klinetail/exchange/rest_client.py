"""The REST client: sends every request to the exchange's REST API.

A whole request has one deadline, an answer has a size limit, redirects are not
followed, and a page of HTML is not taken for data. The connector's own REST client has
none of these properties, and loading that client takes longer than the rest of a start.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlencode

from klinetail.candle import Stream
from klinetail.errors import BadMessage, Unreachable
from klinetail.exchange.deadline import Deadline, failure
from klinetail.exchange.proxy import Proxy, through
from klinetail.protocol.exchange_info import Listings, decode_listings
from klinetail.protocol.klines import Row, decode_rows
from klinetail.protocol.limits import USED_WEIGHT
from klinetail.protocol.rest_errors import error_of
from klinetail.protocol.server_time import decode_time, http_date
from klinetail.protocol.venues import Venue

if TYPE_CHECKING:
    from klinetail.exchange.http import Answer, DeadlineConnection

PATIENCE: Final = 10.0
"""Seconds that a whole request may take."""


class Rest(Protocol):
    """The questions of the collector to the exchange.

    The methods raise an `ExchangeError` or a `BadMessage`, and nothing else.
    """

    @property
    def used_weight(self) -> int | None:
        """The weight used by this address in the present minute, or None if unknown."""

    def server_time(self) -> int:
        """Return exchange time, ms since the epoch."""

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> Sequence[Row]:
        """Return candles by open time, each once; the last may still be forming.

        Candles may be missing; a row that cannot be a candle is a `BadRow`.

        Args:
            stream: the symbol and the interval.
            start: earliest open time, ms; None for the latest candles.
            limit: the number of candles at most; the venue's own limit is
                `limits.rows`.
        """

    def listings(self) -> Listings:
        """Return the symbols that the exchange lists."""

    def under_way(self) -> tuple[str, str]:
        """Return the present step of a request, and the question with the address.

        Both are empty if no request is under way.
        """

    def close(self) -> None:
        """End all requests; no request may follow."""


def _raise_for_status(answer: Answer, where: str) -> None:
    headers = answer.headers
    error = error_of(
        answer.status,
        answer.body,
        retry_after=headers.get("Retry-After"),
        server_time=http_date(headers.get("Date")),
    )
    if error is not None:
        error.where = where
        raise error


class BinanceRest:
    """`Rest` over HTTP. Thread-safe: each thread has a connection of its own.

    Args:
        venue: the market whose REST API is asked.
        patience: seconds that a whole request may take.
        proxy: the proxy to connect through, or None.
    """

    def __init__(
        self, venue: Venue, *, patience: float = PATIENCE, proxy: Proxy | None = None
    ) -> None:
        self._venue = venue
        """The paths and the limits of the REST API."""
        self._rest_url = venue.rest_url
        """The address of the REST API."""
        self._proxy = proxy
        """The proxy to connect through, or None."""
        self._patience = patience
        """Seconds that a whole request may take."""
        self.used_weight: int | None = None
        """See `Rest`."""
        self._local = threading.local()
        """Holds the connection of each thread."""
        self._connections: list[DeadlineConnection] = []
        """The connections of all threads."""
        self._closed = threading.Event()
        """Set by `close`."""

    def _connection(self) -> DeadlineConnection:
        connection: DeadlineConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Loaded on the asking thread: the WebSocket connects in the meantime.
            from klinetail.exchange.http import DeadlineConnection

            connection = self._local.connection = DeadlineConnection(
                self._rest_url, self._proxy
            )
            self._connections.append(connection)
        return connection

    def _ask(self, path: str, **parameters: str | int) -> bytes:
        """Send one request; return the body of the successful answer.

        Raises:
            ExchangeError: no answer came in time, or the answer is an error.
            BadMessage: the answer is too large, or compressed without being asked.
        """
        where = f"asking {self._rest_url}{path}{through(self._proxy)}"
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        packed = path == self._venue.paths.exchange_info  # the other answers are small
        deadline = Deadline(self._patience)
        deadline.where = where
        try:
            with deadline:
                answer = self._get(target, deadline, packed=packed)
        except BadMessage:
            raise
        except Exception as error:  # ours, OSError, no thread for the deadline ...
            raise failure(error, deadline, where) from error
        if deadline.over:
            raise failure(TimeoutError(), deadline, where)
        used = answer.headers.get(USED_WEIGHT, "")
        if re.fullmatch(r"[0-9]{1,9}", used):
            self.used_weight = int(used)
        _raise_for_status(answer, where)
        return answer.body

    def _get(self, target: str, deadline: Deadline, *, packed: bool) -> Answer:
        connection = self._connection()
        try:
            with connection.lock:
                connection.deadline = deadline
                # Only now, since a later call of `close` finds the deadline.
                if self._closed.is_set():
                    raise Unreachable("the client is closed")
                return connection.get(target, deadline, packed=packed)
        finally:
            if self._closed.is_set():
                connection.close()

    def server_time(self) -> int:
        """See `Rest`."""
        return decode_time(self._ask(self._venue.paths.time))

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> Sequence[Row]:
        """See `Rest`."""
        since = {} if start is None else {"startTime": start}
        body = self._ask(
            self._venue.paths.klines,
            symbol=stream.symbol,
            interval=stream.interval.value,
            limit=limit,
            **since,
        )
        return decode_rows(body, stream, self._venue.limits.rows)

    def listings(self) -> Listings:
        """See `Rest`."""
        body = self._ask(self._venue.paths.exchange_info)
        return decode_listings(body, self._venue.status_key)

    def under_way(self) -> tuple[str, str]:
        """See `Rest`."""
        for connection in list(self._connections):
            if (
                connection.lock.locked()
                and (deadline := connection.deadline) is not None
            ):
                return deadline.doing, deadline.where
        return "", ""

    def close(self) -> None:
        """See `Rest`."""
        self._closed.set()
        for connection in list(self._connections):
            if connection.deadline is not None:
                connection.deadline.abort()
            # During a request the connection's own thread closes the connection.
            if connection.lock.acquire(blocking=False):
                connection.close()
                connection.lock.release()
