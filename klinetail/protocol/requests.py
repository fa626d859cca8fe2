"""A client's requests on the market WebSocket, both ways.

Source: "Live Subscribing/Unsubscribing to streams", USDⓈ-M futures documentation.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from klinetail.protocol.frames import Rejection

MAX_ID: Final = 36
"""Greatest length of a string id, in characters: the length of a UUID."""


class Method(enum.StrEnum):
    """The methods that the exchange knows."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    LIST_SUBSCRIPTIONS = "LIST_SUBSCRIPTIONS"
    SET_PROPERTY = "SET_PROPERTY"
    GET_PROPERTY = "GET_PROPERTY"


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request.

    `id` is an unsigned integer according to the documentation, and the exchange refuses
    anything else; but the exchange's own SDK
    (binance-sdk-derivatives-trading-usds-futures 18) sends nothing but strings.
    """

    method: Method
    id: int | str
    params: Sequence[object] = ()


def encode(request: Request) -> str:
    """Return the request as JSON text."""
    return msgspec.json.encode(request).decode()


class _Loose(msgspec.Struct):
    method: str
    id: object = None
    params: list[object] = []


def decode(message: str | bytes) -> Request | Rejection:
    """Return the request in a frame, or the error in the exchange's answer.

    A disconnect follows code 3 (invalid JSON).
    """
    try:
        loose = msgspec.json.decode(message, type=_Loose)
    except (msgspec.ValidationError, RecursionError) as error:
        return Rejection(2, f"Invalid request: {error}")
    except ValueError as error:
        return Rejection(3, f"Invalid JSON: {error}")
    number = type(loose.id) is int and 0 <= loose.id < 1 << 64
    name = type(loose.id) is str and 0 < len(loose.id) <= MAX_ID
    if not isinstance(loose.id, int | str) or not (number or name):
        return Rejection(2, "Invalid request: request ID must be an unsigned integer")
    try:
        method = Method(loose.method)
    except ValueError:
        known = ", ".join(f"`{name}`" for name in Method)
        reason = f"unknown variant `{loose.method}`, expected one of {known}"
        return Rejection(2, f"Invalid request: {reason}", loose.id)
    return Request(method, loose.id, loose.params)
