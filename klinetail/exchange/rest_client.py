"""The exchange's REST side: one door for every request. A whole request has one
deadline, its answer a greatest size, a redirect is not followed, and a page of HTML
is not data.

The connector's client does none of that, and loading it takes longer than all else
that a start needs.
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
from klinetail.protocol.rest import (
    USED_WEIGHT,
    Listings,
    Row,
    decode_listings,
    decode_rows,
    decode_time,
    error_of,
    http_date,
)
from klinetail.protocol.venues import Venue

if TYPE_CHECKING:
    from klinetail.exchange.http import Answer, DeadlineConnection

PATIENCE: Final = 10.0
"""Seconds that one request may take in all."""


class Rest(Protocol):
    """What the collector asks the exchange for.

    Every method raises an `ExchangeError` or a `BadMessage`, and nothing else.
    """

    @property
    def used_weight(self) -> int | None:
        """What the exchange last said that this address used in its minute."""

    def server_time(self) -> int:
        """Exchange time, ms since the epoch."""

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> Sequence[Row]:
        """Candles by open time, each once, the last perhaps still forming. Some may be
        absent; what cannot be one is a `BadRow`.

        Args:
            stream: of which symbol and interval.
            start: earliest open time, ms; None for the latest candles.
            limit: how many at most; the venue's own limit is `limits.rows`.
        """

    def listings(self) -> Listings:
        """The symbols that the exchange lists."""

    def under_way(self) -> tuple[str, str]:
        """How far a request is that is under way, and what it asks for, with the
        address; empty words if there is none."""

    def close(self) -> None:
        """End requests under way; there will be no further ones."""


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
        venue: whose REST side.
        patience: seconds that one request may take in all.
        proxy: what to connect through.
    """

    def __init__(
        self, venue: Venue, *, patience: float = PATIENCE, proxy: Proxy | None = None
    ) -> None:
        self._venue = venue
        self._rest_url = venue.rest_url
        self._proxy = proxy
        self._patience = patience
        self.used_weight: int | None = None
        self._local = threading.local()
        self._connections: list[DeadlineConnection] = []
        self._closed = threading.Event()

    def _connection(self) -> DeadlineConnection:
        connection: DeadlineConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Loaded on the thread that asks: meanwhile the WebSocket connects.
            from klinetail.exchange.http import DeadlineConnection

            connection = self._local.connection = DeadlineConnection(
                self._rest_url, self._proxy
            )
            self._connections.append(connection)
        return connection

    def _ask(self, path: str, **parameters: str | int) -> bytes:
        """One request; the body of its successful answer.

        Raises:
            ExchangeError: no answer in time, or one that is an error.
            BadMessage: an answer that is not JSON, or too large.
        """
        where = f"asking {self._rest_url}{path}{through(self._proxy)}"
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        packed = path == self._venue.paths.exchange_info  # all others are small
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
                if self._closed.is_set():  # now that a later `close` finds the deadline
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
            if connection.lock.acquire(blocking=False):  # else its own thread closes it
                connection.close()
                connection.lock.release()
