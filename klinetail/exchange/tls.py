"""TLS over a socket, with many records in one read.

`ssl.SSLSocket` reads one record a call, and the exchange sends one record a frame: two
system calls and two turns of the interpreter's lock for 300 bytes. Here one read takes
all bytes of the kernel, and OpenSSL is fed from memory. The context decides on
verification, as with `ssl.SSLSocket`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any, Final

READ: Final = 1 << 17
"""Bytes of one read from the socket at most."""


class TlsRecords:
    """A client's end of a TLS connection without its socket: bytes in, bytes out.

    One thread may read while others write.

    Args:
        context: decides on the certificates to trust.
        host: the name that the certificate of the server has to have.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        """Encrypted bytes from the other side, not decrypted yet."""
        self._outgoing = ssl.MemoryBIO()
        """Encrypted bytes for the other side, not sent yet."""
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host
        )
        """OpenSSL's side of the connection."""
        self._failure: ssl.SSLError | None = None
        """The error of a damaged record, raised after all bytes before are read."""
        self._state = threading.Lock()
        """Held while OpenSSL works on the connection."""

    def handshake(self) -> None:
        """Go on with the handshake; return after the handshake is done.

        Raises:
            SSLWantReadError: the other side has to send more first.
            SSLCertVerificationError: the certificate is not valid.
            SSLError: the handshake failed.
        """
        with self._state:
            self._tls.do_handshake()

    def version(self) -> str | None:
        """The protocol agreed on, such as `TLSv1.3`."""
        return self._tls.version()

    def feed(self, data: bytes) -> None:
        """Take in encrypted bytes; no bytes mean the end of the connection."""
        with self._state:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def read(self, size: int) -> bytes | None:
        """Return up to `size` decrypted bytes: none at the end, None if more must come.

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
        """Encrypt `data`; `outgoing` then returns the bytes to send."""
        with self._state:
            self._tls.write(data)

    @property
    def pending(self) -> bool:
        """Whether encrypted bytes wait to be sent."""
        return self._outgoing.pending > 0

    def outgoing(self) -> bytes:
        """Return the encrypted bytes to send; the bytes count as sent."""
        with self._state:
            return self._outgoing.read()


class TlsSocket:
    """A client's end of a TLS connection, with the methods of a socket used here.

    One thread may read while others write. A connection that ends without the closing
    message of TLS ends in the same way as after the message, like `ssl` by default.

    Args:
        sock: connected and blocking; closed together with the new socket, and closed
            if the handshake fails.
        context: decides on the certificates to trust.
        host: the name that the certificate of the server has to have.

    Raises:
        ssl.SSLCertVerificationError: the certificate is not valid.
        OSError: the handshake failed.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._sock = sock
        """The socket below, for encrypted bytes."""
        self._records = TlsRecords(context, host)
        """Encrypts and decrypts."""
        self._sending = threading.Lock()
        """Held from encrypting to sending: the other side needs records in order."""
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
                    self._flush()  # the other side may get the alert
                raise

    def version(self) -> str | None:
        """The protocol agreed on, such as `TLSv1.3`."""
        return self._records.version()

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, as many as have arrived; none at the end."""
        while (data := self._records.read(size)) is None:
            if self._records.pending:
                self._flush()
            self._receive()
        return data

    def _receive(self) -> bool:
        """Read from the socket below; return whether bytes came."""
        data = self._sock.recv(READ)
        self._records.feed(data)
        return bool(data)

    def send(self, data: bytes) -> int:
        """Send the whole of `data`; return the number of bytes."""
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
