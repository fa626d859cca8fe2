"""Exchange time: the exchange's clock, as told by the exchange's own messages. Pure.

An answer of the exchange's time request counts only with a second witness: the
prediction of earlier answers, the event times of frames, or a second answer together
with the newest kline row. Wrong answers are seen in practice, after a leap of the clock
of one of the exchange's hosts, and would make unfinished candles look closed.

Local monotonic time is an argument, in seconds. The wall clock is never read.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from klinetail.pace import AGREE, REAL, PaceMeter, Reading, refined

AHEAD: Final = 60_000
"""An event time further ahead than this (ms) is ignored until the exchange's time
request agrees: one broken frame must not age every candle."""

TWICE: Final = 200
"""The most (ms) by which consecutive readings may differ and still tell the same time.
The limit is tight, because nothing else may expose two equally wrong readings."""

SOON: Final = 1.0
"""Real seconds between two consecutive readings at most."""

ROW_LAG: Final = 20_000
"""How far (ms) the newest kline row may lag behind: the exchange's REST side was seen
up to 20 s late."""

RECENT: Final = 10.0
"""Real seconds for which a reading without a second witness is remembered."""

FRESH: Final = 2.0
"""Real seconds for which an event time can confirm a reading."""

SLOW: Final = 1.0
"""Real seconds that a request may take while the answer still refines the clock."""


class Moment(NamedTuple):
    """One moment, on the exchange's clock and on the local monotonic clock."""

    exchange: int
    """Exchange time, ms since the epoch. All decisions about candles use exchange
    time."""
    monotonic: float
    """Local monotonic seconds, used to measure waiting and for nothing else."""
    ahead: int = 0
    """How far (ms) `exchange` is ahead of the confirmed time, due to event times and
    doubt."""
    still: int = 0
    """How far (ms) event times put `exchange` ahead of the prediction of the last
    counted reading. Exchange time stands still until the prediction has caught up."""

    @property
    def confirmed(self) -> int:
        """Exchange time by the time request alone, ms; decides which rows are final."""
        return self.exchange - self.ahead

    def left(self, time: float) -> float:
        """Return the seconds until exchange time is `time` (ms) at the pace of real
        time; 0 or less for a time already reached."""
        wait = self.still if time > self.exchange else 0
        return (time - self.exchange + wait) / 1000


class NewestRow(NamedTuple):
    """The newest kline row shown by the exchange: the row's candle had begun."""

    open_time: int
    """The candle's first millisecond, since the epoch."""
    close_time: int
    """The candle's last millisecond, since the epoch."""
    sent: float
    """The monotonic seconds at which the request was sent."""
    received: float
    """The monotonic seconds at which the answer arrived."""


class _Event(NamedTuple):
    """The event time of a frame, with the frame's arrival."""

    event_time: int
    """Milliseconds since the epoch."""
    came: float
    """The monotonic seconds at which the frame arrived."""


