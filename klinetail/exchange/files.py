"""Files of a server, downloaded under deadlines; a download that broke off goes on.

Redirects are not followed, and no file has more bytes than the caller allows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.client import HTTPResponse, IncompleteRead
from typing import Final
from urllib.parse import quote

from klinetail.errors import ExchangeError, KlinetailError, OutputError, Unreachable
from klinetail.exchange.deadline import Deadline, failure
from klinetail.exchange.http import DeadlineConnection
from klinetail.exchange.part import Part, joins, wanted
from klinetail.exchange.proxy import Proxy, through
from klinetail.protocol.rest_errors import error_of
from klinetail.protocol.server_time import http_date

PATIENCE: Final = 30.0
"""Seconds that a request may take. A download that takes longer goes on with another
request."""

BREAKS: Final = 20
"""Requests for one file, if bytes came each time."""

_PIECE: Final = 64 << 10
"""Bytes of a body read at once at most."""

_MAX_ERROR: Final = 65_536
"""Bytes of an error's body read at most."""

_ABSENT: Final = 404
_BODIES: Final = (200, 206, 416)
"""The statuses of answers about a file that exists."""


class TooLarge(Exception):
    """A file has more bytes than allowed."""


class Files:
    """The files of a server, for one thread; only `close` may be called from any.

    Args:
        url: the address of the server.
        patience: seconds that a request may take.
        proxy: the proxy to connect through, or None.
    """

    def __init__(self, url: str, patience: float, proxy: Proxy | None) -> None:
        self._url = url
        """The address of the server."""
        self._patience = patience
        """Seconds that a request may take."""
        self._through = through(proxy)
        """The proxy in words, for errors."""
        self._connection = DeadlineConnection(url, proxy)
        """The connection to the server."""
        self._closed = threading.Event()
        """Set by `close`."""

    def content(self, path: str, most: int) -> bytes | None:
        """Return the content of a small file, or None if the server has none (404).

        Args:
            path: the path on the server, not percent-encoded.
            most: the bytes of the file at most.

        Raises:
            TooLarge: the file has more bytes.
            ExchangeError: no whole answer came, or the answer is an error.
        """
        body = bytearray()

        def take(data: bytes) -> None:
            body.extend(data)
            if len(body) > most:
                raise TooLarge

        found = self._ask(path, {}, lambda answer: answer.status == 200, take)
        return bytes(body) if found else None

    def fill(self, path: str, part: Part, most: int) -> bool:
        """Download what a part lacks; return False if the server has no such file
        (404).

        Args:
            path: the path on the server, not percent-encoded.
            part: the part.
            most: the bytes of the whole file at most.

        Raises:
            TooLarge: the file has more bytes.
            ExchangeError: a request failed without a byte, or too many broke off. The
                part keeps what has come.
            OutputError: the part cannot be written.
        """
        came, whole = 0, False

        def answered(answer: HTTPResponse) -> bool:
            nonlocal whole
            given = answer.headers.get("Content-Range", "")
            if joins(answer.status, given, part.size):
                whole = True
                return answer.status == 206
            part.restart(answer.headers.get("ETag", ""))
            whole = answer.status == 200
            return whole

        def take(data: bytes) -> None:
            nonlocal came
            came += len(data)
            part.append(data)
            if part.size > most:
                raise TooLarge

        for _ in range(BREAKS):
            came, whole = 0, False
            try:
                found = self._ask(path, wanted(part.size, part.etag), answered, take)
            except ExchangeError:
                if not came:
                    raise
                continue
            if whole or not found:
                return found
        error = Unreachable(f"the download broke off {BREAKS} times")
        error.where = self._where(path)
        raise error

    def close(self) -> None:
        """End a request under way; no request may follow."""
        self._closed.set()
        connection = self._connection
        if connection.deadline is not None:
            connection.deadline.abort()
        # During a request the asking thread closes the connection.
        if connection.lock.acquire(blocking=False):
            connection.close()
            connection.lock.release()

    def _where(self, path: str) -> str:
        return f"asking {self._url}{path}{self._through}"

    def _ask(
        self,
        path: str,
        headers: Mapping[str, str],
        answered: Callable[[HTTPResponse], bool],
        take: Callable[[bytes], None],
    ) -> bool:
        """Send one request, and hand the body of the answer on; return whether the
        server has the file.

        Args:
            path: the path, not percent-encoded.
            headers: headers of the request.
            answered: called with an answer of status 200, 206 or 416; returns whether
                the body is wanted.
            take: called with each piece of the body.

        Raises:
            ExchangeError: no whole answer came, or the answer is another error.
        """
        where = self._where(path)
        connection = self._connection
        connection.deadline = deadline = Deadline(self._patience)
        deadline.where = where
        body = b""
        try:
            with deadline, connection.lock:
                if self._closed.is_set():
                    raise Unreachable("the client is closed")
                answer = connection.begin(quote(path), deadline, headers)
                if answer.status not in _BODIES:
                    body = answer.read(_MAX_ERROR)
                elif answered(answer):
                    _hand_on(answer, take)
                if not answer.isclosed():  # the rest would be taken for an answer
                    connection.close()
        except (OutputError, TooLarge):
            connection.close()
            raise
        except Exception as error:  # ours, OSError, HTTPException ...
            connection.close()
            raise failure(error, deadline, where) from error
        finally:
            if self._closed.is_set():
                connection.close()
        if deadline.over:
            connection.close()
            raise failure(TimeoutError(), deadline, where)
        if answer.status not in (_ABSENT, *_BODIES):
            raise _error(answer, body, where)
        return answer.status != _ABSENT


def _hand_on(answer: HTTPResponse, take: Callable[[bytes], None]) -> None:
    """Hand the body of an answer on in pieces.

    Raises:
        HTTPException, OSError: the body broke off.
    """
    left = answer.length
    # `read` would lose the bytes that came before a reset.
    while (left is None or left > 0) and (
        data := answer.read1(min(left or _PIECE, _PIECE))
    ):
        take(data)
        left = None if left is None else left - len(data)
    if left:
        raise IncompleteRead(b"", left)
    answer.close()  # before Python 3.12 `read1` does not know the end


def _error(answer: HTTPResponse, body: bytes, where: str) -> KlinetailError:
    """Return the error of an answer."""
    headers = answer.headers
    error = error_of(
        answer.status,
        body,
        retry_after=headers.get("Retry-After"),
        server_time=http_date(headers.get("Date")),
    )
    meant = error or Unreachable(f"an odd answer (HTTP {answer.status})")
    meant.where = where
    return meant
