"""Whether a stream's symbol is traded, by its candles and by the exchange's list of
symbols. Pure.

Neither source is enough alone. Candles without trades are normal for a thin symbol, and
for a symbol whose market closes over night; a status can be wrong, misread or too
early. A stream has ended when both sources agree.
"""

from __future__ import annotations

import enum
import math
from typing import Final

from klinetail.candle import LAST_TIME, MINUTE, Candle, Interval
from klinetail.protocol.statuses import UNKNOWN, has_ended

LEAST: Final = 5 * MINUTE
"""The shortest time without a trade (ms of exchange time) before a symbol is looked
up."""

MOST: Final = 30 * MINUTE
"""The longest time without a trade (ms of exchange time) before a symbol is looked up,
however long the interval is."""

_INTERVALS: Final = 5
"""The intervals without a trade before a symbol is looked up, between `LEAST` and
`MOST`."""

STOPPED: Final = MINUTE
"""Milliseconds of exchange time without a trade after the delivery date that end a
stream."""

NEVER: Final = LAST_TIME + 1
"""An open time later than any candle's."""

DELIVERED: Final = "past its delivery date"
"""The status given for a stream that ended by its delivery date alone."""


def patience(interval: Interval) -> int:
    """Return for how long (ms) a stream may have no trade before its symbol is looked
    up."""
    length = interval.length or MOST
    return min(max(_INTERVALS * length, LEAST), MOST)


class State(enum.Enum):
    """Whether trades of a symbol are expected."""

    TRADED = enum.auto()
    """The symbol is traded; the state at the start."""
    PENDING = enum.auto()
    """The symbol is listed but not traded yet."""
    ENDED = enum.auto()
    """The symbol is not traded any more."""


class Trading:
    """The trading state of one stream's symbol.

    Args:
        interval: the stream's interval.
    """

    __slots__ = (
        "_count",
        "_open_time",
        "_over",
        "_patience",
        "delivery",
        "last",
        "look_up_from",
        "onboard",
        "state",
        "status",
        "told_at",
        "until",
    )

    def __init__(self, interval: Interval) -> None:
        self.state = State.TRADED
        """Whether trades are expected."""
        self.last = 0
        """The exchange time (ms) of the last trade seen, or of the start if no trade
        was seen yet."""
        self.until = NEVER
        """The open time (ms) of the first candle not awaited any more: the candle after
        the last trade's. `NEVER` until the stream has ended."""
        self.onboard = 0
        """The time (ms) at which a pending symbol shall be traded, or 0 if unknown."""
        self.status = UNKNOWN
        """The latest status in the exchange's list of symbols."""
        self.delivery = 0
        """The delivery date (ms) in the exchange's list of symbols, or 0."""
        self.told_at = 0
        """The exchange time (ms) at which the list was last read."""
        self.look_up_from = -math.inf
        """The monotonic seconds before which the symbol is not looked up."""
        self._patience = patience(interval)
        """The time (ms) without a trade before the symbol is looked up."""
        self._over = False
        """Whether the latest status is a status of ended trading."""
        self._open_time = 0
        """The open time (ms) of the newest candle with trades."""
        self._count = 0
        """The trades of the newest candle with trades, as last seen."""

    def begin(self, time: int, onboard: int | None) -> None:
        """Start at an exchange time.

        Args:
            time: the exchange time, ms.
            onboard: when a pending symbol shall be traded (ms; 0 if unknown), or None
                for a symbol that is not pending.
        """
        self.last = time
        if onboard is not None:
            self.state = State.PENDING
            self.onboard = onboard
            self.last = max(time, onboard)

    def see(self, candle: Candle) -> bool:
        """Take in a candle, and return whether the candle shows a new trade.

        A repeated candle shows no new trade. Seeing the forming candle is enough,
        before any request and before the candle's close.
        """
        if not candle.count or candle.open_time < self._open_time:
            return False
        if (candle.open_time, candle.count) == (self._open_time, self._count):
            return False
        self._open_time, self._count = candle.open_time, candle.count
        time = candle.close_time if candle.closed else candle.event_time
        self.last = max(self.last, time)
        return True

    def see_closed(self, candle: Candle, forming: Candle | None) -> None:
        """Take in a delivered candle.

        Args:
            candle: the closed candle.
            forming: the candle's last forming frame, or None; the frame's event time
                tells the time of the last trade more exactly than the close.
        """
        opens, count = candle.open_time, candle.count
        if not count or opens < self._open_time:
            return
        if count == self._count and opens == self._open_time:
            return
        self._open_time, self._count = opens, count
        time = candle.close_time
        if (
            forming is not None
            and count == forming.count
            and opens == forming.open_time
        ):
            time = forming.event_time
        if time > self.last:
            self.last = time

    def shows_trades(self, open_time: int) -> bool:
        """Return whether trades were seen in the candle opening at `open_time` (ms) or
        later."""
        return self._open_time >= open_time

    def told(self, status: str, delivery: int, time: int) -> None:
        """Take in an entry of the exchange's list of symbols.

        Args:
            status: the symbol's status.
            delivery: the delivery date, ms, or 0.
            time: exchange time of the request for the list, ms.
        """
        self.status, self.delivery, self.told_at = status, delivery, time
        self._over = has_ended(status)

    def idle_at(self, since: int = 0) -> int:
        """Return the exchange time (ms) from which the stream counts as idle: long
        enough without a trade to expect the symbol's end.

        Args:
            since: exchange time (ms) before which trades may have gone unseen.
        """
        last = max(since, self.last)
        over = self._over and self.told_at >= self.last
        at = last + (LEAST if over else self._patience)
        if self._dated:
            return min(at, max(last, self.delivery) + STOPPED)
        return at

    @property
    def _dated(self) -> bool:
        """Whether the delivery date counts: no trade came after the date."""
        return self.last <= self.delivery + STOPPED

    def verdict(self, time: int, *, by_date: bool) -> str | None:
        """Return why an idle stream has ended, or None if the end is not certain.

        Args:
            time: exchange time (ms), confirmed.
            by_date: whether a passed delivery date is enough without a newer list.
        """
        if self._over and (self.told_at >= self.last or self.state is State.PENDING):
            return self.status
        if self.state is State.PENDING:
            return None
        passed = self._dated and time >= self.delivery + STOPPED
        if passed and (by_date or self.told_at >= self.delivery):
            return DELIVERED
        return None

    def end(self, until: int) -> None:
        """Mark the stream as ended: candles from open time `until` (ms) on are not
        awaited."""
        self.state = State.ENDED
        self.until = until

    def resume(self) -> None:
        """Mark the symbol as traded, again or for the first time."""
        self.state = State.TRADED
        self.until = NEVER
        self.look_up_from = -math.inf
