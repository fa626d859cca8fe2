"""A raw venue on loopback: it says what its script says, byte for byte.

A script is a list of steps, played to one connection; the n-th connection gets the
n-th script, those after the last script the last one again. When a script is over the
connection is closed. What the client sent is kept on its `Peer`.
"""

import base64
import contextlib
import hashlib
import queue
import socket
import ssl
import struct
import threading
import time
from typing import NamedTuple

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

PATIENCE = 15.0
"""Seconds that anything awaited in a test may take. Reached only if it fails."""


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=None, length=None):
    """A WebSocket frame; `length` overrules what its header promises."""
    length = len(payload) if length is None else length
    masked = 0 if mask is None else 0x80
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if length < 126:
        head += bytes([masked | length])
    elif length < 1 << 16:
        head += bytes([masked | 126]) + struct.pack("!H", length)
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", length)
    return head + (payload if mask is None else mask + _unmasked(mask, payload))


def _unmasked(mask, payload):
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def eventually(true, what="it"):
    """Wait until `true()`, and fail if it never is."""
    deadline = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.005)
    return found


class Peer:
    """One connection, from the venue's side."""

    def __init__(self, sock):
        self.sock = sock
        self.requests = queue.Queue()
        """Heads of HTTP requests, as text."""
        self.frames = queue.Queue()
        """What the client sent after the handshake: (opcode, payload)."""
        self.unanswered = queue.Queue()
        self.unheeded = queue.Queue()
        """The same two for the steps, which `take` from them; None at the end."""
        self.gone = threading.Event()
        """Set when the client has closed or broken the connection."""
        self.ended = threading.Event()
        """Set when the script is over, whatever ended it."""
        self.failure = None
        self.sent = 0
        """Bytes that went out."""
        self.upgraded = False
        self.deaf = False
        """Set to read nothing any more."""
        self.reader = threading.Thread(target=self._read, name="venue-reads")
        self.reader.daemon = True

    def send(self, data):
        self.sock.sendall(data)
        self.sent += len(data)

    def take(self, waiting):
        """The next request or frame, for a step."""
        found = waiting.get(timeout=PATIENCE)
        if found is None:
            raise ConnectionError("the client is gone")
        return found

    def frame(self, opcode=None):
        """The client's next frame (of this kind)."""
        while True:
            found = self.frames.get(timeout=PATIENCE)
            if opcode is None or found[0] == opcode:
                return found

    def _read(self):
        buffer = b""
        with contextlib.suppress(OSError):
            while not self.deaf and (data := self.sock.recv(65_536)):
                buffer = self._parse(buffer + data)
        if not self.deaf:
            self.gone.set()
            self.unanswered.put(None)
            self.unheeded.put(None)

    def _parse(self, buffer):
        while not self.upgraded and b"\r\n\r\n" in buffer:
            head, buffer = buffer.split(b"\r\n\r\n", 1)
            self.requests.put(head.decode("latin-1"))
            self.unanswered.put(head.decode("latin-1"))
        while self.upgraded and (parsed := _frame_of(buffer)) is not None:
            found, buffer = parsed
            self.frames.put(found)
            self.unheeded.put(found)
        return buffer


def _frame_of(buffer):
    if len(buffer) < 2:
        return None
    at, length = 2, buffer[1] & 0x7F
    if length == 126:
        at, length = 4, int.from_bytes(buffer[2:4])
    elif length == 127:
        at, length = 10, int.from_bytes(buffer[2:10])
    assert buffer[1] & 0x80, "a client masks its frames"
    end = at + 4 + length
    if len(buffer) < end:
        return None
    payload = _unmasked(buffer[at : at + 4], buffer[at + 4 : end])
    return (buffer[0] & 0x0F, payload), buffer[end:]


# Steps


class Send(NamedTuple):
    """Any bytes."""

    data: bytes

    def play(self, peer):
        peer.send(self.data)


class Drip(NamedTuple):
    """Bytes, one at a time."""

    data: bytes
    pause: float = 0.05

    def play(self, peer):
        for byte in self.data:
            peer.send(bytes([byte]))
            if peer.gone.wait(self.pause):
                return


class Flood(NamedTuple):
    """Bytes, again and again until the client is gone."""

    data: bytes

    def play(self, peer):
        while not peer.gone.is_set():
            peer.send(self.data)


class Ack(NamedTuple):
    """Take the request and accept the WebSocket handshake."""

    accept: str | None = None
    """The proof that the request was read, if not the right one."""
    extra: str = ""
    """Further header lines."""
    drip: float | None = None

    def play(self, peer):
        head = peer.take(peer.unanswered)
        lines = head.lower().split("\r\n")
        at = next(i for i, x in enumerate(lines) if x.startswith("sec-websocket-key"))
        key = head.split("\r\n")[at].partition(":")[2].strip()
        proof = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode())
        accept = self.accept or base64.b64encode(proof.digest()).decode()
        peer.upgraded = True
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
            f"{self.extra}\r\n"
        ).encode()
        (Send(answer) if self.drip is None else Drip(answer, self.drip)).play(peer)