class ExchangeClock:
    """The exchange's time: the last counted reading plus the monotonic time since, or
    the greatest believed event time if later.

    `read` takes in readings, `show` the newest kline row, `see` event times. A reading
    counts if the reading agrees within `AGREE` with the prediction of the last counted
    reading, or with current event times. Any other reading puts the clock *in doubt*.

    In doubt, exchange time follows the prediction, and a row is final only by the
    prediction and by the doubtful reading both. The doubt ends when three readings
    agree with each other and with the newest row, without a recent event time against
    them; or when the newest row agrees with the prediction and not with the doubtful
    reading.

    A new clock has no time, and no prediction. The first reading therefore counts only
    when two readings agree with each other, and with the newest row or event times.
    """

    def __init__(self) -> None:
        self._counted: Reading | None = None
        """The last reading that counts."""
        self._doubtful: deque[Reading] = deque(maxlen=4)
        """The readings since the last counted reading."""
        self._row: NewestRow | None = None
        """The newest kline row shown last."""
        self._event: _Event | None = None
        """The last frame; once the clock has a time, the believed frame with the
        greatest event time."""
        self._event_time = 0
        """The greatest believed event time, ms."""
        self._pace = REAL
        """The pace of the exchange's clock."""
        self._meter = PaceMeter()
        """Measures the pace; a new pace is adopted once a reading counts by the new
        pace."""

    @property
    def pace(self) -> float:
        """Milliseconds of exchange time per real millisecond; only a simulated
        exchange's pace differs from 1."""
        return self._pace.value

    @property
    def known(self) -> bool:
        """Whether the clock has a time: a reading has counted."""
        return self._counted is not None

    @property
    def doubted(self) -> bool:
        """Whether a later reading disagrees with the clock."""
        return bool(self._doubtful)

    @property
    def counted_at(self) -> float:
        """The monotonic seconds of the last counted reading; -inf without a reading."""
        return float("-inf") if self._counted is None else self._counted.received

    # Readings, and the witnesses of readings

    def read(self, reading: Reading) -> bool:
        """Take in an answer of the time request, and return whether the reading
        counts."""
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
        """Take in the newest kline row, and return whether the clock is free of
        doubt."""
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
        """Count the newest doubtful reading if confirmed, and return whether the
        reading counts."""
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
        else:  # without a prediction, only a current row or frames can confirm
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
                return  # after a slow answer the prediction is the more exact time
            self._pace = refined(self._pace, reading)
        self._counted = reading

    def _as_frames_tell(self, reading: Reading) -> bool:
        """Return whether the event times of current frames agree with a reading.

        Frames of an exchange running faster than real time prove too little: such a
        frame is seconds of exchange time old on arrival.
        """
        event = self._event
        if event is None or self.pace != 1.0 or event.came < reading.sent - FRESH:
            return False
        early, late = _when(reading, event.came, event.came, 1.0)
        return early - AGREE <= event.event_time <= late + AGREE

    def _contradicted(self, reading: Reading, pace: float) -> bool:
        """Return whether a frame that arrived since the doubt began disagrees with a
        reading."""
        event = self._event
        since = max(self._doubtful[0].sent, reading.sent - FRESH)
        if event is None or event.came < since:
            return False
        early, late = _when(reading, event.came, event.came, pace)
        on_its_way = int(1000 * pace)
        return not early - AGREE - on_its_way <= event.event_time <= late + AGREE

    # Event times

    def see(self, event_time: int, now: float) -> bool:
        """Take in a frame's event time (ms), and return whether the event time is
        believed."""
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
        """Return whether an event time (ms) is not too far ahead; False before the
        clock has a time."""
        counted = self._counted
        return counted is not None and event_time <= max(
            self._event_time, _at(counted, now, self.pace) + AHEAD
        )

    # The time

    def now(self, now: float) -> int:
        """Return exchange time (ms) at monotonic `now` seconds.

        Raises:
            RuntimeError: no reading has counted yet.
        """
        return self.moment(now).exchange

    def moment(self, now: float) -> Moment:
        """Return both clocks' times at monotonic `now` seconds.

        Raises:
            RuntimeError: no reading has counted yet.
        """
        if self._counted is None:
            raise RuntimeError("the exchange's time is not known yet")
        predicted = _at(self._counted, now, self.pace)
        # The pace is only measured: a row must be final even at the slowest pace.
        confirmed = _at(self._counted, now, self._pace.slowest)
        if self._doubtful:
            # A row must be final by the prediction and by the doubtful reading.
            confirmed = min(confirmed, _at(self._doubtful[-1], now, self.pace))
        exchange = max(predicted, self._event_time)
        return Moment(exchange, now, exchange - confirmed, exchange - predicted)


def _at(reading: Reading, now: float, pace: float) -> int:
    """Return the earliest possible exchange time (ms) at `now`, by a reading: the clock
    shall rather be late by an answer's travel time than early."""
    return reading.server_time + int((now - reading.received) * 1000 * pace)


def _when(
    reading: Reading, sent: float, received: float, pace: float
) -> tuple[int, int]:
    """Return the earliest and the latest possible exchange time (ms) between `sent` and
    `received`, by a reading."""
    early = (sent - reading.received) * 1000 * pace
    late = (received - reading.sent) * 1000 * pace
    return reading.server_time + int(early), reading.server_time + int(late)


def _alike(one: Reading, other: Reading, pace: float, *, by: int = AGREE) -> bool:
    """Return whether two readings tell the same time at a pace, within `by` ms."""
    early, late = _when(one, other.sent, other.received, pace)
    return early - by <= other.server_time <= late + by


def _shows(row: NewestRow, reading: Reading, pace: float, *, lag: int) -> bool:
    """Return whether a row was the newest at a reading's time, or at most `lag` ms
    earlier."""
    early, late = _when(reading, row.sent, row.received, pace)
    return late >= row.open_time - AGREE and early <= row.close_time + AGREE + lag
