"""The seam between a link and a connection: the calls in both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from klinetail.exchange.deadline import Deadline
from klinetail.protocol.frames import Rejection, Reply


class Manager(Protocol):
    """The part of a connection that a handler of messages may use."""

    candles: int
    """The number of candles that the connection brought; the handler counts."""
    on_reply: Callable[[Reply | Rejection], None]
    """Called by the handler with each answer to a request."""


class Connection(Protocol):
    """An open connection."""

    @property
    def candles(self) -> int:
        """The number of candles that the connection brought."""

    def ping(self, payload: bytes) -> None:
        """Send a ping; a live server answers with the same payload."""

    def subscribe(self, stream: list[str], id: int) -> None:  # noqa: A002
        """Ask for streams by their names on the wire, in the request numbered `id`."""

    def stop(self, timeout: float) -> None:
        """Close the connection, politely at first, within `timeout` seconds."""


def _ignore(_: bytes) -> None:
    pass


class Handlers(NamedTuple):
    """The handlers of one connection. All are called on the connection's own thread."""

    on_message: Callable[[Manager, bytes], None]
    """Called with each message."""
    on_reply: Callable[[Reply | Rejection], None]
    """Called with each answer to a request."""
    on_exit: Callable[[str, int | None], None]
    """Called once, at the end, with the reason in words and the close code, or None."""
    on_pong: Callable[[bytes], None] = _ignore
    """Called with the payload of each pong."""
    on_messages: Callable[[Manager, Sequence[bytes]], None] | None = None
    """Called in place of `on_message`, if set, with several messages in order."""


Connect = Callable[[Handlers, Deadline], Connection]
"""Opens a connection before a running deadline, or raises an `ExchangeError`."""
