"""The receiving side of a connection: bytes in, calls of handlers out. No I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import assert_never

from klinetail.exchange.connection import Handlers, Manager
from klinetail.exchange.reader import Close, MessageReader, Messages, Ping, Pong


class Receiver:
    """Calls the handlers of a connection for the bytes of the connection.

    A receiver owns no thread and no socket. All handlers are called from `feed`, in
    the order of the wire; the messages of one read are handed over together. Exceptions
    of a handler of messages are ignored: the connection goes on.

    Args:
        handlers: the handlers to call.
        manager: the first argument of the handlers of messages.
        pong: sends a pong with the payload of the server's ping.
    """

    def __init__(
        self, handlers: Handlers, manager: Manager, pong: Callable[[bytes], None]
    ) -> None:
        self.received = 0
        """The number of messages in the bytes of the last call of `feed`."""
        self._handlers = handlers
        """The handlers to call."""
        self._manager = manager
        """The first argument of the handlers of messages."""
        self._pong = pong
        """Sends a pong."""
        self._reader = MessageReader()
        """Turns bytes into events."""

    def feed(self, data: bytes) -> Close | None:
        """Handle the next bytes; return the server's close if the bytes hold a close.

        Raises:
            WebSocketProtocolException: the bytes break the protocol or a limit of ours.
            OSError, WebSocketException: a pong could not be sent.
        """
        self._reader.feed(data)
        self.received = 0
        while (event := self._reader.next_event()) is not None:
            match event:
                case Messages():  # by far the most frequent
                    self.received += len(event.payloads)
                    self._hand_over(event.payloads)
                case Ping(payload):
                    self._pong(payload)
                case Pong(payload):
                    self._handlers.on_pong(payload)
                case Close():
                    return event
                case _:
                    assert_never(event)
        return None

    def _hand_over(self, messages: Sequence[bytes]) -> None:
        """Call the handler for several messages, or the handler for one repeatedly."""
        if (on_messages := self._handlers.on_messages) is not None:
            try:  # noqa: SIM105 - suppress takes longer
                on_messages(self._manager, messages)
            except Exception:  # noqa: BLE001, S110
                pass
            return
        for message in messages:
            with contextlib.suppress(Exception):
                self._handlers.on_message(self._manager, message)
