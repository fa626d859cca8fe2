"""The seam between a link and its connection: what each may ask of the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from klinetail.exchange.deadline import Deadline
from klinetail.protocol.frames import Rejection, Reply


class Manager(Protocol):
    """What a handler may ask of the connection that a message came over."""

    candles: int
    """Candles that came over it."""
    on_reply: Callable[[Reply | Rejection], None]


class Connection(Protocol):
    """An open connection."""

    @property
    def candles(self) -> int:
        """Candles that came over it."""

    def ping(self, payload: bytes) -> None:
        """Send a ping; whoever lives sends its payload back."""

    def subscribe(self, stream: list[str], id: int) -> None:  # noqa: A002
        """Ask for streams by their names on the wire."""

    def stop(self, timeout: float) -> None:
        """Close it, politely at first, within `timeout` seconds."""


def _ignore(_: bytes) -> None:
    pass


class Handlers(NamedTuple):
    """Who hears of a connection. All are called on the connection's own thread."""

    on_message: Callable[[Manager, bytes], None]
    on_reply: Callable[[Reply | Rejection], None]
    on_exit: Callable[[str, int | None], None]
    """Called once, at the end, with the reason in words and the close code, if any."""
    on_pong: Callable[[bytes], None] = _ignore
    """Called with the payload of a pong."""
    on_messages: Callable[[Manager, Sequence[bytes]], None] | None = None
    """Called in place of `on_message` with several messages, in order."""


Connect = Callable[[Handlers, Deadline], Connection]
"""Opens a connection or raises an `ExchangeError`; the deadline is running."""
