"""Channels: the connections of a link, each with the requests sent over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from klinetail.exchange.connection import Connection
from klinetail.exchange.inputs import Acked, Broken, Due, Input, Ponged, of_second
from klinetail.exchange.pacing import TokenBucket, message_rate
from klinetail.protocol.frames import Rejection, Reply
from klinetail.protocol.limits import Limits

DROP_TIMEOUT: Final = 1.0
"""Seconds that closing a connection may take."""

_ECHO: Final = 5.0
"""Seconds after a renewal in which frames of the old connection come once more."""


class Channel:
    """One connection of a link, and the requests and pings sent over the connection.

    The link's thread sends requests and pings; the connection's own thread looks at
    the answers.

    Args:
        number: tells the connections of one link apart.
        take_turn: waits until a token bucket lets the next message pass.
        limits: the venue's limits of a connection.
    """

    def __init__(
        self, number: int, take_turn: Callable[[TokenBucket], None], limits: Limits
    ) -> None:
        self.number = number
        """The number of the connection: 1 for the first connection of a link."""
        self.connection: Connection | None = None
        """The connection; None before opening, and for ever if opening failed."""
        self._take_turn = take_turn
        """Waits until a token bucket lets the next message pass."""
        self._names = limits.names
        """The largest number of names in one request."""
        self._rate = message_rate(limits.messages_per_second)
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
        """Ask for streams, in requests of as many names as the venue allows at most."""
        if self.connection is None:
            return
        for first in range(0, len(streams), self._names):
            chunk = list(streams[first : first + self._names])
            self._take_turn(self._rate)
            self._requests += 1
            self.connection.subscribe(chunk, id=self._requests)

    def requests(self, streams: int) -> frozenset[int]:
        """Return the numbers of the requests that subscribe to so many streams first.

        Args:
            streams: the number of streams.
        """
        return frozenset(range(1, -(-streams // self._names) + 1))

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


class Channels:
    """The channels of one link: the first and, during a renewal, the second.

    The link's thread opens, swaps and drops channels; `candles` and `overlapping` may
    be asked on any thread.

    Args:
        take_turn: waits until a token bucket lets the next message pass.
        limits: the venue's limits of a connection.
    """

    def __init__(
        self, take_turn: Callable[[TokenBucket], None], limits: Limits
    ) -> None:
        self.first: Channel | None = None
        """The channel that brings the candles; None before the first connection and
        after a loss."""
        self.second: Channel | None = None
        """The channel that replaces the first; None except during a renewal."""
        self._take_turn = take_turn
        """Waits until a token bucket lets the next message pass."""
        self._limits = limits
        """The venue's limits of a connection."""
        self._number = 0
        """The number of the newest channel."""
        self._renewed_at = float("-inf")
        """The time of the last renewal, monotonic seconds."""

    def new(self) -> Channel:
        """Return a channel with the next number, neither first nor second yet."""
        self._number += 1
        return Channel(self._number, self._take_turn, self._limits)

    def swap(self, now: float) -> None:
        """Make the second channel the first, and close the former first.

        Args:
            now: monotonic seconds.
        """
        self._renewed_at = now
        former, self.first, self.second = self.first, self.second, None
        if former is not None:
            former.drop()

    def drop_second(self) -> None:
        """Close the second channel, if any."""
        second, self.second = self.second, None
        if second is not None:
            second.drop()

    def drop(self) -> None:
        """Close both channels."""
        first, self.first = self.first, None
        try:
            if first is not None:
                first.drop()
        finally:
            self.drop_second()

    def meaning_of(self, number: int, event: Input) -> Input | None:
        """Return the link's input for an input from a channel.

        Args:
            number: the number of the channel; 0 for an input from the link itself.
            event: the input.

        Returns:
            The input as the link has to take it; None if the input means nothing to
            the link, for instance as the channel was dropped before.
        """
        if number == 0 or (self.first is not None and number == self.first.number):
            return event
        if self.second is None or number != self.second.number:
            return None
        return of_second(event)

    def overlapping(self, now: float) -> bool:
        """Return whether frames come twice because of a renewal.

        Args:
            now: monotonic seconds.
        """
        return now - self._renewed_at < _ECHO or self.second is not None

    @property
    def candles(self) -> int:
        """The number of candles that the first channel brought."""
        first = self.first
        return 0 if first is None else first.candles

    def due(self) -> Due:
        """Return the input for the time of a look, with the candles of each channel."""
        second = self.second
        return Due(self.candles, 0 if second is None else second.candles)
