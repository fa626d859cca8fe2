"""A channel: one connection of a link, with what the link asked over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from klinetail.exchange.connection import Connection
from klinetail.exchange.inputs import Acked, Broken
from klinetail.exchange.pacing import TokenBucket, message_rate
from klinetail.protocol.frames import Rejection, Reply
from klinetail.protocol.limits import Limits

DROP_TIMEOUT = 1.0
"""Seconds for closing a connection politely."""


class Channel:
    """One connection of a link, perhaps still to come, and what was asked over it.

    Requests and pings are sent on the link's thread; answers are looked at on the
    connection's own.

    Args:
        number: tells the connections of one link apart.
        take_turn: waits until a message may be sent at the given rate.
        limits: what the venue allows a connection.
    """

    def __init__(
        self, number: int, take_turn: Callable[[TokenBucket], None], limits: Limits
    ) -> None:
        self.number = number
        self.connection: Connection | None = None
        """The connection; None before it is open, and if it never opened."""
        self._take_turn = take_turn
        self._names = limits.names
        """Names that one request may have."""
        self._rate = message_rate(limits.messages_per_second)
        """The rate at which the exchange lets messages in."""
        self._requests = 0
        """The number of the last request."""
        self._pings = 0
        """The number of the last ping."""

    @property
    def candles(self) -> int:
        """Candles that came over the connection so far."""
        return 0 if self.connection is None else self.connection.candles

    def subscribe(self, streams: Sequence[str]) -> None:
        """Ask for streams, in requests of as many names as a request may have."""
        if self.connection is None:
            return
        for first in range(0, len(streams), self._names):
            chunk = list(streams[first : first + self._names])
            self._take_turn(self._rate)
            self._requests += 1
            self.connection.subscribe(chunk, id=self._requests)

    def ping(self) -> None:
        """Send a ping that only its own answer matches."""
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
        """What a reply means to the link; None if it answers nothing that was asked."""
        if isinstance(reply.id, int) and not 0 < reply.id <= self._requests:
            return None
        if isinstance(reply, Rejection):
            return Broken(f"the exchange refuses: {reply.message} (code {reply.code})")
        return Acked(reply.id) if isinstance(reply.id, int) else None

    def asked_with(self, payload: bytes) -> bool:
        """Whether a pong answers the last ping."""
        return payload == self._payload()

    def _payload(self) -> bytes:
        return f"klinetail {self.number} {self._pings}".encode()
