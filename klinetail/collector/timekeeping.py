"""Timekeeping: asking the exchange what time it is until an answer can be believed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from klinetail.candle import Candle, Interval, Stream
from klinetail.clock import ExchangeClock, NewestRow
from klinetail.errors import BadMessage, ExchangeError
from klinetail.events import CLOCK, LinkEvent, LinkState
from klinetail.exchange.rest_client import Rest
from klinetail.pace import SPAN, Reading

TRIES: Final = 6
"""Readings in a row before it is waited for a while: as many as it takes to learn the
pace of an exchange that runs fast."""

PAUSES: Final = (1.0, 3.0)
"""Real seconds before an exchange of which the time is in doubt is asked again: at
first, and at most."""

UNSTARTED: Final = 0.5
"""Real seconds before that is asked again at the start; so few that a reading agrees
with those of the attempt before, if others failed."""

AGAIN: Final = 300.0
"""Real seconds after which the time is read again though nobody asks: the local clock
that carries it on is not exact."""

SAID_AFTER: Final = 1.5
"""Real seconds of doubt at the start after which a person is told."""

WITNESSES: Final = 3
"""Streams of which the newest row may be asked for."""

_ALWAYS_TRADED: Final = Stream("BTCUSDT", Interval.M1)

DOUBT: Final = (
    "the exchange's clock cannot be believed: nothing else agrees with its answers"
)
"""What a person is told while the time is in doubt."""


class Statement(NamedTuple):
    """What the exchange said about its time: readings, and newest rows."""

    readings: Sequence[Reading]
    rows: Sequence[NewestRow]


def witnesses_among(streams: Sequence[Stream]) -> list[Stream]:
    """The one-minute streams whose newest rows tell the time: of the symbols that are
    followed, and of one that is always traded."""
    symbols = dict.fromkeys(stream.symbol for stream in streams)
    own = [Stream(symbol, Interval.M1) for symbol in [*symbols][:WITNESSES]]
    return [*dict.fromkeys([*own, _ALWAYS_TRADED])]


def read_time(rest: Rest, now: Callable[[], float]) -> Reading:
    """An answer of `/fapi/v1/time`; errors as `Rest.server_time`."""
    sent = now()
    return Reading(rest.server_time(), sent, now())


def newest_row(
    rest: Rest, stream: Stream, now: Callable[[], float]
) -> NewestRow | None:
    """The newest row of a stream, None if it has none; errors as `Rest.klines`."""
    sent = now()
    for row in rest.klines(stream, limit=1):
        if isinstance(row, Candle):
            return NewestRow(row.open_time, row.close_time, sent, now())
    return None


class TimeKeeper:
    """Keeps an exchange clock by asking. Safe from any thread.

    Args:
        clock: what takes in the answers.
        rest: who is asked.
        lock: guards the clock; not held while the exchange is asked.
        now: local seconds.
        streams: what is followed.
        stopping: ends the pauses.
        tell: called, without the lock, while the time is in doubt, and once when that
            is over.
    """

    def __init__(
        self,
        clock: ExchangeClock,
        rest: Rest,
        lock: threading.RLock,
        *,
        now: Callable[[], float],
        streams: Sequence[Stream],
        stopping: threading.Event,
        tell: Callable[[LinkEvent], None],
    ) -> None:
        self._clock = clock
        self._rest = rest
        self._lock = lock
        self._now = now
        self._witnesses = witnesses_among(streams)
        self._stopping = stopping
        self._tell = tell
        self._asking = threading.Lock()
        """Held by the thread that asks: one answer serves all who want one."""
        self._doubts = 0
        """Times in a row that reading left the time in doubt."""
        self._due = now() + AGAIN
        """When to read again though nobody asks, monotonic seconds."""

    def begin(
        self,
        statement: Statement,
        *,
        patience: float,
        on_doubt: Callable[[], None],
    ) -> bool:
        """Ask until the time is known; False if that was stopped.

        Args:
            statement: what the exchange said so far.
            patience: seconds of doubt before giving up.
            on_doubt: called once if that is not enough: the event times of frames,
                given to `ExchangeClock.see`, can help.

        Raises:
            ExchangeError: the time was still in doubt after `patience` seconds.
        """
        began = self._now()
        attempt, told = 0, False
        while not self._believe(statement):
            attempt += 1
            if attempt == 1:
                on_doubt()
            lasted = self._now() - began
            if lasted >= patience:
                raise ExchangeError(DOUBT)
            pause = SPAN if lasted < SAID_AFTER else UNSTARTED
            if not statement.readings:
                pause = PAUSES[0]
            if lasted >= SAID_AFTER:
                told = True
                event = LinkEvent(CLOCK, LinkState.WAITING, DOUBT, attempt, pause)
                self._tell(event)
            if self._stopping.wait(pause):
                return False
            statement = self._ask()
        if told:
            self._tell(LinkEvent(CLOCK, LinkState.IDLE))
        return True

    def _believe(self, statement: Statement) -> bool:
        with self._lock:
            for reading in statement.readings:
                self._clock.read(reading)
            for row in statement.rows:
                self._clock.show(row)
            return self._clock.known

    def _ask(self) -> Statement:
        """Ask for two readings, one soon after the other, and a row; what fails is not
        there."""
        readings = []
        for _ in range(2):
            with contextlib.suppress(ExchangeError, BadMessage):
                readings.append(read_time(self._rest, self._now))
        row = self._ask_for_row() if readings else None
        return Statement(readings, [] if row is None else [row])

    def _ask_for_row(self) -> NewestRow | None:
        for stream in list(self._witnesses):
            try:
                row = newest_row(self._rest, stream, self._now)
            except (ExchangeError, BadMessage):
                row = None
            if row is not None:
                return row
            # The next one is asked first from now on.
            self._witnesses.append(self._witnesses.pop(0))
        return None

    def read(self) -> bool:
        """Read the time until an answer counts, a few times at most.

        Returns:
            Whether the time is not in doubt.
        """
        wanted = self._now()
        with self._asking:
            with self._lock:
                known = self._clock.counted_at > wanted  # read by another meanwhile
            return known or self._read()

    def _read(self) -> bool:
        for attempt in range(TRIES):
            if attempt > 1 and self._stopping.wait(SPAN):
                return False
            try:
                reading = read_time(self._rest, self._now)
            except (ExchangeError, BadMessage):
                self._put_off()
                return False
            with self._lock:
                sure = self._clock.read(reading)
            if not sure and attempt and (row := self._ask_for_row()) is not None:
                with self._lock:
                    sure = self._clock.show(row)
            if sure:
                self._be_sure()
                return True
        self._put_off()
        self._doubts += 1
        pause = self._due - self._now()
        self._tell(LinkEvent(CLOCK, LinkState.WAITING, DOUBT, self._doubts, pause))
        return False

    def _be_sure(self) -> None:
        self._due = self._now() + AGAIN
        if self._doubts:
            self._doubts = 0
            self._tell(LinkEvent(CLOCK, LinkState.IDLE))

    def _put_off(self) -> None:
        first, most = PAUSES
        self._due = self._now() + min(most, first * (1 + self._doubts))

    def left(self) -> float:
        """Seconds until the time should be read again though nobody asks."""
        return self._due - self._now()

    def heed(self) -> bool:
        """Whether the time should be read now though nobody asks; it then counts as
        asked for."""
        if self.left() > 0:
            return False
        self._due = self._now() + (PAUSES[1] if self._doubts else AGAIN)
        return True