class Answer(NamedTuple):
    """Take a request and answer it, as a REST server does."""

    status: int = 200
    body: bytes = b""
    headers: tuple[str, ...] = ()
    length: int | None = None
    """What Content-Length says, if not the truth."""
    drip: float | None = None

    def play(self, peer):
        peer.take(peer.unanswered)
        length = len(self.body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status} Said so", *self.headers]
        if not any(line.startswith("Transfer-Encoding") for line in lines):
            lines.append(f"Content-Length: {length}")
        peer.send("\r\n".join([*lines, "", ""]).encode())
        if self.drip is None:
            peer.send(self.body)
        else:
            Drip(self.body, self.drip).play(peer)


class Request(NamedTuple):
    """Only take a request."""

    def play(self, peer):
        peer.take(peer.unanswered)


class Text(NamedTuple):
    """A text message."""

    text: str | bytes

    def play(self, peer):
        text = self.text.encode() if isinstance(self.text, str) else self.text
        peer.send(frame(TEXT, text))


class Fragments(NamedTuple):
    """A text message in parts, with other bytes between them."""

    parts: tuple[bytes, ...]
    between: bytes = b""

    def play(self, peer):
        last = len(self.parts) - 1
        for n, part in enumerate(self.parts):
            peer.send(frame(CONT if n else TEXT, part, fin=n == last))
            if n < last:
                peer.send(self.between)


class Ping(NamedTuple):
    """A ping."""

    payload: bytes = b""

    def play(self, peer):
        peer.send(frame(PING, self.payload))


class Close(NamedTuple):
    """A CLOSE frame; wait for the answer."""

    code: int | None = 1000
    reason: bytes = b""

    def play(self, peer):
        code = b"" if self.code is None else struct.pack("!H", self.code)
        peer.send(frame(CLOSE, code + self.reason))
        peer.gone.wait(PATIENCE)


class Heed(NamedTuple):
    """Wait for frames of the client's."""

    opcode: int | None = TEXT
    """None for any."""
    times: int = 1

    def play(self, peer):
        for _ in range(self.times):
            opcode = None
            while opcode is None or self.opcode not in (None, opcode):
                opcode, _ = peer.take(peer.unheeded)


class Until(NamedTuple):
    """Wait for an event of the test's."""

    event: threading.Event

    def play(self, peer):
        assert self.event.wait(PATIENCE)


class Stall(NamedTuple):
    """Say nothing until the client is gone or the venue closes."""

    def play(self, peer):
        peer.gone.wait()


class Deaf(NamedTuple):
    """Read (nearly) nothing any more of what the client sends."""

    def play(self, peer):
        peer.deaf = True


class Reset(NamedTuple):
    """Break the connection: RST."""

    def play(self, peer):
        # Whoever waits in recv would keep the connection from its end.
        peer.sock.shutdown(socket.SHUT_RD)
        peer.reader.join(PATIENCE)
        linger = struct.pack("ii", 1, 0)
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.sock.close()


class Venue:
    """Listens on a free port of 127.0.0.1; a context manager.

    Args:
        scripts: lists of steps.
        tls: a server's context, for `wss` and `https`.
        buffer: bytes that the kernel keeps unread, if not its own choice.
    """

    def __init__(self, *scripts, tls=None, buffer=None):
        self.peers = []
        """All connections so far."""
        self._scripts = scripts
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        if buffer is not None:  # what it accepts inherits it
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self._came = threading.Condition()

    @property
    def ws_url(self):
        scheme = "ws" if self._tls is None else "wss"
        host = "127.0.0.1" if self._tls is None else "localhost"
        return f"{scheme}://{host}:{self.port}"

    @property
    def rest_url(self):
        scheme = "http" if self._tls is None else "https"
        host = "127.0.0.1" if self._tls is None else "localhost"
        return f"{scheme}://{host}:{self.port}"

    def peer(self, number=0):
        """A connection, when it has come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.peers) > number, PATIENCE)
            return self.peers[number]

    def __enter__(self):
        self._start(self._listen)
        return self

    def __exit__(self, *_):
        # close() alone does not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self.peers:
            peer.gone.set()
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread of the venue hangs"

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, name="venue", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(sock)
            with self._came:
                self.peers.append(peer)
                number = len(self.peers) - 1
                self._came.notify_all()
            script = self._scripts[min(number, len(self._scripts) - 1)]
            self._start(self._play, peer, script)

    def _play(self, peer, script):
        try:
            peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
            peer.reader.start()
            for step in script:
                step.play(peer)
            # Not through TLS, which would forget its keys while the reader reads.
            socket.socket.shutdown(peer.sock, socket.SHUT_WR)
        except (OSError, queue.Empty) as error:
            peer.failure = error
        finally:
            peer.ended.set()
            if peer.reader.ident is not None:
                peer.gone.wait()
                peer.reader.join(PATIENCE)
            peer.sock.close()


def server_context(authority, *names):
    """A TLS server's context with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
