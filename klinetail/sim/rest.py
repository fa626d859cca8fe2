"""The REST side of the embedded exchange: answers by the target of a request. Pure.

As measured at the exchange: a refused request still costs its weight, symbols may be
lower case, and time bounds are compared with open times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from klinetail.candle import Interval, Stream
from klinetail.protocol.klines import encode_rows
from klinetail.protocol.limits import Limits
from klinetail.protocol.rest_errors import (
    ILLEGAL_CHARACTERS,
    INVALID_INTERVAL,
    INVALID_LIMIT,
    INVALID_SYMBOL,
)
from klinetail.protocol.venues import LIVE, Venue
from klinetail.sim.info import exchange_info
from klinetail.sim.market import Market


class Answer(NamedTuple):
    """An answer, with the weight of the request."""

    status: int
    """The HTTP status."""
    body: bytes
    """The body, JSON."""
    weight: int
    """The weight of the request."""


MANDATORY: Final = -1102
"""The error code of a missing or malformed parameter."""
START_AFTER_END: Final = -1023
"""The error code of time bounds in the wrong order."""


def answer(market: Market, target: str, now: int, venue: Venue = LIVE) -> Answer:
    """Return the answer to `GET target`.

    Args:
        market: the market.
        target: path and query of the request.
        now: exchange time, ms.
        venue: the exchange whose paths and limits are served.
    """
    path, _, query = target.partition("?")
    paths, limits = venue.paths, venue.limits
    match unquote(path):
        case paths.klines:
            parameters = dict(parse_qsl(query, keep_blank_values=True))
            return _klines(market, parameters, now, limits)
        case paths.exchange_info:
            body = exchange_info(market.instruments, now, venue)
            return Answer(200, body, limits.listings_weight)
        case paths.time:
            body = msgspec.json.encode({"serverTime": now})
            return Answer(200, body, limits.time_weight)
        case paths.ping:
            return Answer(200, b"{}", 1)
        case unknown:
            error = {"status": 404, "error": "Not Found", "path": unknown}
            return Answer(404, msgspec.json.encode(error), 0)


class _Refusal(Exception):
    """A refused request, answered with status 400."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = msgspec.json.encode({"code": code, "msg": message})
        """The body of the answer."""


def _klines(
    market: Market, parameters: Mapping[str, str], now: int, limits: Limits
) -> Answer:
    """Return the answer to a request for candles."""
    weight = limits.klines_weight(None)
    try:
        limit = _integer(parameters, "limit")
        weight = limits.klines_weight(limit)
        stream = _stream(market, parameters)
        if limit is not None and not 1 <= limit <= limits.rows:
            message = "Data sent for parameter 'limit' is not valid."
            raise _Refusal(INVALID_LIMIT, message)
        start = _integer(parameters, "startTime")
        end = _integer(parameters, "endTime")
        if start is not None and end is not None and start > end:
            raise _Refusal(START_AFTER_END, "Start time is greater than end time.")
    except _Refusal as refusal:
        return Answer(400, refusal.body, weight)
    rows = market.klines(stream, start, end, limit or limits.rows_by_default, now=now)
    return Answer(200, encode_rows(rows), weight)


def _stream(market: Market, parameters: Mapping[str, str]) -> Stream:
    """Return the requested stream.

    Raises:
        _Refusal: symbol or interval is missing or unknown.
    """
    symbol = _mandatory(parameters, "symbol").upper()
    interval = _mandatory(parameters, "interval")
    if not (intervals := market.intervals(symbol)):
        if not symbol.isascii():
            message = "Illegal characters found in parameter 'symbol'."
            raise _Refusal(ILLEGAL_CHARACTERS, message)
        raise _Refusal(INVALID_SYMBOL, "Invalid symbol.")
    if interval not in intervals:
        raise _Refusal(INVALID_INTERVAL, "Invalid interval.")
    return Stream(symbol, Interval(interval))


def _mandatory(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter.

    Raises:
        _Refusal: the parameter is missing or empty.
    """
    if not (value := parameters.get(name, "")):
        raise _malformed(name)
    return value


def _integer(parameters: Mapping[str, str], name: str) -> int | None:
    """Return an integer parameter; None if missing.

    Raises:
        _Refusal: the parameter is malformed.
    """
    if (value := parameters.get(name)) is None:
        return None
    if re.fullmatch("[0-9]{1,18}", value) is None:
        raise _malformed(name)
    return int(value)


def _malformed(name: str) -> _Refusal:
    """Return the refusal of a missing or malformed parameter."""
    return _Refusal(
        MANDATORY,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )
