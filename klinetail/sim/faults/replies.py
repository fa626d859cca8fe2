"""What becomes of a client's request on its WebSocket, and of its answer. Pure."""

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


class Fumble(NamedTuple):
    """A request that is not treated as it should be."""

    fault: str
    ignored: bool = False
    """Whether it is not carried out at all."""
    delay: float | None = None
    """Real seconds until its answer; None if there is none."""
    instead: Outcome | None = None
    """What happens in its place."""


def fumble_of(
    chaos: Chaos, connection: int, number: int, message: str | bytes
) -> Fumble | None:
    """What becomes of a connection's request of this number, if it is fumbled."""
    if random := chaos.strikes("error", connection, number):
        code, words = random.choice(_ERRORS)
        request = requests.decode(message)
        id_ = request.id if code == 2 else None
        reply = encode_reply(Rejection(code, words, id_))
        if random.random() < 0.3:  # as the documentation has it
            reply = msgspec.json.encode({"code": code, "msg": words}).decode()
        outcome = Outcome(reply, close=code != 2)
        return Fumble("error", ignored=True, instead=outcome)
    if random := chaos.strikes("noack", connection, number):
        return Fumble("noack", ignored=random.random() < 0.5)
    if random := chaos.strikes("lateack", connection, number):
        return Fumble("lateack", delay=random.uniform(1, 4))
    return None
