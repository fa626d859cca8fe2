"""TLS over a socket, many records a read.

`ssl.SSLSocket` reads one record a call, and the exchange sends a record a frame: two
system calls and the interpreter's lock twice for 300 bytes. Here one read takes in
what the kernel has, and OpenSSL is fed from memory. What is verified is the context's
affair, as it is there.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any, Final

READ: Final = 1 << 17
"""Bytes of one read from the socket."""


class TlsRecords:
    """A client's end of a TLS connection without its socket: bytes in, bytes out.

    One thread may read while others write.

    Args:
        context: what to trust.
        host: whose certificate it has to be.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        """Encrypted bytes that came and are not decrypted yet."""
        self._outgoing = ssl.MemoryBIO()
        """Encrypted bytes that are still to be sent."""
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host
        )
        self._failure: ssl.SSLError | None = None
        """What reading found, told once all that came before has been read."""
        self._state = threading.Lock()
        """Held while OpenSSL works on the connection."""

    def handshake(self) -> None:
        """Go on with the handshake.

        Raises:
            SSLWantReadError: more has to come first.
            SSLError: it failed; `ssl.SSLCertVerificationError` if it must.
        """
        with self._state:
            self._tls.do_handshake()

    def version(self) -> str | None:
        """The protocol agreed on, such as `TLSv1.3`."""
        return self._tls.version()

    def feed(self, data: bytes) -> None:
        """Take in what the other side sent; no bytes mean that it has ended."""
        with self._state:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def read(self, size: int) -> bytes | None:
        """Up to `size` decrypted bytes: none at the end, None if more has to come.

        Raises:
            SSLError: a record is damaged.
        """
        parts: list[bytes] = []
        with self._state:
            try:
                while size > 0 and (part := self._tls.read(size)):
                    parts.append(part)
                    size -= len(part)
            except ssl.SSLWantReadError:
                return b"".join(parts) if parts else None
            except ssl.SSLEOFError:
                pass
            except ssl.SSLError as error:
                self._failure = error
        if self._failure is not None and not parts:
            raise self._failure
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Encrypt `data`; `outgoing` has what to send."""
        with self._state:
            self._tls.write(data)

    @property
    def pending(self) -> bool:
        """Whether there is something to send."""
        return self._outgoing.pending > 0

    def outgoing(self) -> bytes:
        """What is to be sent now; it counts as sent."""
        with self._state:
            return self._outgoing.read()


class TlsSocket:
    """A client's end of a TLS connection; as far as it is used here, a socket.

    One thread may read while others write. A connection that ends without TLS's own
    goodbye ends like one with it, as `ssl` has it by default.

    Args:
        sock: connected and blocking; closed with this one, also if this fails.
        context: what to trust.
        host: whose certificate it has to be.

    Raises:
        OSError: the handshake failed; `ssl.SSLCertVerificationError` if it must.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._sock = sock
        """The socket below, which carries encrypted bytes."""
        self._records = TlsRecords(context, host)
        self._sending = threading.Lock()
        """Held from encrypting to sending: records go out in their order."""
        try:
            self._shake_hands()
        except BaseException:
            sock.close()
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _shake_hands(self) -> None:
        while True:
            try:
                self._records.handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                if not self._receive():
                    raise ssl.SSLEOFError(
                        ssl.SSL_ERROR_EOF, "the connection ended in the TLS handshake"
                    ) from None
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the other side may hear why
                raise

    def version(self) -> str | None:
        """The protocol agreed on, such as `TLSv1.3`."""
        return self._records.version()

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes, as many as are there; none at the end."""
        while (data := self._records.read(size)) is None:
            if self._records.pending:
                self._flush()
            self._receive()
        return data

    def _receive(self) -> bool:
        data = self._sock.recv(READ)
        self._records.feed(data)
        return bool(data)

    def send(self, data: bytes) -> int:
        """Send all of `data`; returns how much that was."""
        with self._sending:
            self._records.write(data)
            self._send_pending()
        return len(data)

    sendall = send

    def _flush(self) -> None:
        with self._sending:
            self._send_pending()

    def _send_pending(self) -> None:
        if data := self._records.outgoing():
            self._sock.sendall(data)
