"""One HTTP connection, by the standard library's client, under a deadline."""

from __future__ import annotations

import select
import threading
import zlib
from collections.abc import Mapping
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPMessage,
    HTTPResponse,
    IncompleteRead,
)
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from klinetail.errors import BadMessage, Unreachable
from klinetail.exchange.deadline import Deadline
from klinetail.exchange.proxy import Proxy
from klinetail.exchange.transport import reach, secured

MAX_BODY: Final = 8 << 20
"""Bytes of one answer at most, packed and unpacked; the answer of exchangeInfo, the
largest, has 1.2 MB."""

_MAX_ERROR: Final = 65_536
"""Bytes of an error's body at most."""

_HEADERS: Final = {"User-Agent": "klinetail"}
_PACKED: Final = {"Accept-Encoding": "gzip"}
_GZIP: Final = 16 + zlib.MAX_WBITS
"""The value of `wbits` with which zlib expects the header of gzip."""


class Answer(NamedTuple):
    """An answer to a request."""

    status: int
    """The HTTP status."""
    headers: HTTPMessage
    """The headers of the answer."""
    body: bytes
    """The whole body, unpacked; of an error, the beginning of the body."""


class DeadlineConnection(HTTPConnection):
    """An HTTP connection of one thread, kept alive from request to request.

    Args:
        url: the address of the API, with or without a path.
        proxy: the proxy to connect through, or None.
    """

    def __init__(self, url: str, proxy: Proxy | None) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        """Whether the connection uses TLS."""
        self.default_port = 443 if self._secure else 80
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self._proxy = proxy
        """The proxy to connect through, or None."""
        self._path = parts.path
        """The path of the address, in front of the path of each request."""
        self.lock = threading.Lock()
        """Held during a request."""
        self.deadline: Deadline | None = None
        """The deadline of the present request, or of the last request."""

    def connect(self) -> None:
        """Connect before the deadline."""
        assert self.deadline is not None  # noqa: S101 - set before every request
        sock = reach(self.host, self.port, self.deadline, self._proxy)
        self.sock = secured(sock, self.host) if self._secure else sock

    def get(self, target: str, deadline: Deadline, *, packed: bool = False) -> Answer:
        """Return the answer to a GET request.

        Args:
            target: path and query.
            deadline: running; the whole answer has to come before the deadline.
            packed: whether the answer may be compressed: for large answers.

        Raises:
            BadMessage: the answer is too large, or compressed without being asked.
            OSError, Unreachable: no answer came; the deadline may be the cause.
            ExchangeError: the proxy did not connect.
        """
        try:
            response = self.begin(target, deadline, _PACKED if packed else {})
            body = _body(response, packed=packed)
        except HTTPException as error:
            self.close()
            raise Unreachable(str(error) or type(error).__name__) from error
        except BaseException:
            self.close()
            raise
        if not response.isclosed():  # the rest would be taken for the next answer
            self.close()
        return Answer(response.status, response.headers, body)

    def begin(
        self, target: str, deadline: Deadline, headers: Mapping[str, str]
    ) -> HTTPResponse:
        """Send a GET request, and return the answer up to its body.

        After an error, and before another request if the body was not read to its end,
        the connection has to be closed.

        Args:
            target: path and query.
            deadline: running; the body, too, has to come before the deadline.
            headers: headers in addition to the usual headers.

        Raises:
            HTTPException, OSError, Unreachable: no answer came.
            ExchangeError: the proxy did not connect.
        """
        if self.sock is not None:
            self._revive(deadline)
        self.request("GET", self._path + target, headers={**_HEADERS, **headers})
        return self.getresponse()

    def _revive(self, deadline: Deadline) -> None:
        """Keep the connection for another request, unless the server has ended it."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if poll.poll(0):
            self.close()
        else:
            deadline.guard(self.sock)


def _body(response: HTTPResponse, *, packed: bool) -> bytes:
    """Return the body of an answer, unpacked; of an error, the beginning."""
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    unpacks = packed and encoding == "gzip"
    if response.status != 200:
        body = response.read(_MAX_ERROR)
        return _beginning(body) if unpacks else body
    if encoding != "identity" and not unpacks:
        raise BadMessage("a compressed answer, though no compression was asked for")
    body = response.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise BadMessage(f"an answer of more than {MAX_BODY} bytes")
    if response.length:
        raise IncompleteRead(body, response.length)
    return _unpacked(body) if unpacks else body


def _unpacked(body: bytes) -> bytes:
    """Return an unpacked body; stop unpacking after `MAX_BODY` bytes.

    Raises:
        BadMessage: the body is damaged, cut short or too large.
    """
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise BadMessage(
            f"a compressed answer that cannot be unpacked: {error}"
        ) from None
    if len(unpacked) > MAX_BODY:
        raise BadMessage(f"a compressed answer of more than {MAX_BODY} bytes")
    if not unpacking.eof:
        raise BadMessage("a compressed answer that breaks off")
    return unpacked


def _beginning(body: bytes) -> bytes:
    """Return the beginning of an error's compressed body, as far as possible.

    The body may say for how long an address is banned.
    """
    try:
        return zlib.decompressobj(_GZIP).decompress(body, _MAX_ERROR)
    except zlib.error:
        return b""
