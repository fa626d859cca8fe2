"""The connector's WebSocket client, made safe.

The published client (4.2.0) connects without a deadline, follows redirects, reads
frames of any length, ends the thread without a word after broken UTF-8, drops the close
code, and stops only if the server agrees; and the default address never sends a candle.
The client of this module does none of these things.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from websocket import (
    WebSocket,
    WebSocketBadStatusException,
    WebSocketException,
    WebSocketProtocolException,
)

from klinetail.errors import ExchangeError, Refused, Unreachable
from klinetail.exchange.connection import Connect, Connection, Handlers
from klinetail.exchange.connector import (
    BinanceSocketManager,
    UMFuturesWebsocketClient,
)
from klinetail.exchange.deadline import Deadline, failure
from klinetail.exchange.proxy import Proxy, through
from klinetail.exchange.receiver import Receiver
from klinetail.exchange.tls import TlsSocket
from klinetail.exchange.transport import dial
from klinetail.protocol.rest_errors import error_of
from klinetail.protocol.server_time import http_date
from klinetail.shortage import safe_to_start, shortage

MAX_HANDSHAKE: Final = 1 << 16
"""Bytes of an answer to the handshake at most; a firewall's page of HTML fits."""

SEND_TIMEOUT: Final = 2.0
"""Seconds that sending may take before the connection is shut down."""

READ: Final = 1 << 17
"""Bytes of one read at most: about 400 frames."""

MANY: Final = 100
"""The number of messages in a read from which on the next read follows at once."""


class _Socket(WebSocket):  # type: ignore[misc]
    """The library's WebSocket: connects and sends. A `Receiver` handles the reads."""

    def read(self) -> bytes:
        """Return the bytes that have arrived, up to `READ`; wait for the first byte.

        Raises:
            WebSocketConnectionClosedException: the server has ended the connection.
            OSError: the connection broke.
        """
        return self._recv(READ)  # type: ignore[no-any-return]

    def send_close(self, *args: Any) -> None:
        """Send a close frame, if the connection still takes a frame.

        An error is ignored: the connection is gone already, as the caller wants, and
        the error would hide the code of the server's own close frame.
        """
        with contextlib.suppress(OSError, WebSocketException):
            super().send_close(*args)


