"""The connections of the embedded exchange: who gets what, on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from klinetail.candle import MINUTE, Candle, Stream
from klinetail.protocol.frames import encode_kline
from klinetail.sim.market import Market
from klinetail.sim.rest import answer
from klinetail.sim.session import Outcome, Session, open_session

BACKLOG: Final = 8 << 20
"""Bytes that may wait for one client; past that it is disconnected."""

PONG_TIMEOUT: Final = 600.0
"""Seconds a client may leave a ping unanswered, as documented."""

_VIOLATION: Final = 1008


class Hub:
    """Serves REST answers and WebSocket sessions about a market.

    Args:
        market: the truth.
        now: exchange time, ms.
        ping_interval: real seconds between the exchange's pings.
    """

    def __init__(
        self, market: Market, now: Callable[[], int], ping_interval: float
    ) -> None:
        self._market = market
        self._now = now
        self._ping_interval = ping_interval
        self._sessions: dict[ServerConnection, Session] = {}
        self._audience: dict[Stream, list[ServerConnection]] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._weight_minute = 0
        self._weight = 0

    @property
    def connections(self) -> int:
        return len(self._sessions)

    def process_request(
        self, _connection: ServerConnection, request: Request
    ) -> Response | None:
        """Answer plain HTTP; None lets a WebSocket handshake go on."""
        if open_session(request.path) is not None:
            return None
        now = self._now()
        status, body, weight = answer(self._market, request.path, now)
        if now // MINUTE != self._weight_minute:
            self._weight_minute, self._weight = now // MINUTE, 0
        self._weight += weight
        headers = Headers(
            [
                ("Content-Type", "application/json;charset=UTF-8"),
                ("Content-Length", str(len(body))),
                ("X-MBX-USED-WEIGHT-1M", str(self._weight)),
                ("Connection", "close"),
            ]
        )
        return Response(status, HTTPStatus(status).phrase, headers, body)

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one WebSocket connection until it closes."""
        request = connection.request
        session = None if request is None else open_session(request.path)
        if session is None:  # `process_request` answered it
            return
        self._sessions[connection] = session
        pinging = asyncio.create_task(self._ping(connection))
        try:
            self._carry_out(connection, session.opening())
            async for message in connection:
                self._carry_out(connection, session.receive(message))
        except ConnectionClosed:
            pass
        finally:
            pinging.cancel()
            self._forget(connection)

    def push(self, after: int, until: int) -> None:
        """Send everything with an event time in (after, until]."""
        if self._audience is None:
            self._audience = self._listeners()
        if not self._audience:
            return
        for candle in self._market.pushes(self._audience, after, until):
            listeners = self._audience[candle.stream]
            for combined in (False, True):
                group = [c for c in listeners if self._wraps(c) is combined]
                if group:
                    broadcast(group, _frame(candle, combined=combined))
        for connection in [*self._sessions]:
            if connection.transport.get_write_buffer_size() > BACKLOG:
                self._close(connection, _VIOLATION, "Too slow")

    def disconnect_all(self, code: int | None) -> None:
        """Close every connection with `code`; None breaks the TCP connection."""
        for connection in [*self._sessions]:
            if code is None:
                connection.transport.abort()
                self._forget(connection)
            else:
                self._close(connection, code, "")

    def _wraps(self, connection: ServerConnection) -> bool | None:
        session = self._sessions.get(connection)
        return None if session is None else session.combined

    def _listeners(self) -> dict[Stream, list[ServerConnection]]:
        listeners: dict[Stream, list[ServerConnection]] = {}
        for connection, session in self._sessions.items():
            for stream in session.streams:
                listeners.setdefault(stream, []).append(connection)
        return listeners

    def _carry_out(self, connection: ServerConnection, outcome: Outcome) -> None:
        self._audience = None
        if outcome.reply is not None:
            broadcast([connection], outcome.reply)
        if outcome.close:
            self._close(connection, _VIOLATION, "Invalid request")
        elif connection.transport.get_write_buffer_size() > BACKLOG:
            self._close(connection, _VIOLATION, "Too slow")

    def _close(self, connection: ServerConnection, code: int, reason: str) -> None:
        self._forget(connection)
        task = asyncio.create_task(connection.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget(self, connection: ServerConnection) -> None:
        self._audience = None
        self._sessions.pop(connection, None)

    async def _ping(self, connection: ServerConnection) -> None:
        try:
            while True:
                await asyncio.sleep(self._ping_interval)
                pong = await connection.ping(str(self._now()))
                async with asyncio.timeout(PONG_TIMEOUT):
                    await pong
        except TimeoutError:
            self._close(connection, _VIOLATION, "Pong timeout")
        except ConnectionClosed:
            pass


def _frame(candle: Candle, *, combined: bool) -> str:
    # Ids count more than the trades, as the exchange's do.
    first = candle.open_time
    last = first + candle.count + candle.count // 32
    return encode_kline(candle, first_trade=first, last_trade=last, combined=combined)
