"""A real proxy on loopback that knows CONNECT, and what it saw.

For proxies that misbehave a `Venue` is enough: its steps are any bytes.
"""

import base64
import contextlib
import queue
import socket
import threading

from tests.venue import PATIENCE


class ConnectProxy:
    """Listens on a free port of 127.0.0.1; a context manager.

    Args:
        login: the `user:password` that it wants, if any.
        tls: a server's context, to be spoken to over TLS.
        port: to listen on, if not a free one.
        here: names that it knows and nobody else does: they are this machine's.
    """

    def __init__(self, *, login=None, tls=None, port=0, here=()):
        self.asked = queue.Queue()
        """Heads of requests, as text."""
        self._login = login
        self._tls = tls
        self._here = here
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._open = []
        self._threads = []

    @property
    def url(self):
        scheme, host = (
            ("http", "127.0.0.1") if self._tls is None else ("https", "localhost")
        )
        return f"{scheme}://{host}:{self.port}"

    def url_with(self, login):
        """Its address with a user name and a password in it."""
        return self.url.replace("://", f"://{login}@")

    def targets(self):
        """What it was asked to connect to so far, taken out."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.asked.get_nowait().split(" ")[1])
        return found

    def __enter__(self):
        self._start(self._listen)
        return self

    def __exit__(self, *_):
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # The last to come could have come after the cut above.
        self._threads[0].join(PATIENCE)
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread of the proxy hangs"

    def cut(self):
        """Break every connection."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            self._start(self._serve, sock)

    def _serve(self, sock):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.callback(sock.close)
            if self._tls is not None:
                sock = stack.enter_context(
                    self._tls.wrap_socket(sock, server_side=True)
                )
                self._open.append(sock)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                data = sock.recv(1)
                if not data:
                    return
                head += data
            text = head.decode()
            self.asked.put(text)
            method, target, _ = text.split(" ", 2)
            if method != "CONNECT":
                sock.sendall(b"HTTP/1.1 405 Only CONNECT\r\n\r\n")
                return
            if self._login is not None and not self._knows(text):
                sock.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = target.rpartition(":")
            host = "127.0.0.1" if host in self._here else host.strip("[]")
            try:
                there = socket.create_connection((host, int(port)), PATIENCE)
            except OSError:
                sock.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            there.settimeout(None)
            stack.callback(there.close)
            self._open.append(there)
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_carry, args=(there, sock), daemon=True)
            back.start()
            _carry(sock, there)
            back.join(PATIENCE)

    def _knows(self, head):
        wanted = base64.b64encode(self._login.encode()).decode()
        return f"\r\nProxy-Authorization: Basic {wanted}\r\n" in head


def _carry(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for sock in (source, sink):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
