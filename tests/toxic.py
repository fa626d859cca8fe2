"""A TCP proxy before the embedded exchange, whose behaviour changes at run time.

What comes from the exchange is the truth; what a client gets of it is up to the test.
New connections can be given to a script of `tests.venue` instead.
"""

import contextlib
import socket
import struct
import threading
import time

from tests.venue import Venue

_HEAD = b"\r\n\r\n"
_TRICKLE = 0.002


def same(data):
    return data


def nothing(_):
    return b""


class Toxic(Venue):
    """Listens on a free port of 127.0.0.1; a context manager.

    Args:
        there: the port of the exchange.
        tls: a server's context, if it is to be spoken to over TLS.
    """

    def __init__(self, there, *, tls=None):
        super().__init__([], tls=tls)
        self._there = there
        self._lawful_tls = tls
        self._pairs = []
        self._refusing = False
        self.heal()

    def heal(self):
        """Be a plain proxy again, for new connections and for those there are."""
        self.script = None
        """Steps that new connections get instead of the exchange, if any."""
        self.down = same
        """What becomes of a frame (or of bytes of a body) on its way to the client."""
        self.up = same
        """The same for bytes on their way to the exchange."""
        self.trickling = False
        """Whether bytes go to the client one by one."""
        self.tls = self._lawful_tls
        for pair in self._pairs:
            pair.release()
        if self._refusing:
            self._refusing = False
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._start(self._listen)

    @property
    def tls(self):
        return self._tls

    @tls.setter
    def tls(self, context):
        self._tls = context

    def hold(self):
        """Keep back what goes to the client until it is healed."""
        for pair in self._pairs:
            pair.holding = True

    def inject(self, data):
        """Send bytes to all clients, between two frames."""
        for pair in list(self._pairs):
            pair.put(data)

    def cut(self, *, reset=True):
        """End all connections, by RST or by FIN."""
        for pair in list(self._pairs):
            pair.cut(reset)
        if reset:
            for peer in list(self.peers):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)

    def cut_one(self):
        """End by RST the connection that has lasted longest, and no other."""
        self._pairs[0].cut(True)

    def refuse(self):
        """Refuse new connections and break those there are."""
        self._refusing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _play(self, peer, script):
        if self.script is not None:
            super()._play(peer, self.script)
            return
        with contextlib.suppress(OSError):
            peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
            there = socket.create_connection(("127.0.0.1", self._there))
            pair = _Pair(self, peer.sock, there)
            self._pairs.append(pair)
            self._start(pair.carry_up)
            pair.carry_down()
            self._pairs.remove(pair)
        peer.sock.close()


class _Pair:
    """A client's connection and its other end at the exchange."""

    def __init__(self, toxic, here, there):
        self._toxic = toxic
        self._here = here
        self._there = there
        self._sending = threading.RLock()
        self._kept = b""
        self.holding = False

    def carry_up(self):
        with contextlib.suppress(OSError):
            while data := self._here.recv(65_536):
                self._there.sendall(self._toxic.up(data))
        with contextlib.suppress(OSError):
            self._there.shutdown(socket.SHUT_RDWR)

    def carry_down(self):
        with contextlib.suppress(OSError):
            self._carry_down()
            self._here.shutdown(socket.SHUT_WR)
        self._there.close()

    def _carry_down(self):
        buffer, head = b"", None
        while data := self._there.recv(65_536):
            buffer += data
            if head is None:
                if _HEAD not in buffer:
                    continue
                head, _, buffer = buffer.partition(_HEAD)
                self.send(head + _HEAD)
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.send(self._toxic.down(buffer))
                buffer = b""
            while 0 < (size := _frame_size(buffer)) <= len(buffer):
                self.send(self._toxic.down(buffer[:size]))
                buffer = buffer[size:]

    def send(self, data):
        """Send what the exchange said, unless it is held back."""
        with self._sending:
            if self.holding:
                self._kept += data
            else:
                self.put(data)

    def put(self, data):
        """Send it now."""
        with self._sending, contextlib.suppress(OSError):
            if not self._toxic.trickling:
                self._here.sendall(data)
                return
            for at in range(len(data)):
                self._here.sendall(data[at : at + 1])
                time.sleep(_TRICKLE)

    def release(self):
        with self._sending:
            self.holding = False
            kept, self._kept = self._kept, b""
            self.send(kept)

    def cut(self, reset):
        with contextlib.suppress(OSError):
            if not reset:
                socket.socket.shutdown(self._here, socket.SHUT_WR)
                return
            linger = struct.pack("ii", 1, 0)
            self._here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            # Whoever waits in recv would keep the connection from its end.
            socket.socket.shutdown(self._here, socket.SHUT_RD)
            self._there.shutdown(socket.SHUT_RDWR)


def _frame_size(buffer):
    """Bytes of the first (unmasked) frame, 0 if too little of it is there."""
    if len(buffer) < 2:
        return 0
    length, at = buffer[1] & 0x7F, 2
    if length >= 126:
        at = 4 if length == 126 else 10
        if len(buffer) < at:
            return 0
        length = int.from_bytes(buffer[2:at])
    return at + length
