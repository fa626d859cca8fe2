"""The receiving side of a connection: bytes in, calls of the handlers out. No I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import assert_never

from klinetail.exchange.connection import Handlers, Manager
from klinetail.exchange.reader import Close, MessageReader, Messages, Ping, Pong


class Receiver:
    """Calls the handlers of a connection for the bytes that came over it.

    A receiver owns no thread and no socket. All handlers are called from `feed`, in
    the order of the wire; messages that came with one read are handed over together.
    What a handler of messages raises ends nothing.

    Args:
        handlers: those to call.
        manager: what the handlers of messages get as their first argument.
        pong: sends a pong with the payload of the server's ping.
    """

    def __init__(
        self, handlers: Handlers, manager: Manager, pong: Callable[[bytes], None]
    ) -> None:
        self.received = 0
        """The number of messages that the last call of `feed` brought."""
        self._handlers = handlers
        self._manager = manager
        self._pong = pong
        self._reader = MessageReader()

    def feed(self, data: bytes) -> Close | None:
        """Take in bytes; returns the server's close, after which there is no more.

        Raises:
            WebSocketProtocolException: the bytes break the protocol or a limit of ours.
            OSError, WebSocketException: a pong could not be sent.
        """
        self._reader.feed(data)
        self.received = 0
        while (event := self._reader.next_event()) is not None:
            match event:
                case Messages(payloads):
                    self.received += len(payloads)
                    self._hand_over(payloads)
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
        if (on_messages := self._handlers.on_messages) is not None:
            with contextlib.suppress(Exception):
                on_messages(self._manager, messages)
            return
        for message in messages:
            with contextlib.suppress(Exception):
                self._handlers.on_message(self._manager, message)
