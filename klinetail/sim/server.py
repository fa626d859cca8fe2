"""The server of the embedded exchange: WebSocket and REST on one loopback port."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import serve

from klinetail.candle import Candle
from klinetail.errors import UsageError
from klinetail.protocol.venues import LIVE, Venue, sim_venue
from klinetail.sim.admission import Admission
from klinetail.sim.clock import Clock
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.hub import Hub
from klinetail.sim.ledger import Ledger
from klinetail.sim.market import Market
from klinetail.sim.wire import Connection, Wire

HOST: Final = "127.0.0.1"
"""The only address ever listened on."""

MAX_SPEED: Final = 100_000
"""The greatest speed; a simulated day takes about a second."""

ROUND: Final = 0.02
"""Real seconds between two rounds of pushes."""

OPEN_TIMEOUT: Final = 30.0
"""Real seconds that a request may take; longer than the longest withheld answer."""

_CLOSE_TIMEOUT: Final = 0.5
"""Real seconds granted to clients for a closing handshake."""
_STOP_TIMEOUT: Final = 1.0
"""Real seconds that the server's thread may take for a request from another thread."""

_log = logging.getLogger("klinetail.sim")
_log.addHandler(logging.NullHandler())


class Server:
    """A market served on a thread of its own; a context manager.

    Args:
        market: the market.
        port: TCP port on 127.0.0.1; 0 takes any free port.
        speed: the pace of the exchange's clock; 1 is the pace of real time.
        start: exchange time at the start, ms; by default the market's `start`.
        ping_interval: real seconds between the exchange's pings.
        chaos: the faults to inject; by default none.
        ledger: called on the server's thread soon after candles truly close, with each
            closed candle once, for all streams ever subscribed to.
        admission: the admitted clients; by default programs on this machine.
        venue: the exchange whose paths, limits and units are served. The attribute
            `venue` has the addresses of the server itself.
        monotonic: returns real seconds.

    Raises:
        UsageError: the speed is not over 0, up to MAX_SPEED.
    """

    def __init__(
        self,
        market: Market,
        *,
        port: int = 0,
        speed: float = 1.0,
        start: int | None = None,
        ping_interval: float = 180.0,
        chaos: Chaos | None = None,
        ledger: Callable[[Sequence[Candle]], None] | None = None,
        admission: Admission = Admission(),  # noqa: B008 - it does not change
        venue: Venue = LIVE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < speed <= MAX_SPEED:
            raise UsageError(
                f"a speed of {speed} is not possible; it is over 0, up to {MAX_SPEED}"
            )
        self.market = market
        """The market, for comparison with a client's candles."""
        self.ended = threading.Event()
        """Set when the market has ended and the last frame was sent."""
        begin = market.start if start is None else start
        self._clock = Clock(begin, market.end, speed, monotonic)
        """Exchange time."""
        self.chaos = Chaos({}) if chaos is None else chaos
        """The faults to inject; `chaos.counts` counts the injected faults."""
        self._like = venue
        """The exchange whose paths, limits and units are served."""
        self._hub = Hub(
            market, self._clock, ping_interval, self.chaos, admission, venue
        )
        """Serves the connections."""
        self._ledger = Ledger(market, begin)
        """The candles that clients must end up with."""
        self._on_ledger = ledger
        """Called with new entries of the ledger."""
        self._wanted_port = port
        """The requested port."""
        self._socket: socket.socket | None = None
        """The listening socket; None while stopped."""
        self._thread: threading.Thread | None = None
        """The server's thread; None while stopped."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """The event loop of the server's thread; None before the first start."""
        self._stopping = asyncio.Event()
        """Set on the event loop to stop the server."""
        self._failure: Exception | None = None
        """The error that ended the server's thread, raised by `wait` and `stop`."""

    @property
    def port(self) -> int:
        """The TCP port in use, or the requested port before the start."""
        if self._socket is None:
            return self._wanted_port
        return int(self._socket.getsockname()[1])

    @property
    def venue(self) -> Venue:
        """All that a client has to know about the server, for `DataCollector`."""
        return sim_venue(self.port, self._like, self.market.label)

    @property
    def ws_url(self) -> str:
        """The WebSocket address, for `DataCollector` or `--ws-url`."""
        return self.venue.ws_url

    @property
    def rest_url(self) -> str:
        """The REST address, for `DataCollector` or `--rest-url`."""
        return self.venue.rest_url

    @property
    def connections(self) -> int:
        """The number of open WebSocket connections."""
        return self._hub.connections

    def requests(self, path: str) -> int:
        """Return how often a path of the REST side was requested."""
        return self._hub.requests[path]

    def now(self) -> int:
        """Return exchange time, ms."""
        return self._clock.now()

    def start(self) -> None:
        """Start listening; on return clients can connect and the clock runs.

        Raises:
            UsageError: the port is taken or not available.
            RuntimeError: the server is running already.
        """
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        self._socket = _listening(self._wanted_port)
        self._stopping = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._socket, ready), name="sim", daemon=True
        )
        self._thread.start()
        ready.wait()

    def wait(self) -> None:
        """Block until the market has ended; a synthetic market never ends."""
        self.ended.wait()
        self._check()

    def stop(self) -> None:
        """Close everything, within about a second; does nothing if not running."""
        if self._thread is None:
            return
        self._call(self._stopping.set)
        self._thread.join(1.5 * _STOP_TIMEOUT)
        self._thread = self._socket = None
        self._check()

    def disconnect_all(self, code: int | None = None) -> None:
        """Close every WebSocket connection with `code`; None breaks the TCP
        connections.

        On return no connection gets another frame, but closing may still be under way.
        """
        done = threading.Event()

        def disconnect() -> None:
            self._hub.disconnect_all(code)
            done.set()

        if self._call(disconnect):
            done.wait(_STOP_TIMEOUT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _call(self, function: Callable[[], None]) -> bool:
        """Run a function on the server's event loop, and return whether the loop is
        running."""
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _run(self, listening: socket.socket, ready: threading.Event) -> None:
        """Run the event loop; the body of the server's thread."""
        try:
            asyncio.run(self._serve(listening, ready))
        except Exception as error:  # noqa: BLE001 - raised again by stop and wait
            self._failure = error
            self.ended.set()
        finally:
            listening.close()
            ready.set()

    def _check(self) -> None:
        """Raise the error that ended the server's thread, if any."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def _serve(self, listening: socket.socket, ready: threading.Event) -> None:
        """Serve connections until stopped."""
        self._loop = asyncio.get_running_loop()
        wires: set[Wire] = set()
        listener = await serve(
            self._hub.handle,
            sock=listening,
            process_request=self._hub.process_request,
            create_connection=_tracked(wires),
            compression=None,
            ping_interval=None,
            open_timeout=OPEN_TIMEOUT,
            close_timeout=_CLOSE_TIMEOUT,
            server_header=None,
            logger=_log,
        )
        self._clock.run()
        ready.set()
        try:
            await self._push_rounds()
        finally:
            await _close(listener, wires)

    async def _push_rounds(self) -> None:
        """Push frames in rounds until stopped."""
        pushed = self._clock.now()
        end = self.market.end
        while not self._stopping.is_set():
            now = self._clock.now()
            self._hub.push(pushed, now)
            pushed = now
            self._enter(now)
            if end is not None and now >= end and not self.ended.is_set():
                self.ended.set()
            try:
                async with asyncio.timeout(ROUND):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def _enter(self, now: int) -> None:
        """Hand new entries of the ledger on."""
        if self._on_ledger is None:
            return
        if entries := self._ledger.entries(self._hub.followed, now):
            self._on_ledger(entries)


def _listening(port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        UsageError: the port is taken or not available.
    """
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise UsageError(
            f"cannot listen on {HOST}:{port} ({reason}); choose another port with"
            " --port, or 0 for any free one"
        ) from None


def _tracked(wires: set[Wire]) -> type[Connection]:
    """Return a connection class that keeps the wires of open connections in the set."""

    class Tracked(Connection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            wires.add(self.wire)

        def connection_lost(self, exc: Exception | None) -> None:
            wires.discard(self.wire)
            super().connection_lost(exc)

    return Tracked


async def _close(listener: Listener, wires: set[Wire]) -> None:
    """Close all connections, first with a closing handshake, then without: a client may
    never answer."""
    listener.close()
    closed = asyncio.create_task(listener.wait_closed())
    await asyncio.wait([closed], timeout=_CLOSE_TIMEOUT)
    for wire in [*wires]:
        wire.abort()
    await asyncio.wait([closed], timeout=_CLOSE_TIMEOUT)
