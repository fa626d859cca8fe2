"""One WebSocket connection as the exchange sees it, pure: messages in, replies out.

Anything is acked; data flows only for known streams in lower case, and only below the
venue's route, `/market`. The other routes are those that the exchange still opens and
keeps silent about candles (Important WebSocket Change Notice).
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
"""Routes without candles of a venue that is routed."""
_INVALID_JSON: Final = 3
_TOO_MANY: Final = 4


class Outcome(NamedTuple):
    """What follows from a message: a reply, perhaps a close 1008 after it."""

    reply: str | None = None
    close: bool = False
    subscribed: frozenset[Stream] = frozenset()
    """The streams that it asked for, subscribed to before or not."""


class Session:
    """The subscriptions and properties of a connection.

    Args:
        names: stream names in its address.
        combined: whether frames are wrapped, as below `/stream`.
        routed: whether candles flow here at all.
        most: streams that the venue allows a connection.
    """

    def __init__(
        self, names: Iterable[str], *, combined: bool, routed: bool, most: int
    ) -> None:
        self.combined = combined
        self._routed = routed
        self._most = most
        self._names = dict.fromkeys(names)
        self.streams = self._known()

    def opening(self) -> Outcome:
        """What follows from the address alone."""
        if self._full:
            return self._checked(Reply(None, None))
        return Outcome(subscribed=self.streams)

    def receive(self, message: str | bytes) -> Outcome:
        """What follows from a message of the client."""
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
        return len(self._names) > self._most

    def _checked(self, reply: Reply) -> Outcome:
        if self._full:
            rejection = Rejection(_TOO_MANY, "Too many subscriptions")
            return Outcome(encode_reply(rejection), close=True)
        return Outcome(encode_reply(reply))

    def _set(self, id_: int | str, params: Sequence[object]) -> Reply | Rejection:
        if len(params) != 2 or params[0] != "combined":
            return Rejection(0, "Unknown property", id_)
        if not isinstance(params[1], bool):
            return Rejection(1, "Invalid value type: expected Boolean", id_)
        self.combined = params[1]
        return Reply(id_, None)

    def _get(self, id_: int | str, params: Sequence[object]) -> Reply | Rejection:
        if list(params) != ["combined"]:
            return Rejection(0, "Unknown property", id_)
        return Reply(id_, self.combined)

    def _known(self) -> frozenset[Stream]:
        if not self._routed:
            return frozenset()
        return _parsed(self._names)


def _parsed(names: Iterable[str]) -> frozenset[Stream]:
    found = map(parse_stream_name, names)
    return frozenset(stream for stream in found if stream is not None)


def open_session(target: str, venue: Venue = LIVE) -> Session | None:
    """The session that a WebSocket address opens at a venue, or None where there is
    none."""
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
