"""The server's end of a TCP connection. Outgoing bytes can be held, lost, injected or
cut."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.server import ServerProtocol


class Wire(asyncio.Transport):
    """A transport whose outgoing side can be disturbed; all else goes to the real
    transport."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        """The real transport."""
        self._held: bytearray | None = None
        """The bytes held back; None while nothing is held."""
        self.lost = False
        """Whether written bytes are discarded."""
        self.deaf = False
        """Whether received bytes are discarded."""
        self._ended = False
        """Whether the outgoing side is at its end; the transport takes no more bytes
        then."""

    @property
    def flowing(self) -> bool:
        """Whether the wire is undisturbed."""
        return not (self.lost or self.deaf or self._held is not None)

    def hold(self) -> None:
        """Hold back written bytes until `release`."""
        if self._held is None:
            self._held = bytearray()

    def release(self) -> None:
        """Send the held bytes, and hold nothing back."""
        held, self._held = self._held, None
        if held:
            self.write(held)

    def squeeze(self, size: int) -> None:
        """Send the first `size` held bytes."""
        if self._held and not self.lost and not self._ended:
            self._transport.write(self._held[:size])
            del self._held[:size]

    def lose(self) -> None:
        """Leave the connection open, and discard held and written bytes."""
        self.lost = True
        self._held = None

    def inject(self, data: bytes) -> None:
        """Send `data`, even while written bytes are held or lost; nothing behind the
        end of a connection."""
        if not self._transport.is_closing() and not self._ended:
            self._transport.write(data)

    def hang_up(self) -> None:
        """Close with FIN, after the bytes already sent."""
        self.lose()
        self._transport.close()

    def reset(self) -> None:
        """Close with RST."""
        self.lose()
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.lost or self._ended:
            return
        if self._held is None:
            self._transport.write(data)
        else:
            self._held += data

    def write_eof(self) -> None:
        if not self.lost:
            self.release()
            self._ended = True
            self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def close(self) -> None:
        if not self.lost:
            self.release()
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._held or b"")

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()


class Connection(ServerConnection):
    """A client's connection, over a disturbable wire."""

    def __init__(
        self, protocol: ServerProtocol, server: Listener, **options: Any
    ) -> None:
        super().__init__(protocol, server, **options)
        self.wire: Wire
        """The wire, from the moment the TCP connection is open."""
        self.number = 0
        """The number of the connection's handshake, counted from 1."""
        self.gone = asyncio.Event()
        """Set when the TCP connection has ended."""
        self.on_ping: Callable[[Connection], object] | None = None
        """Called with the connection when the client pings."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP is
        self.wire = Wire(transport)
        super().connection_made(self.wire)

    def data_received(self, data: bytes) -> None:
        if not self.wire.deaf:
            super().data_received(data)

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        ping = isinstance(event, Frame) and event.opcode is Opcode.PING
        if ping and self.on_ping is not None:
            self.on_ping(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)

    async def stays(self, seconds: float) -> bool:
        """Wait, and return whether the connection is still open.

        Args:
            seconds: real seconds to wait at most.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.gone.wait()
        except TimeoutError:
            return True
        return False
