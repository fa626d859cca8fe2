"""Whether the symbol of one stream is traded: what its candles show, and what the
exchange's list of symbols says. Pure.

Neither is believed alone. Candles without trades are what a thin symbol has by right,
and so has one whose market is closed over night; a status may be read wrongly or too
early. A stream has ended when both agree.
"""

from __future__ import annotations

import enum
import math
from typing import Final

from klinetail.candle import LAST_TIME, MINUTE, Candle, Interval
from klinetail.protocol.statuses import UNKNOWN, has_ended

LEAST: Final = 5 * MINUTE
"""The shortest time without a trade (ms of exchange time) that calls for a look-up."""

MOST: Final = 30 * MINUTE
"""The longest one, however long the interval is."""

_INTERVALS: Final = 5

STOPPED: Final = MINUTE
"""How long (ms of exchange time) there must be no trade once the delivery date has
passed."""

NEVER: Final = LAST_TIME + 1
"""An open time that no candle has."""

DELIVERED: Final = "past its delivery date"
"""What is said in place of a status of a stream that ended by its date alone."""


def patience(interval: Interval) -> int:
    """For how long (ms) a stream may have no trade before its symbol is looked up."""
    length = interval.length or MOST
    return min(max(_INTERVALS * length, LEAST), MOST)


class State(enum.Enum):
    """Whether trades are expected."""

    TRADED = enum.auto()
    PENDING = enum.auto()
    """Not yet."""
    ENDED = enum.auto()
    """Not any more."""


class Trading:
    """What is known of the trading of one stream's symbol."""

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
        self.last = 0
        """Exchange time (ms) of the last trade that was seen, or of the start: before
        it there may have been some."""
        self.until = NEVER
        """Once it has ended, the open time of the first candle that is not awaited any
        more: the one after the last trade's."""
        self.onboard = 0
        """While it is pending, when it shall be traded (ms), or 0 if nobody knows."""
        self.status = UNKNOWN
        """What the exchange's list said last."""
        self.delivery = 0
        """The delivery date (ms) that the list gave, or 0."""
        self.told_at = 0
        """Exchange time (ms) at which the list said so."""
        self.look_up_from = -math.inf
        """Monotonic seconds before which the symbol is not looked up."""
        self._patience = patience(interval)
        self._over = False
        """Whether the status says that it has ended."""
        self._open_time = 0
        self._count = 0

    def begin(self, time: int, onboard: int | None) -> None:
        """It begins at exchange time `time` (ms); of what is pending, `onboard` is when
        it shall be traded."""
        self.last = time
        if onboard is not None:
            self.state = State.PENDING
            self.onboard = onboard
            self.last = max(time, onboard)

    def see(self, candle: Candle) -> bool:
        """Take in a candle; whether it shows a trade that those before it did not.

        That the exchange sends a candle again is no trade. It is enough to show the
        forming candle before anything is asked and before its close.
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
        """Take in a candle that is delivered; the last forming frame, if there is one,
        tells more exactly when there were trades."""
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
        """Whether trades were seen in the candle that opens then, or in a later one."""
        return self._open_time >= open_time

    def told(self, status: str, delivery: int, time: int) -> None:
        """The list of symbols, asked for at exchange time `time` (ms), says so."""
        self.status, self.delivery, self.told_at = status, delivery, time
        self._over = has_ended(status)

    def idle_at(self, since: int = 0) -> int:
        """Exchange time (ms) at which it will have had no trade for so long that its
        end is to be expected.

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
        """Whether the delivery date counts: no trade came after it."""
        return self.last <= self.delivery + STOPPED

    def verdict(self, time: int, *, by_date: bool) -> str | None:
        """Why a stream that is idle at exchange time `time` (ms) has ended, or None if
        that is not known.

        Args:
            time: exchange time that is certain.
            by_date: whether the delivery date is enough, with no list asked since.
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
        """It has ended: no candle from open time `until` on is awaited."""
        self.state = State.ENDED
        self.until = until

    def resume(self) -> None:
        """It is traded, again or at last."""
        self.state = State.TRADED
        self.until = NEVER
        self.look_up_from = -math.inf
