"""The connector's WebSocket client, made safe.

As published (4.2.0) it connects without a deadline, follows redirects, reads frames
of any length, ends its thread without a word after broken UTF-8, drops the close
code, and stops only if the server agrees; and its default address never sends a
candle. None of that is left here, and nothing of it is seen outside.
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
from klinetail.protocol.rest import error_of, http_date
from klinetail.shortage import safe_to_start, shortage

MAX_HANDSHAKE: Final = 1 << 16
"""Bytes of the answer to the handshake; a firewall's page of HTML fits."""

SEND_TIMEOUT: Final = 2.0
"""Seconds until a peer that does not take what we send is hung up on."""

READ: Final = 1 << 17
"""Bytes of one read: some 400 frames, if so many are there."""

MANY: Final = 100
"""Messages in a read from which on the next one follows at once."""


class _Socket(WebSocket):  # type: ignore[misc]
    def read(self) -> bytes:
        """All bytes that are there, up to `READ`; waits for the first.

        Raises:
            WebSocketConnectionClosedException: the other side has ended.
            OSError: the connection broke.
        """
        return self._recv(READ)  # type: ignore[no-any-return]

    def send_close(self, *args: Any) -> None:
        """Say goodbye; who cannot hear it is gone already, which is what was wanted.

        The library answers a CLOSE before it shows it: an error would hide its code.
        """
        with contextlib.suppress(OSError, WebSocketException):
            super().send_close(*args)


class _Handshaking:
    """A socket that reads no more than an answer to a handshake can have."""

    def __init__(self, sock: socket.socket | TlsSocket) -> None:
        self._sock = sock
        self._left = MAX_HANDSHAKE

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise WebSocketProtocolException("the answer does not end")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class SocketManager(BinanceSocketManager):  # type: ignore[misc]
    """The connector's thread around one connection."""

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
        self.on_reply = handlers.on_reply
        self._handlers = handlers
        self._linger = linger
        self._deadline = deadline
        self._proxy = proxy
        super().__init__(stream_url, on_message=handlers.on_message, logger=logger)
        self.daemon = True
        self.name = "klinetail-socket"

    def create_ws_connection(self) -> None:
        """Connect before the deadline; errors as `connect`."""
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
        """Begin to read. If there is no thread for it, the connection is closed."""
        safe_to_start(self)
        try:
            super().start()
        except BaseException:
            self.ws.shutdown()
            raise

    def run(self) -> None:
        """Read until the connection ends, and say so whatever ended it."""
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
        """Hand over messages until the server closes; returns the reason and code."""
        receiver = Receiver(self._handlers, self, self.ws.pong)
        while (closed := receiver.feed(self.ws.read())) is None:
            if self._linger and 0 < receiver.received < MANY:
                time.sleep(self._linger)
        self.ws.send_close()
        return closed

    def abort(self) -> None:
        """Wake the thread whatever it waits for."""
        # The library's own abort does nothing once a CLOSE was sent.
        sock = self.ws.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class StreamClient(UMFuturesWebsocketClient):  # type: ignore[misc]
    """The connector's client over our `SocketManager`; opens in the constructor."""

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
        """Candles that came over this connection."""
        return self.socket_manager.candles  # type: ignore[no-any-return]

    def ping(self, payload: bytes) -> None:
        """Send a ping of ours; a peer that does not read is hung up on."""
        with self._hurried():
            self.socket_manager.ws.ping(payload)

    def subscribe(self, stream: list[str], id: int) -> None:  # noqa: A002
        """Ask for streams; the same."""
        with self._hurried():
            super().subscribe(stream, id=id)

    @contextlib.contextmanager
    def _hurried(self) -> Iterator[None]:
        with Deadline(SEND_TIMEOUT) as deadline:
            if (sock := self.socket_manager.ws.sock) is not None:
                deadline.guard(sock)
            yield

    def stop(self, timeout: float = 1.0) -> None:
        """Say goodbye, wait half the time for the answer, then hang up."""
        manager = self.socket_manager
        from_within = manager is threading.current_thread()
        # Even goodbye can block: on a server that does not read.
        hang_up = safe_to_start(threading.Timer(timeout / 2, manager.abort))
        hang_up.daemon = True
        try:
            hang_up.start()
        except Exception:  # noqa: BLE001 - without a thread there is no goodbye
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
    """The maker of connections to one address.

    Args:
        ws_url: the address, without `/ws`.
        proxy: what to connect through.
        linger: seconds for which the next read waits, unless there is much to read:
            messages that come meanwhile cost far less together.
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
        except Exception as error:  # ours, OSError, and what libraries think up
            raise failure(error, deadline, where) from error

    return connect


def _status_error(error: WebSocketBadStatusException) -> ExchangeError:
    if error.status_code is None:
        return Unreachable("no HTTP there")
    headers = error.resp_headers or {}
    meant = error_of(
        error.status_code,
        error.resp_body or b"",
        retry_after=headers.get("retry-after"),
        server_time=http_date(headers.get("date")),
    )
    if meant is None:
        return Unreachable(f"no WebSocket there (HTTP {error.status_code})")
    return meant


logging.getLogger("binance").setLevel(logging.CRITICAL)  # it logs what we report
