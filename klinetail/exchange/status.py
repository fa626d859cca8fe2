"""What a link knows about itself, and how long each of its steps may take. Pure."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from klinetail.events import LinkState

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for name, connection, TLS and handshake together."""

ACK_TIMEOUT: Final = 10.0
"""Seconds for the acks of all subscriptions."""

STEADY: Final = 10.0
"""Seconds that candles must have flowed for the pauses to start afresh."""

QUIET: Final = 30.0
"""Seconds without a candle after which the other side is asked."""

LOOK: Final = 1.0
"""Seconds between two looks at whether candles came."""

FIRST_QUIET: Final = 2.5
"""The same for a connection that never brought one, and between the first of its
answers and the next while none comes: whoever looks into the silence sees soon."""

FIRST_ANSWERS: Final = 3
"""Answers in one silence that follow so soon upon one another."""

LATER_QUIET: Final = 10.0
"""Seconds between further ones, for a connection that never brought a candle."""

PING_TIMEOUT: Final = 5.0
"""Seconds for the answer."""

LIFETIME: Final = 23 * 3600.0 + 50 * 60.0
"""Seconds after which a connection is renewed at the latest; the exchange ends it
after 24 h."""

EARLY: Final = 60.0
"""Seconds that a connection which may not subscribe yet is kept for; one that is made
later costs a start little."""

OVERLAP: Final = 60.0
"""Seconds that two connections last at most while candles are awaited on the second;
those of quiet symbols may bring none."""

POLICY: Final = 1008
"""The close code for breaking a rule of the exchange."""

POLICY_LIMIT: Final = (3, 300.0, 60.0)
"""After so many closes for policy within so many seconds, wait so many at least."""


class Renewal(enum.Enum):
    """How far the second connection is."""

    NONE = enum.auto()
    OPENING = enum.auto()
    ACKED = enum.auto()


class Status(NamedTuple):
    """All that a link knows about itself. Times are monotonic seconds."""

    state: LinkState = LinkState.IDLE
    failures: int = 0
    """In a row."""
    succeeded: bool = False
    """Whether it was ever live, or another link of the same run."""
    unacked: frozenset[int] = frozenset()
    """Requests; while early, those to be sent."""
    live_since: float = 0.0
    due: float = float("inf")
    """When `Due` is to come."""
    candles: int = 0
    """Over this connection, when last looked at."""
    quiet_at: float = float("inf")
    """When the silence has lasted too long, of the line or of our ping's answer."""
    pinged: bool = False
    """Whether our ping is under way."""
    answers: int = 0
    """To our pings, in the present silence."""
    renew_at: float = float("inf")
    renewal: Renewal = Renewal.NONE
    renewal_due: float = float("inf")
    policy: tuple[float, ...] = ()
    """When connections were closed for policy."""
    early: bool = False
    """Whether it has to wait for `Admit` before it subscribes to anything."""
    silent: bool = False
    """Whether it was told that this connection brings no candle."""
    refused_since: float | None = None
    """Since when every attempt has been refused, before the first success."""
