"""The HTTP side of the embedded exchange: REST answers on a connection, and their
faults; requests for dumps go on to `downloads`."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from klinetail.candle import Interval
from klinetail.protocol.limits import USED_WEIGHT
from klinetail.protocol.venues import Paths, Venue
from klinetail.sim.clock import Clock
from klinetail.sim.downloads import Downloads
from klinetail.sim.faults import answers
from klinetail.sim.faults.answers import Delivery, Manner
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.lags import Lagging
from klinetail.sim.limits import Weight
from klinetail.sim.market import Market
from klinetail.sim.rest import answer
from klinetail.sim.wire import Connection

_PACKED_FROM: Final = 1024
"""Bytes of an answer from which the answer is compressed, for clients accepting
gzip."""

_MOMENT: Final = 0.05
"""Real seconds granted to sent bytes for their way before a reset."""


class Http:
    """Answers requests about a market: REST, and the public dumps.

    Args:
        market: the market.
        clock: exchange time.
        chaos: the faults to inject into answers.
        venue: the exchange whose paths and limits are served.
    """

    def __init__(
        self, market: Market, clock: Clock, chaos: Chaos, venue: Venue
    ) -> None:
        self._venue = venue
        """The exchange whose paths and limits are served."""
        self._market = Lagging(market, chaos)
        """The market, as shown with lagging rows."""
        self._downloads = Downloads(market, clock, chaos, venue)
        """Answers requests for public dumps."""
        self._listed = {instrument.symbol for instrument in market.instruments}
        """The listed symbols."""
        self._clock = clock
        """Exchange time."""
        self._chaos = chaos
        """The faults to inject."""
        self._most = venue.limits.weight_per_minute
        """The REST weight allowed in a minute."""
        self._weight = Weight(self._most)
        """The REST weight used by the client's address."""
        self._asked: Counter[str] = Counter()
        """The number of earlier requests by key, to decide about faults."""
        self.requests: Counter[str] = Counter()
        """The number of requests by path."""

    async def respond(
        self, connection: Connection, request: Request, *, served: bool
    ) -> Response:
        """Return the answer to a request, possibly replaced by a fault.

        Args:
            connection: the client's connection.
            request: the request; other methods than GET count for dumps alone.
            served: whether any client has received candles already.
        """
        target = request.path
        self.requests[target.partition("?")[0]] += 1
        if self._downloads.serves(target):
            return await self._downloads.respond(connection, request)
        packed = "gzip" in ",".join(request.headers.get_all("Accept-Encoding"))
        now = self._clock.now()
        status, body, weight = answer(self._market, target, now, self._venue)
        refusal = self._weight.spend(weight, self._clock.unhurried())
        if refusal is not None:
            seconds = str(-(-refusal.wait // 1000))
            banned = answers.banned(now + refusal.wait)
            body = banned if refusal.status == 418 else answers.too_many(self._most)
            delivery = Delivery(refusal.status, body, {"Retry-After": seconds})
        else:
            delivery = Delivery(status, body)
            delivery = self._disturbed(target, delivery, now, served=served)
        response = self._response(delivery, now, packed=packed)
        if delivery.manner is not Manner.WHOLE:
            await _withhold(connection, delivery.manner, response)
        return response

    def _disturbed(
        self, target: str, delivery: Delivery, now: int, *, served: bool
    ) -> Delivery:
        """Return an answer, spoilt by a fault if one strikes."""
        key = _key(target, self._listed, self._venue.paths)
        number, self._asked[key] = self._asked[key], self._asked[key] + 1
        found = answers.fault_of(self._chaos, key, number, served=served)
        if found is None:
            return delivery
        name, random = found
        gentle = self._chaos.gentle(name)
        status, body = delivery.status, delivery.body
        spoilt = answers.disturbed(
            name,
            random,
            status,
            body,
            now,
            gentle=gentle,
            per_minute=self._most,
        )
        if spoilt is None:
            return delivery
        self._chaos.note(name)
        return spoilt

    def _response(self, delivery: Delivery, now: int, *, packed: bool) -> Response:
        """Return the HTTP response, with the exchange's usual headers."""
        body = delivery.body
        packed = packed and len(body) >= _PACKED_FROM
        if packed:
            body = gzip.compress(body)
        usual = {
            "Content-Type": "application/json;charset=UTF-8",
            "Content-Length": str(len(body)),
            **({"Content-Encoding": "gzip"} if packed else {}),
            "Date": email.utils.formatdate(now / 1000, usegmt=True),
            USED_WEIGHT: str(self._weight.used),
            "Connection": "close",
        }
        return response(delivery.status, {**usual, **delivery.headers}, body)


def response(status: int, headers: Mapping[str, str], body: bytes) -> Response:
    """Return an HTTP response."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return Response(status, phrase, Headers(headers), body)


def forbidden(reason: str) -> Response:
    """Return the answer to a refused request, in the form of the exchange's own
    refusals."""
    body = msgspec.json.encode({"code": 0, "msg": reason})
    headers = {
        "Content-Type": "application/json;charset=UTF-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    return response(HTTPStatus.FORBIDDEN, headers, body)


async def drip(connection: Connection, data: bytes, pause: float) -> None:
    """Send `data` byte by byte, for `HELD` seconds at most."""
    for at in range(min(len(data), int(answers.HELD / pause))):
        connection.wire.inject(data[at : at + 1])
        if not await connection.stays(pause):
            return


async def _withhold(connection: Connection, manner: Manner, response: Response) -> None:
    """Deliver an answer in a faulty manner, and reset the connection."""
    connection.wire.lose()
    match manner:
        case Manner.NEVER:
            await connection.stays(answers.HELD)
        case Manner.DRIPPING:
            head = response.serialize()
            body = response.body or b""
            split = len(head) - len(body)
            connection.wire.inject(head[:split])
            await drip(connection, bytes(body), answers.DRIP)
        case _:
            data = response.serialize()
            connection.wire.inject(data[: -(-len(data) * 2 // 3)])
            await asyncio.sleep(_MOMENT)
    connection.wire.reset()


def _key(target: str, listed: set[str], paths: Paths) -> str:
    """Return the subject of a request, as a key for faults; all unknown subjects share
    a key."""
    path, _, query = target.partition("?")
    if path != paths.klines:
        return path if path in (paths.ping, paths.time, paths.exchange_info) else ""
    parameters = parse_qs(query)
    symbol = parameters.get("symbol", [""])[0].upper()
    interval = parameters.get("interval", [""])[0]
    known = symbol in listed and interval in Interval.__members__.values()
    return f"{symbol}@{interval}" if known else ""
