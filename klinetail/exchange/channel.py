"""A channel: one connection of a link, with the requests sent over the connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from klinetail.exchange.connection import Connection
from klinetail.exchange.inputs import Acked, Broken, Ponged
from klinetail.exchange.pacing import MESSAGES, TokenBucket
from klinetail.protocol.frames import Rejection, Reply
from klinetail.protocol.limits import MAX_NAMES

DROP_TIMEOUT: Final = 1.0
"""Seconds that closing a connection may take."""


class Channel:
    """One connection of a link, and the requests and pings sent over the connection.

    The link's thread sends requests and pings; the connection's own thread looks at
    the answers.

    Args:
        number: tells the connections of one link apart.
        take_turn: waits until a token bucket lets the next message pass.
    """

    def __init__(self, number: int, take_turn: Callable[[TokenBucket], None]) -> None:
        self.number = number
        """The number of the connection: 1 for the first connection of a link."""
        self.connection: Connection | None = None
        """The connection; None before opening, and for ever if opening failed."""
        self._take_turn = take_turn
        """Waits until a token bucket lets the next message pass."""
        self._rate = TokenBucket(*MESSAGES)
        """The rate of messages that the exchange allows on a connection."""
        self._requests = 0
        """The number of the last request."""
        self._pings = 0
        """The number of the last ping."""

    @property
    def candles(self) -> int:
        """The number of candles that the connection brought."""
        return 0 if self.connection is None else self.connection.candles

    def subscribe(self, streams: Sequence[str]) -> None:
        """Ask for streams, in requests of `MAX_NAMES` names at most."""
        if self.connection is None:
            return
        for first in range(0, len(streams), MAX_NAMES):
            chunk = list(streams[first : first + MAX_NAMES])
            self._take_turn(self._rate)
            self._requests += 1
            self.connection.subscribe(chunk, id=self._requests)

    def ping(self) -> None:
        """Send a ping with a payload of its own."""
        if self.connection is None:
            return
        self._pings += 1
        self._take_turn(self._rate)
        self.connection.ping(self._payload())

    def drop(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.stop(DROP_TIMEOUT)

    def meaning_of(self, reply: Reply | Rejection) -> Acked | Broken | None:
        """Return the link's input for a reply, or None if nothing was asked."""
        if isinstance(reply.id, int) and not 0 < reply.id <= self._requests:
            return None
        if isinstance(reply, Rejection):
            return Broken(f"the exchange refuses: {reply.message} (code {reply.code})")
        return Acked(reply.id) if isinstance(reply.id, int) else None

    def meaning_of_pong(self, payload: bytes) -> Ponged | None:
        """Return the link's input for a pong, or None if the last ping was another."""
        return Ponged() if payload == self._payload() else None

    def _payload(self) -> bytes:
        """Return the payload of the last ping."""
        return f"klinetail {self.number} {self._pings}".encode()
