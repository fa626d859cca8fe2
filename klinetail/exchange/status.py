"""The status of a link, and the time limits of a link's steps. Pure."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from klinetail.events import LinkState

CONNECT_TIMEOUT: Final = 10.0
"""Seconds in which name, connection, TLS and handshake have to be done."""

ACK_TIMEOUT: Final = 10.0
"""Seconds in which the exchange has to ack all subscriptions."""

STEADY: Final = 10.0
"""Seconds of flowing candles after which the pauses start afresh."""

QUIET: Final = 30.0
"""Seconds without a candle after which the link sends a ping."""

LOOK: Final = 1.0
"""Seconds between two looks at the number of candles."""

FIRST_QUIET: Final = 2.5
"""Seconds without a candle after which a connection that never brought a candle gets
a ping, and seconds between the first pings of every silence."""

FIRST_ANSWERS: Final = 3
"""The number of answers in one silence until pings become rarer."""

LATER_QUIET: Final = 10.0
"""Seconds between further pings, for a connection that never brought a candle."""

PING_TIMEOUT: Final = 5.0
"""Seconds in which the exchange has to answer a ping."""

LIFETIME: Final = 23 * 3600.0 + 50 * 60.0
"""Seconds after which a connection is renewed at the latest; the exchange ends
connections after 24 h."""

EARLY: Final = 60.0
"""Seconds for which a connection is kept while the link may not subscribe yet;
connecting again later costs a start little."""

OVERLAP: Final = 60.0
"""Seconds for which two connections last at most, if the second connection brings no
candle: the symbols may be quiet."""

POLICY: Final = 1008
"""The close code for breaking a rule of the exchange."""

POLICY_LIMIT: Final = (3, 300.0, 60.0)
"""The number of closes for policy within a number of seconds, and the least pause."""


class Renewal(enum.Enum):
    """The progress of the second connection."""

    NONE = enum.auto()
    """No second connection exists."""
    OPENING = enum.auto()
    """The second connection is opened, or waits for acks."""
    ACKED = enum.auto()
    """The second connection waits for the first candle."""


class Status(NamedTuple):
    """The whole state of a link. Times are monotonic seconds."""

    state: LinkState = LinkState.IDLE
    """The state that events report."""
    failures: int = 0
    """The number of failures in a row."""
    succeeded: bool = False
    """Whether this link, or another link of the run, was ever live."""
    unacked: frozenset[int] = frozenset()
    """The numbers of the requests without an ack; while early, of those to send."""
    live_since: float = 0.0
    """The time since which the link is live."""
    due: float = float("inf")
    """The time of the next `Due`."""
    candles: int = 0
    """The number of candles of the connection at the last look."""
    quiet_at: float = float("inf")
    """The time at which silence has lasted too long, or the answer to our ping."""
    pinged: bool = False
    """Whether a ping of ours waits for an answer."""
    answers: int = 0
    """The number of answers to our pings in the present silence."""
    renew_at: float = float("inf")
    """The time of the next renewal."""
    renewal: Renewal = Renewal.NONE
    """The progress of the present renewal."""
    renewal_due: float = float("inf")
    """The time at which the present renewal has taken too long."""
    policy: tuple[float, ...] = ()
    """The times of the last closes for policy."""
    early: bool = False
    """Whether the link has to wait for `Admit` before subscribing."""
    silent: bool = False
    """Whether the user was told of missing candles on this connection."""
    refused_since: float | None = None
    """The time of the first refusal in a row, before the first success, or None."""

    def scheduled(self, now: float) -> Status:
        """Return the status with the time of the next `Due`: the first thing to do."""
        dues = [self.quiet_at, self.renew_at, self.renewal_due]
        if not self.pinged or self.renewal is Renewal.ACKED:
            dues.append(now + LOOK)
        return self._replace(due=min(dues))
