"""A WebSocket session on the exchange's side: messages in, replies out. Pure.

Every stream name is acknowledged. Candles flow only for known streams in lower case,
and only below the exchange's route, `/market`. The exchange still opens the other
routes, without candles.

Source: "Important WebSocket Change Notice" of the USDⓈ-M futures documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote

from klinetail.candle import Stream
from klinetail.protocol import requests
from klinetail.protocol.frames import (
    Rejection,
    Reply,
    encode_reply,
    parse_stream_name,
)
from klinetail.protocol.requests import Method, Request
from klinetail.protocol.venues import LIVE, Venue, ws_path

_SILENT: Final = ("/public/", "/private/")
"""The routes without candles of an exchange with routes."""
_INVALID_JSON: Final = 3
"""The error code of a message that is no JSON."""
_TOO_MANY: Final = 4
"""The error code of too many subscriptions."""


class Outcome(NamedTuple):
    """The consequences of a message."""

    reply: str | None = None
    """The reply, or None."""
    close: bool = False
    """Whether the connection is closed with code 1008 after the reply."""
    subscribed: frozenset[Stream] = frozenset()
    """The requested streams, new or not."""


class Session:
    """The subscriptions and properties of a connection.

    Args:
        names: the stream names in the address.
        combined: whether frames are wrapped, as below `/stream`.
        routed: whether the route carries candles.
        most: the streams allowed on a connection.
    """

    def __init__(
        self, names: Iterable[str], *, combined: bool, routed: bool, most: int
    ) -> None:
        self.combined = combined
        """Whether frames are wrapped."""
        self._routed = routed
        """Whether the route carries candles."""
        self._most = most
        """The streams allowed on the connection."""
        self._names = dict.fromkeys(names)
        """The subscribed names, known or not, in order."""
        self.streams = self._known()
        """The subscribed streams with candles."""

    def opening(self) -> Outcome:
        """Return the outcome of the address alone."""
        if self._full:
            return self._checked(Reply(None, None))
        return Outcome(subscribed=self.streams)

    def receive(self, message: str | bytes) -> Outcome:
        """Return the outcome of a client's message."""
        request = requests.decode(message)
        if isinstance(request, Rejection):
            return Outcome(encode_reply(request), request.code == _INVALID_JSON)
        match request.method:
            case Method.SUBSCRIBE | Method.UNSUBSCRIBE:
                return self._change(request)
            case Method.LIST_SUBSCRIPTIONS:
                return Outcome(encode_reply(Reply(request.id, [*self._names])))
            case Method.SET_PROPERTY:
                return Outcome(encode_reply(self._set(request.id, request.params)))
            case Method.GET_PROPERTY:
                return Outcome(encode_reply(self._get(request.id, request.params)))

    def _change(self, request: Request) -> Outcome:
        """Return the outcome of a subscription or its end."""
        names = [name for name in request.params if isinstance(name, str)]
        if len(names) != len(request.params):
            message = "Invalid request: a stream name must be a string"
            return Outcome(encode_reply(Rejection(2, message, request.id)))
        if request.method is Method.SUBSCRIBE:
            self._names.update(dict.fromkeys(names))
        else:
            for name in names:
                self._names.pop(name, None)
        self.streams = self._known()
        outcome = self._checked(Reply(request.id, None))
        if request.method is Method.UNSUBSCRIBE:
            return outcome
        return outcome._replace(subscribed=self.streams & _parsed(names))

    @property
    def _full(self) -> bool:
        """Whether the connection has too many subscriptions."""
        return len(self._names) > self._most

    def _checked(self, reply: Reply) -> Outcome:
        """Return the outcome of a reply, or a rejection of too many subscriptions."""
        if self._full:
            rejection = Rejection(_TOO_MANY, "Too many subscriptions")
            return Outcome(encode_reply(rejection), close=True)
        return Outcome(encode_reply(reply))

    def _set(self, id_: int | str, params: Sequence[object]) -> Reply | Rejection:
        """Return the reply to a request that sets a property."""
        if len(params) != 2 or params[0] != "combined":
            return Rejection(0, "Unknown property", id_)
        if not isinstance(params[1], bool):
            return Rejection(1, "Invalid value type: expected Boolean", id_)
        self.combined = params[1]
        return Reply(id_, None)

    def _get(self, id_: int | str, params: Sequence[object]) -> Reply | Rejection:
        """Return the reply to a request for a property."""
        if list(params) != ["combined"]:
            return Rejection(0, "Unknown property", id_)
        return Reply(id_, self.combined)

    def _known(self) -> frozenset[Stream]:
        """Return the subscribed streams with candles."""
        if not self._routed:
            return frozenset()
        return _parsed(self._names)


def _parsed(names: Iterable[str]) -> frozenset[Stream]:
    """Return the streams of the valid names."""
    found = map(parse_stream_name, names)
    return frozenset(stream for stream in found if stream is not None)


def open_session(target: str, venue: Venue = LIVE) -> Session | None:
    """Return the session that a WebSocket address opens at an exchange; None for any
    other address."""
    path, _, query = target.partition("?")
    path = f"/{unquote(path).removeprefix('/')}"
    route, most = f"{ws_path(venue)}/", venue.limits.streams
    routed = path.startswith(route)
    silent = _SILENT if route != "/" else ()
    found = next((one for one in (route, *silent) if path.startswith(one)), "/")
    head, *names = path.removeprefix(found).split("/")
    if "" in names:
        return None
    if head == "ws":
        return Session(names, combined=False, routed=routed, most=most)
    if head != "stream" or names:
        return None
    streams = parse_qs(query).get("streams", [""])[0]
    names = [name for name in streams.split("/") if name]
    return Session(names, combined=True, routed=routed, most=most)
