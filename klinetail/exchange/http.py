"""One connection for HTTP, over the standard library's client, under a deadline."""

from __future__ import annotations

import select
import threading
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
from klinetail.exchange.proxy import Proxy
from klinetail.exchange.transport import Deadline, reach, secured

MAX_BODY: Final = 8 << 20
"""Bytes of one answer; exchangeInfo, the largest, has 1.2 MB."""

_MAX_ERROR: Final = 65_536
_HEADERS: Final = {"User-Agent": "klinetail"}


class Answer(NamedTuple):
    """An answer with its whole body; of an error's, the beginning."""

    status: int
    headers: HTTPMessage
    body: bytes


class Line(HTTPConnection):
    """A connection of one thread, kept alive from request to request."""

    def __init__(self, url: str, proxy: Proxy | None) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self.default_port = 443 if self._secure else 80
        super().__init__(parts.hostname or "", parts.port or self.default_port)
        self._proxy = proxy
        self._path = parts.path
        self.lock = threading.Lock()
        """Held during a request."""
        self.deadline: Deadline | None = None
        """Of the request under way."""

    def connect(self) -> None:
        """Connect before the deadline."""
        assert self.deadline is not None  # noqa: S101 - set before every request
        sock = reach(self.host, self.port, self.deadline, self._proxy)
        self.sock = secured(sock, self.host) if self._secure else sock

    def get(self, target: str, deadline: Deadline) -> Answer:
        """The answer to a GET.

        Raises:
            BadMessage: it is too large.
            OSError, Unreachable: there is none; the deadline may be why.
            ExchangeError: the proxy did not connect.
        """
        try:
            if self.sock is not None:
                self._revive(deadline)
            self.request("GET", self._path + target, headers=_HEADERS)
            response = self.getresponse()
            body = _body(response)
        except HTTPException as error:
            self.close()
            raise Unreachable(str(error) or type(error).__name__) from error
        except BaseException:
            self.close()
            raise
        if not response.isclosed():  # what is left would be taken for the next answer
            self.close()
        return Answer(response.status, response.headers, body)

    def _revive(self, deadline: Deadline) -> None:
        """Use a connection again, unless the server has ended it meanwhile."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if poll.poll(0):
            self.close()
        else:
            deadline.guard(self.sock)


def _body(response: HTTPResponse) -> bytes:
    if response.status != 200:
        return response.read(_MAX_ERROR)
    body = response.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise BadMessage(f"an answer of more than {MAX_BODY} bytes")
    if response.length:
        raise IncompleteRead(body, response.length)
    return body
