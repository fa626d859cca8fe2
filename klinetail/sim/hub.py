"""The hub of the embedded exchange: all connections and their traffic, on one event
loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from klinetail.candle import Candle, Stream
from klinetail.protocol.frames import encode_kline
from klinetail.protocol.venues import Venue
from klinetail.sim.admission import Admission
from klinetail.sim.clock import Clock
from klinetail.sim.faults import answers, junk
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.feed import Feed, Push
from klinetail.sim.faults.handshakes import Failure, Way, failure_of
from klinetail.sim.faults.line import Line
from klinetail.sim.faults.replies import fumble_of
from klinetail.sim.http import Http, drip, forbidden, response
from klinetail.sim.limits import LIFETIME, MessageRate
from klinetail.sim.market import Market
from klinetail.sim.session import Outcome, Session, open_session
from klinetail.sim.wire import Connection

BACKLOG: Final = 8 << 20
"""Bytes waiting for one client at most; a slower client is disconnected."""

PONG_TIMEOUT: Final = 600.0
"""Seconds that a client may leave a ping unanswered.

Source: "Websocket Market Streams" of the USDⓈ-M futures documentation: 10 minutes.
"""

_GOING_AWAY: Final = 1001
"""The close code of a connection at the end of its lifetime."""
_VIOLATION: Final = 1008
"""The close code for a client that breaks a rule."""
_MOMENT: Final = 1.0
"""Real seconds that a miskeyed handshake stays open."""
_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: bm90IHlvdXJzIGF0IGFsbCEhISE=\r\n\r\n"
)
"""An accepted handshake with a wrong key."""


class _Client:
    """The state of an open connection."""

    def __init__(
        self, session: Session, rate: MessageRate, since: float, until: float
    ) -> None:
        self.session = session
        """The subscriptions and properties."""
        self.since = since
        """The real seconds at which the connection opened."""
        self.until = until
        """The real seconds at which the lifetime ends."""
        self.rate = rate
        """The rate limit of messages."""
        self.requests = 0
        """The number of requests received."""
        self.deaf = False
        """Whether no candles are sent to the client at all."""
        self.mute: set[Stream] = set()
        """The subscribed streams without frames."""

    @property
    def hears(self) -> frozenset[Stream]:
        """The streams sent to the client."""
        return frozenset() if self.deaf else self.session.streams - self.mute


class Hub:
    """Serves REST answers and WebSocket sessions about a market.

    Args:
        market: the market.
        clock: exchange time.
        ping_interval: real seconds between the exchange's pings.
        chaos: the faults to inject.
        admission: the admitted clients.
        venue: the exchange whose paths and limits are served.
    """

    def __init__(
        self,
        market: Market,
        clock: Clock,
        ping_interval: float,
        chaos: Chaos,
        admission: Admission,
        venue: Venue,
    ) -> None:
        self.followed: set[Stream] = set()
        """The streams ever subscribed to by any client."""
        self._market = market
        """The market."""
        self._clock = clock
        """Exchange time."""
        self._ping_interval = ping_interval
        """The real seconds between the exchange's pings."""
        self._chaos = chaos
        """The faults to inject."""
        self._admission = admission
        """The admitted clients."""
        self._venue = venue
        """The exchange whose paths and limits are served."""
        self._http = Http(market, clock, chaos, venue)
        """Answers REST requests."""
        self._feed = Feed(market, chaos)
        """Disturbs the market's frames."""
        self._line = Line(chaos)
        """Disturbs open connections."""
        self._clients: dict[Connection, _Client] = {}
        """The state of each open connection."""
        self._audience: dict[Stream, list[Connection]] | None = None
        """The connections to be sent each stream; None after a change, to be made
        anew."""
        self._closing: set[asyncio.Task[None]] = set()
        """The closing handshakes under way."""
        self._handshakes = 0
        """The number of handshakes so far."""
        self._subscriptions: Counter[Stream] = Counter()
        """The number of subscriptions so far, by stream."""
        self._served = False
        """Whether any client has received candles."""
        self._struck_until = 0.0
        """The real seconds up to which faults with a period were carried out."""

    @property
    def connections(self) -> int:
        """The number of open WebSocket connections."""
        return len(self._clients)

    @property
    def requests(self) -> Counter[str]:
        """The number of REST requests by path."""
        return self._http.requests

    # Connections

    async def process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Answer a plain HTTP request, or return None to continue a WebSocket
        handshake."""
        assert isinstance(connection, Connection)  # noqa: S101 - the server makes them
        headers = request.headers
        refusal = self._admission.refusal(
            headers.get_all("Host"), headers.get_all("Origin")
        )
        if refusal is not None:
            return forbidden(refusal)
        if open_session(request.path, self._venue) is None:
            return await self._http.respond(connection, request, served=self._served)
        if request.headers.get("Upgrade") is None:
            return None
        self._handshakes += 1
        connection.number = self._handshakes
        host, port = connection.local_address
        failure = failure_of(
            self._chaos, connection.number, f"{host}:{port}", served=self._served
        )
        if failure is None or failure.way is Way.CUT_AFTER:
            return None
        self._chaos.note(failure.fault)
        return await _fail(connection, failure)

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one WebSocket connection until the connection closes."""
        assert isinstance(connection, Connection)  # noqa: S101 - the server makes them
        request = connection.request
        session = None if request is None else open_session(request.path, self._venue)
        if session is None:  # `process_request` has answered the request
            return
        # A connection cut before the handshake never gets here.
        if self._chaos.strikes("hangup", connection.number):
            self._chaos.note("hangup")
            connection.wire.hang_up()
            return
        now = self._clock.elapsed()
        lifetime = self._chaos.lifetime(connection.number)
        rate = MessageRate(self._venue.limits.messages_per_second)
        client = _Client(session, rate, now, now + (lifetime or LIFETIME))
        if self._chaos.strikes("deaf", connection.number):
            self._chaos.note("deaf")
            client.deaf = True
        self._clients[connection] = client
        connection.on_ping = self.admit
        pinging = asyncio.create_task(self._ping(connection))
        try:
            self._carry_out(connection, session.opening())
            async for message in connection:
                if self.admit(connection):
                    self._receive(connection, client, message)
        except ConnectionClosed:
            pass
        finally:
            pinging.cancel()
            self._forget(connection)

    def admit(self, connection: Connection) -> bool:
        """Count a client's message or ping, and return whether the rate limit allows
        the message; otherwise close the connection."""
        client = self._clients.get(connection)
        if client is None or client.rate.admits(self._clock.elapsed()):
            return client is not None
        self._close(connection, _VIOLATION, "Too many requests")
        return False

    def _receive(
        self, connection: Connection, client: _Client, message: str | bytes
    ) -> None:
        """Carry out a client's request, or fumble the request if a fault strikes."""
        client.requests += 1
        fumble = fumble_of(self._chaos, connection.number, client.requests, message)
        if fumble is None:
            self._carry_out(connection, client.session.receive(message))
            return
        self._chaos.note(fumble.fault)
        outcome = fumble.instead or Outcome()
        if not fumble.ignored:
            outcome = client.session.receive(message)
        reply = outcome.reply
        if fumble.instead is None:
            outcome = outcome._replace(reply=None)
        self._carry_out(connection, outcome)
        if fumble.delay is not None and reply is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(fumble.delay, broadcast, [connection], reply)

    def _carry_out(self, connection: Connection, outcome: Outcome) -> None:
        """Subscribe, reply and close as the outcome says."""
        self._audience = None
        for stream in sorted(outcome.subscribed):
            self._subscribe(connection, stream)
        if outcome.reply is not None:
            broadcast([connection], outcome.reply)
        if outcome.close:
            self._close(connection, _VIOLATION, "Invalid request")
        elif connection.transport.get_write_buffer_size() > BACKLOG:
            self._close(connection, _VIOLATION, "Too slow")

    def _subscribe(self, connection: Connection, stream: Stream) -> None:
        """Note a subscription, and mute the stream if the fault strikes."""
        self.followed.add(stream)
        self._subscriptions[stream] += 1
        mute = self._clients[connection].mute
        mute.discard(stream)
        if self._chaos.strikes("mute", stream, self._subscriptions[stream]):
            self._chaos.note("mute")
            mute.add(stream)

    # Pushes

    def push(self, after: int, until: int) -> None:
        """Send all frames with an event time in (after, until], and carry out due
        faults."""
        if self._audience is None:
            self._audience = self._listeners()
        self._push_to(self._audience, after, until)
        now = self._clock.elapsed()
        for connection, client in [*self._clients.items()]:
            if connection.transport.get_write_buffer_size() > BACKLOG:
                self._close(connection, _VIOLATION, "Too slow")
            elif now >= client.until:
                self._chaos.note("lifetime")
                self._close(connection, _GOING_AWAY, "")
        for strike in self._chaos.due(self._struck_until, now):
            self._line.strike(strike, [*self._clients])
        self._struck_until = now

    def _push_to(
        self, audience: dict[Stream, list[Connection]], after: int, until: int
    ) -> None:
        """Send the frames in (after, until] to the listening connections."""
        frames = self._market.pushes(audience, after, until) if audience else []
        for push in self._feed.disturbed(frames, audience, after, until):
            listeners = audience.get(push.stream, ())
            if listeners and push.fault is not None:
                self._chaos.note(push.fault)
            for combined in (False, True):
                group = [c for c in listeners if self._wraps(c) is combined]
                if group:
                    self._served = True
                    _send(group, push, combined=combined)

    def disconnect_all(self, code: int | None) -> None:
        """Close every connection with `code`; None breaks the TCP connections."""
        for connection in [*self._clients]:
            if code is None:
                connection.transport.abort()
                self._forget(connection)
            else:
                self._close(connection, code, "")

    def _wraps(self, connection: Connection) -> bool | None:
        """Return whether a connection's frames are wrapped; None for a closed
        connection."""
        client = self._clients.get(connection)
        return None if client is None else client.session.combined

    def _listeners(self) -> dict[Stream, list[Connection]]:
        """Return the connections to be sent each stream."""
        listeners: dict[Stream, list[Connection]] = {}
        for connection, client in self._clients.items():
            for stream in client.hears:
                listeners.setdefault(stream, []).append(connection)
        return listeners

    def _close(self, connection: Connection, code: int, reason: str) -> None:
        """Send nothing more to a connection, and close the connection in the
        background."""
        self._forget(connection)
        task = asyncio.create_task(connection.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget(self, connection: Connection) -> None:
        """Drop the state of a connection."""
        self._audience = None
        self._clients.pop(connection, None)

    async def _ping(self, connection: Connection) -> None:
        """Ping a client at intervals; close the connection without a pong in time."""
        try:
            while True:
                await asyncio.sleep(self._ping_interval)
                pong = await connection.ping(str(self._clock.now()))
                async with asyncio.timeout(PONG_TIMEOUT):
                    await pong
        except TimeoutError:
            self._close(connection, _VIOLATION, "Pong timeout")
        except ConnectionClosed:
            pass


async def _fail(connection: Connection, failure: Failure) -> Response:
    """Let a handshake fail. The result is sent only if the failure is an answer."""
    answer = response(failure.status, {"Content-Length": "0", **failure.headers}, b"")
    match failure.way:
        case Way.ANSWERED:
            return answer
        case Way.CUT:
            connection.wire.hang_up()
        case Way.DRIPPING:
            connection.wire.lose()
            await drip(connection, _SWITCHING, answers.DRIP)
            connection.wire.reset()
        case Way.MISKEYED:
            connection.wire.lose()
            connection.wire.inject(_SWITCHING)
            await connection.stays(_MOMENT)
            connection.wire.reset()
        case _:
            connection.wire.lose()
            await connection.stays(answers.HELD)
            connection.wire.reset()
    return answer


def _send(group: list[Connection], push: Push, *, combined: bool) -> None:
    """Send a push to a group of connections with equal wrapping."""
    content = push.content
    if isinstance(content, Candle):
        content = _frame(content, combined=combined)
    if push.pieces > 1 and isinstance(content, str):
        data = junk.fragments(content.encode(), push.pieces)
        for connection in group:
            if connection.state is State.OPEN:
                connection.transport.write(data)
    elif content is not None:
        broadcast(group, content)


def _frame(candle: Candle, *, combined: bool) -> str:
    # A range of trade ids is longer than the number of trades, as at the exchange.
    """Return a candle as the text of a frame."""
    first = candle.open_time if candle.count else -1
    last = first + candle.count + candle.count // 32
    return encode_kline(candle, first_trade=first, last_trade=last, combined=combined)
