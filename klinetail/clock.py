"""Exchange time: the exchange's clock as far as its own messages tell it.

An answer about the exchange's time is believed only when something else agrees with
it: what earlier answers predict, the event times of frames, or a second answer together
with the newest kline row. A wrong answer is seen in the wild after a leap of one of the
exchange's hosts, and would make unfinished candles look closed.

Pure: local monotonic time comes in as seconds, and the wall clock never does.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from klinetail.pace import AGREE, REAL, PaceMeter, Reading, refined

AHEAD: Final = 60_000
"""An event time further ahead than this (ms) waits until an answer about the
exchange's time agrees: one broken frame must not age every candle."""

TWICE: Final = 200
"""How far (ms) readings one after another may lie apart and tell the same time. It is
little, since of two wrong ones that are alike nothing else may tell."""

SOON: Final = 1.0
"""Real seconds that lie between two such readings at most."""

ROW_LAG: Final = 20_000
"""How far (ms) the newest kline row may lag behind: the exchange's REST side has been
seen that late."""

RECENT: Final = 10.0
"""Real seconds for which an answer that does not count is remembered."""

FRESH: Final = 2.0
"""Real seconds for which an event time can agree with an answer."""

SLOW: Final = 1.0
"""Real seconds that an answer may take and still make the clock more exact."""


class Moment(NamedTuple):
    """One moment on both clocks."""

    exchange: int
    """Exchange time, ms since the epoch. It decides about candles."""
    monotonic: float
    """Local seconds. They measure waiting, and nothing else."""
    ahead: int = 0
    """How far (ms) event times and doubt put `exchange` ahead of what `/time`
    confirms."""
    still: int = 0
    """How far (ms) event times put `exchange` ahead of what the last answer of `/time`
    predicts: exchange time stands still until the prediction is as far."""

    @property
    def confirmed(self) -> int:
        """Exchange time by `/time` alone, ms. It decides what is final."""
        return self.exchange - self.ahead

    def left(self, time: float) -> float:
        """Seconds until exchange time is `time` (ms), if it runs at the pace of real
        time; 0 or less if it is that already."""
        wait = self.still if time > self.exchange else 0
        return (time - self.exchange + wait) / 1000


class NewestRow(NamedTuple):
    """The newest kline row that the exchange showed: its candle had begun."""

    open_time: int
    """ms since the epoch."""
    close_time: int
    """ms since the epoch, the candle's last."""
    sent: float
    """Monotonic seconds when the request was sent."""
    received: float
    """Monotonic seconds when the answer was there."""


class _Event(NamedTuple):
    """The greatest event time of a frame, and when that frame came."""

    event_time: int
    came: float


