"""The connector's REST client, with every request through one safe door.

As published (4.2.0) it waits for ever, follows redirects, reads bodies of any size,
takes a page of HTML for data and puts a handler on the root logger.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from klinetail.candle import Candle, Stream
from klinetail.errors import BadMessage, ExchangeError, Unreachable
from klinetail.exchange.connector import UMFutures
from klinetail.exchange.proxy import Proxy, through
from klinetail.exchange.transport import Deadline, failure, reach, tls_context
from klinetail.protocol.rest import (
    USED_WEIGHT,
    Listing,
    decode_listings,
    decode_rows,
    decode_time,
    error_of,
    http_date,
)

MAX_BODY: Final = 8 << 20
"""Bytes of one answer; exchangeInfo, the largest, has 1.2 MB."""

_MAX_ERROR: Final = 65_536

PATIENCE: Final = 10.0
"""Seconds that one request may take in all."""


class Rest(Protocol):
    """What the collector asks the exchange for.

    Every method raises an `ExchangeError` or a `BadMessage`, and nothing else.
    """

    @property
    def used_weight(self) -> int | None:
        """What the exchange last said that this address used in its minute."""

    def server_time(self) -> int:
        """Exchange time, ms since the epoch."""

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> list[Candle]:
        """Consecutive candles, the last perhaps still forming.

        Args:
            stream: of which symbol and interval.
            start: earliest open time, ms; None for the latest candles.
            limit: how many at most; 1500 is the exchange's own limit.
        """

    def listings(self) -> list[Listing]:
        """The symbols that the exchange lists."""

    def close(self) -> None:
        """End requests under way; there will be no further ones."""


_active = threading.local()


class _Guarded:
    """Puts a connection's socket, new or kept alive, under the active deadline."""

    host: str
    port: int
    sock: Any

    def _new_conn(self) -> socket.socket:
        return reach(self.host, self.port, _active.deadline, _active.proxy)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if self.sock is not None:
            _active.deadline.guard(self.sock)
        return super().request(*args, **kwargs)  # type: ignore[misc]


class _Http(_Guarded, HTTPConnection):
    pass


class _Https(_Guarded, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _HttpPool,
            "https": _HttpsPool,
        }


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere; asked, requests would read a redirect's body to its end first."""


class _Api(UMFutures):  # type: ignore[misc]
    """The connector's client; every request of it goes through `send_request`."""

    def __init__(
        self,
        base_url: str,
        proxy: Proxy | None,
        patience: float,
        closed: threading.Event,
        on_used_weight: Callable[[int], None],
    ) -> None:
        super().__init__(base_url=base_url)
        self.on_used_weight = on_used_weight
        self._proxy = proxy
        self._patience = patience
        self._closed = closed
        self.deadline: Deadline | None = None
        self.session = _Session()
        self.session.trust_env = False  # neither ~/.netrc nor proxies of its own
        self.session.headers = {
            "Accept-Encoding": "identity",
            "User-Agent": "klinetail",
        }
        adapter = _Adapter(tls_context())
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def send_request(
        self,
        http_method: str,
        url_path: str,
        payload: dict[str, Any] | None = None,
        special: bool = False,
    ) -> bytes:
        """One request; the body of its successful answer.

        Raises:
            ExchangeError: no answer in time, or one that is an error.
            BadMessage: an answer that is not JSON, or too large.
        """
        where = f"cannot ask {self.base_url}{url_path}{through(self._proxy)}"
        with Deadline(self._patience) as deadline:
            self.deadline = _active.deadline = deadline
            _active.proxy = self._proxy
            if self._closed.is_set():  # now that a later `close` finds the deadline
                raise Unreachable("the client is closed")
            try:
                with self.session.request(
                    http_method,
                    self.base_url + url_path,
                    params=self._prepare_params(payload or {}, special),
                    timeout=2 * self._patience,  # so that the deadline comes first
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    body = _body(response)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise failure(_root(error), deadline, where) from error
            except (ExchangeError, OSError, ValueError) as error:
                raise failure(error, deadline, where) from error
        if deadline.over:
            raise failure(TimeoutError(), deadline, where)
        used = response.headers.get(USED_WEIGHT, "")
        if re.fullmatch(r"[0-9]{1,9}", used):
            self.on_used_weight(int(used))
        _raise_for_status(response, body, self.base_url)
        return body


def _body(response: requests.Response) -> bytes:
    if response.status_code != 200:
        return response.raw.read(_MAX_ERROR)
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read(65_536):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise BadMessage(f"an answer of more than {MAX_BODY} bytes")
    return b"".join(parts)


def _raise_for_status(response: requests.Response, body: bytes, where: str) -> None:
    headers = response.headers
    error = error_of(
        response.status_code,
        body,
        retry_after=headers.get("Retry-After"),
        server_time=http_date(headers.get("Date")),
    )
    if error is not None:
        error.args = (f"{where}: {error}",)
        raise error
    if headers.get("Content-Encoding", "identity") != "identity":
        raise BadMessage("a compressed answer, which was not asked for")


def _root(error: BaseException) -> BaseException:
    """The error below the wrappers of requests and urllib3, whose words are long."""
    seen = error
    while isinstance(seen, requests.RequestException | urllib3.exceptions.HTTPError):
        wrapped = (getattr(seen, "reason", None), *seen.args, seen.__cause__)
        inner = next((one for one in wrapped if isinstance(one, BaseException)), None)
        if inner is None:
            break
        seen = inner
    return seen


class BinanceRest:
    """`Rest` over the connector. Thread-safe: each thread has a client of its own.

    Args:
        rest_url: `https://fapi.binance.com` or another exchange that speaks its REST.
        patience: seconds that one request may take in all.
        proxy: what to connect through.
    """

    def __init__(
        self, rest_url: str, *, patience: float = PATIENCE, proxy: Proxy | None = None
    ) -> None:
        self._rest_url = rest_url
        self._proxy = proxy
        self._patience = patience
        self.used_weight: int | None = None
        self._local = threading.local()
        self._apis: list[_Api] = []
        self._closed = threading.Event()

    def _api(self) -> _Api:
        api: _Api | None = getattr(self._local, "api", None)
        if api is None:
            api = self._local.api = _Api(
                self._rest_url,
                self._proxy,
                self._patience,
                self._closed,
                self._note_weight,
            )
            self._apis.append(api)
        return api

    def _note_weight(self, used: int) -> None:
        self.used_weight = used

    def server_time(self) -> int:
        """See `Rest`."""
        return decode_time(self._api().time())

    def klines(
        self, stream: Stream, *, start: int | None = None, limit: int
    ) -> list[Candle]:
        """See `Rest`."""
        body = self._api().klines(
            stream.symbol, stream.interval.value, startTime=start, limit=limit
        )
        return decode_rows(body, stream)

    def listings(self) -> list[Listing]:
        """See `Rest`."""
        return decode_listings(self._api().exchange_info())

    def close(self) -> None:
        """See `Rest`."""
        self._closed.set()
        for api in list(self._apis):
            if api.deadline is not None:
                api.deadline.abort()
            api.session.close()