class _Handshaking:
    """A socket that reads `MAX_HANDSHAKE` bytes at most."""

    def __init__(self, sock: socket.socket | TlsSocket) -> None:
        self._sock = sock
        self._left = MAX_HANDSHAKE
        """The number of bytes that may still be read."""

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, as a socket does."""
        data = self._sock.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise WebSocketProtocolException("the answer does not end")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class SocketManager(BinanceSocketManager):  # type: ignore[misc]
    """The connector's thread, which reads one connection until the end.

    Args:
        stream_url: the address with its path.
        handlers: the handlers of the connection.
        deadline: running; the connection has to be open before the deadline.
        proxy: the proxy to connect through, or None.
        linger: seconds to wait after a read with few messages.
        logger: the connector's logger.
    """

    def __init__(
        self,
        stream_url: str,
        handlers: Handlers,
        deadline: Deadline,
        proxy: Proxy | None,
        linger: float,
        logger: object,
    ) -> None:
        self.candles = 0
        """The number of candles that the connection brought; `Manager.candles`."""
        self.on_reply = handlers.on_reply
        """Called with each reply of the exchange."""
        self._handlers = handlers
        """The handlers of the connection."""
        self._linger = linger
        """Seconds to wait after a read with few messages."""
        self._deadline = deadline
        """The deadline for opening the connection."""
        self._proxy = proxy
        """The proxy to connect through, or None."""
        super().__init__(stream_url, on_message=handlers.on_message, logger=logger)
        self.daemon = True
        self.name = "klinetail-socket"

    def create_ws_connection(self) -> None:
        """Connect before the deadline; `connector` names the errors."""
        self.ws = _Socket()
        sock = dial(self.stream_url, self._deadline, self._proxy)
        try:
            handshaking = _Handshaking(sock)
            self.ws.connect(self.stream_url, socket=handshaking, redirect_limit=0)
            self.ws.sock = sock
        except BaseException:
            sock.close()
            raise

    def start(self) -> None:
        """Begin to read. The connection is closed if the system gives no thread."""
        safe_to_start(self)
        try:
            super().start()
        except BaseException:
            self.ws.shutdown()
            raise

    def run(self) -> None:
        """Read until the connection ends, and report the end in every case."""
        reason, code = "the connection ended", None
        try:
            reason, code = self.read_data()
        except Exception as error:  # noqa: BLE001 - however it ends, the link must know
            words = shortage(error) or str(error).rstrip(".") or type(error).__name__
            reason = f"the connection broke: {words}"
        finally:
            try:
                self.ws.shutdown()
            finally:
                self._handlers.on_exit(reason, code)

    def read_data(self) -> tuple[str, int | None]:
        """Read until the server closes; return the reason and the close code."""
        receiver = Receiver(self._handlers, self, self.ws.pong)
        while (closed := receiver.feed(self.ws.read())) is None:
            if self._linger and 0 < receiver.received < MANY:
                time.sleep(self._linger)
        self.ws.send_close()
        return closed

    def abort(self) -> None:
        """End the connection at once; a thread that reads or sends wakes up."""
        # The library's own abort does nothing once a CLOSE was sent.
        sock = self.ws.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class StreamClient(UMFuturesWebsocketClient):  # type: ignore[misc]
    """The connector's client over our `SocketManager`.

    The constructor opens the connection.

    Args:
        ws_url: the address, without `/ws`.
        handlers: the handlers of the connection.
        deadline: running; the connection has to be open before the deadline.
        proxy: the proxy to connect through, or None.
        linger: seconds to wait after a read with few messages.
    """

    def __init__(
        self,
        ws_url: str,
        handlers: Handlers,
        deadline: Deadline,
        proxy: Proxy | None,
        linger: float = 0.0,
    ) -> None:
        self._linger = linger
        self._handlers = handlers
        self._deadline = deadline
        self._proxy = proxy
        super().__init__(stream_url=ws_url)

    def _initialize_socket(self, stream_url: str, *args: object) -> SocketManager:
        logger = args[-2]
        return SocketManager(
            stream_url,
            self._handlers,
            self._deadline,
            self._proxy,
            self._linger,
            logger,
        )

    @property
    def candles(self) -> int:
        """The number of candles that the connection brought."""
        return self.socket_manager.candles  # type: ignore[no-any-return]

    def ping(self, payload: bytes) -> None:
        """Send a ping; shut the connection down if sending takes too long."""
        with self._hurried():
            self.socket_manager.ws.ping(payload)

    def subscribe(self, stream: list[str], id: int) -> None:  # noqa: A002
        """Ask for streams; shut the connection down if sending takes too long."""
        with self._hurried():
            super().subscribe(stream, id=id)

    @contextlib.contextmanager
    def _hurried(self) -> Iterator[None]:
        """Shut the connection down if the body takes longer than `SEND_TIMEOUT`."""
        with Deadline(SEND_TIMEOUT) as deadline:
            if (sock := self.socket_manager.ws.sock) is not None:
                deadline.guard(sock)
            yield

    def stop(self, timeout: float = 1.0) -> None:
        """Send a close frame, wait half the time for an answer, then hang up."""
        manager = self.socket_manager
        from_within = manager is threading.current_thread()
        # Even sending a close frame can block: on a server that does not read.
        hang_up = safe_to_start(threading.Timer(timeout / 2, manager.abort))
        hang_up.daemon = True
        try:
            hang_up.start()
        except Exception:  # noqa: BLE001 - without a thread no close frame is sent
            manager.abort()
        if manager.ws.connected:
            manager.ws.send_close()
        if from_within:
            manager.abort()
        else:
            manager.join(timeout)
        hang_up.cancel()


def connector(
    ws_url: str, proxy: Proxy | None = None, *, linger: float = 0.0
) -> Connect:
    """Return a function that opens connections to one address.

    Args:
        ws_url: the address, without `/ws`.
        proxy: the proxy to connect through, or None.
        linger: seconds to wait after a read of fewer than `MANY` messages: messages
            that are read together cost far less.
    """
    where = f"connecting to {ws_url}{through(proxy)}"

    def connect(handlers: Handlers, deadline: Deadline) -> Connection:
        deadline.where = where
        try:
            return StreamClient(ws_url, handlers, deadline, proxy, linger)
        except WebSocketBadStatusException as error:
            meant = _status_error(error)
            meant.where = where
            raise meant from error
        except WebSocketException as error:
            if str(error).startswith("Redirect") and not deadline.over:
                refused = Refused("a redirect is not followed")
                refused.where = where
                raise refused from error
            raise failure(error, deadline, where) from error
        except Exception as error:  # ours, OSError, and errors of the libraries
            raise failure(error, deadline, where) from error

    return connect


def _status_error(error: WebSocketBadStatusException) -> ExchangeError:
    """Return the error for an HTTP status in place of a WebSocket."""
    if error.status_code is None:
        return Unreachable("the answer is not HTTP")
    headers = error.resp_headers or {}
    meant = error_of(
        error.status_code,
        error.resp_body or b"",
        retry_after=headers.get("retry-after"),
        server_time=http_date(headers.get("date")),
    )
    if meant is None:
        return Unreachable(f"the server offers no WebSocket (HTTP {error.status_code})")
    return meant


logging.getLogger("binance").setLevel(logging.CRITICAL)  # klinetail reports the errors