class ExchangeClock:
    """The last reading that counts plus the monotonic time since, or the greatest
    event time seen if that is later.

    `read` takes in readings, `show` the newest kline row, `see` event times. A reading
    counts if it agrees within `AGREE` with the prediction that the one before it
    makes, or with the event times that flow. Else the clock is *in doubt*: it goes on
    as predicted, or as the doubtful reading says if that is earlier, until three
    readings agree with one another and with the newest row, and no recent event time
    contradicts them; or until the newest row agrees with the prediction instead.

    Before the first reading counts there is no time. That one takes two readings, and
    the newest row or event times, since there is no prediction.
    """

    def __init__(self) -> None:
        self._counted: Reading | None = None
        """The last reading that counts."""
        self._doubtful: deque[Reading] = deque(maxlen=4)
        """Readings since the last one that counted."""
        self._row: NewestRow | None = None
        """The newest row that was shown last."""
        self._event: _Event | None = None
        """What flows: of a clock that has a time, only what that clock believed."""
        self._event_time = 0
        """The greatest event time that was believed, ms."""
        self._pace = REAL
        """How fast the exchange's clock runs."""
        self._meter = PaceMeter()
        """Tells another pace, which holds once a reading counts by it."""

    @property
    def pace(self) -> float:
        """ms of exchange time a real ms; other than 1 for an exchange of one's own."""
        return self._pace.value

    @property
    def known(self) -> bool:
        """Whether there is a time: a reading counted."""
        return self._counted is not None

    @property
    def doubted(self) -> bool:
        """Whether the exchange has said since that its time is another."""
        return bool(self._doubtful)

    @property
    def counted_at(self) -> float:
        """Monotonic seconds of the last reading that counted."""
        return float("-inf") if self._counted is None else self._counted.received

    # Readings and what may agree with them

    def read(self, reading: Reading) -> bool:
        """Take in an answer about the exchange's time; whether it counts."""
        self._meter.take(reading)
        counted = self._counted
        if counted is not None and (
            _alike(counted, reading, self.pace) or self._as_frames_tell(reading)
        ):
            self._count(reading)
            return True
        since = reading.received - RECENT
        while self._doubtful and self._doubtful[0].received < since:
            self._doubtful.popleft()
        self._doubtful.append(reading)
        return self._settle()

    def show(self, row: NewestRow) -> bool:
        """Take in the newest kline row; whether the clock is not in doubt after it."""
        self._row = row
        if not self._doubtful or self._settle():
            return True
        counted = self._counted
        if (
            counted is not None
            and _shows(row, counted, self.pace, lag=ROW_LAG)
            and not _shows(row, self._doubtful[-1], self.pace, lag=ROW_LAG)
        ):
            self._doubtful.clear()
        return not self._doubtful

    def _settle(self) -> bool:
        """Count the newest doubtful reading if enough agrees with it."""
        *others, newest = self._doubtful
        told, row = self._meter.told, self._row
        pace = self._pace if told is None or told.fits(self._pace) else told
        alike = sum(
            newest.sent - other.received <= SOON
            and _alike(other, newest, pace.value, by=TWICE)
            for other in others
        )
        if row is not None and newest.received - row.received > RECENT:
            row = None
        if self._contradicted(newest, pace.value) or not (
            row is None or _shows(row, newest, pace.value, lag=ROW_LAG)
        ):
            return False
        if self._counted is not None:
            proven = row is not None and alike >= 2
        else:  # nothing predicts: the row must not even be late, or frames agree
            strictly = row is not None and _shows(row, newest, pace.value, lag=0)
            proven = alike >= 1 and (strictly or self._as_frames_tell(newest))
        if proven:
            self._pace = pace
            self._count(newest)
        return proven

    def _count(self, reading: Reading) -> None:
        self._doubtful.clear()
        if (counted := self._counted) is not None:
            late = _at(counted, reading.received, self.pace) >= reading.server_time
            slow = late and reading.received - reading.sent > SLOW
            if slow and _alike(counted, reading, self.pace):
                return  # it was on its way so long that the prediction is more exact
            self._pace = refined(self._pace, reading)
        self._counted = reading

    def _as_frames_tell(self, reading: Reading) -> bool:
        """Whether the event times that flow agree with a reading. Of an exchange that
        runs fast they say too little: a frame is seconds old when it comes."""
        event = self._event
        if event is None or self.pace != 1.0 or event.came < reading.sent - FRESH:
            return False
        early, late = _when(reading, event.came, event.came, 1.0)
        return early - AGREE <= event.event_time <= late + AGREE

    def _contradicted(self, reading: Reading, pace: float) -> bool:
        """Whether a frame that came since the doubt began is of another time."""
        event = self._event
        since = max(self._doubtful[0].sent, reading.sent - FRESH)
        if event is None or event.came < since:
            return False
        early, late = _when(reading, event.came, event.came, pace)
        on_its_way = int(1000 * pace)
        return not early - AGREE - on_its_way <= event.event_time <= late + AGREE

    # Event times

    def see(self, event_time: int, now: float) -> bool:
        """Take in a frame's event time (ms); False if it is too far ahead, or if there
        is no time yet."""
        if self._counted is None:
            self._event = _Event(event_time, now)
            return False
        if not self.believes(event_time, now):
            return False
        if event_time >= self._event_time:
            self._event_time = event_time
            self._event = _Event(event_time, now)
        return True

    def believes(self, event_time: int, now: float) -> bool:
        """Whether an event time (ms) is not too far ahead; no one is if there is no
        time yet."""
        counted = self._counted
        return counted is not None and event_time <= max(
            self._event_time, _at(counted, now, self.pace) + AHEAD
        )

    # The time

    def now(self, now: float) -> int:
        """Exchange time in ms at monotonic `now` seconds.

        Raises:
            RuntimeError: before the first reading counts.
        """
        return self.moment(now).exchange

    def moment(self, now: float) -> Moment:
        """Both clocks at monotonic `now` seconds; errors as `now`."""
        if self._counted is None:
            raise RuntimeError("the exchange's time is not known yet")
        predicted = _at(self._counted, now, self.pace)
        # The pace is only measured; what is final must be so at the slowest.
        confirmed = _at(self._counted, now, self._pace.slowest)
        if self._doubtful:
            # What is final must be so by either of the two.
            confirmed = min(confirmed, _at(self._doubtful[-1], now, self.pace))
        exchange = max(predicted, self._event_time)
        return Moment(exchange, now, exchange - confirmed, exchange - predicted)


def _at(reading: Reading, now: float, pace: float) -> int:
    """Exchange time (ms) at `now`, going by a reading: at the earliest, so that the
    clock is late by the answer's way rather than early."""
    return reading.server_time + int((now - reading.received) * 1000 * pace)


def _when(
    reading: Reading, sent: float, received: float, pace: float
) -> tuple[int, int]:
    """Exchange time (ms) between `sent` and `received`, going by a reading: at the
    earliest and at the latest."""
    early = (sent - reading.received) * 1000 * pace
    late = (received - reading.sent) * 1000 * pace
    return reading.server_time + int(early), reading.server_time + int(late)


def _alike(one: Reading, other: Reading, pace: float, *, by: int = AGREE) -> bool:
    """Whether two readings tell the same time at a pace, but for so many ms."""
    early, late = _when(one, other.sent, other.received, pace)
    return early - by <= other.server_time <= late + by


def _shows(row: NewestRow, reading: Reading, pace: float, *, lag: int) -> bool:
    """Whether a row was the newest one at the time that a reading tells, or had been
    until `lag` ms before."""
    early, late = _when(reading, row.sent, row.received, pace)
    return late >= row.open_time - AGREE and early <= row.close_time + AGREE + lag
