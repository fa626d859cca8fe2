"""Faults of a client's requests on a WebSocket, and of the replies. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from klinetail.protocol import requests
from klinetail.protocol.frames import Rejection, encode_reply
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.session import Outcome

_ERRORS: Final = (
    (2, "Invalid request: too many parameters"),
    (3, "Invalid JSON: expected value at line 1 column 1"),
    (4, "Too many subscriptions"),
)
"""Error codes and messages of rejections."""


class Fumble(NamedTuple):
    """The faulty treatment of a request."""

    fault: str
    """The fault."""
    ignored: bool = False
    """Whether the request is not carried out."""
    delay: float | None = None
    """The real seconds until the reply; None for no reply."""
    instead: Outcome | None = None
    """The outcome in place of the true outcome."""


def fumble_of(
    chaos: Chaos, connection: int, number: int, message: str | bytes
) -> Fumble | None:
    """Return the faulty treatment of a request, or None for the usual treatment.

    Args:
        chaos: the faults to inject.
        connection: the number of the connection's handshake.
        number: the number of the request on the connection.
        message: the request.
    """
    if random := chaos.strikes("error", connection, number):
        code, words = random.choice(_ERRORS)
        request = requests.decode(message)
        id_ = request.id if code == 2 else None
        reply = encode_reply(Rejection(code, words, id_))
        if random.random() < 0.3:  # the form in the exchange's documentation
            reply = msgspec.json.encode({"code": code, "msg": words}).decode()
        outcome = Outcome(reply, close=code != 2)
        return Fumble("error", ignored=True, instead=outcome)
    if random := chaos.strikes("noack", connection, number):
        return Fumble("noack", ignored=random.random() < 0.5)
    if random := chaos.strikes("lateack", connection, number):
        return Fumble("lateack", delay=random.uniform(1, 4))
    return None
