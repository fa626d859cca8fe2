"""Timekeeping: asking for exchange time until an answer can be believed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from klinetail.candle import Candle, Interval, Stream
from klinetail.clock import NewestRow
from klinetail.collector.state import CollectorState
from klinetail.errors import BadMessage, ExchangeError
from klinetail.events import CLOCK, LinkEvent, LinkState
from klinetail.exchange.rest_client import Rest
from klinetail.pace import SPAN, Reading

TRIES: Final = 6
"""Readings in a row before a pause: enough to learn the pace of an exchange that runs
fast."""

PAUSES: Final = (1.0, 3.0)
"""Real seconds before the next question while exchange time is in doubt: at first, and
at most."""

UNSTARTED: Final = 0.5
"""Real seconds before the next question at the start. After a longer pause a reading
would not agree with the readings before the pause."""

AGAIN: Final = 300.0
"""Real seconds after which the time is read without a request, because the local clock
that carries the time on is not exact."""

SAID_AFTER: Final = 1.5
"""Real seconds of doubt at the start after which a person is told."""

WITNESSES: Final = 3
"""Symbols that are followed and whose newest row may be asked for."""

DOUBT: Final = (
    "the exchange's clock cannot be believed: nothing else agrees with its answers"
)
"""The text for a person while exchange time is in doubt."""


class TimeAnswers(NamedTuple):
    """Answers of the exchange about its time."""

    readings: Sequence[Reading]
    """Readings of the exchange's clock."""
    rows: Sequence[NewestRow]
    """Newest one-minute rows."""


def witnesses_among(streams: Sequence[Stream], busiest: str) -> list[Stream]:
    """Return one-minute streams whose newest rows tell the time: streams of the
    followed symbols, and the stream of a symbol that is traded in every minute."""
    symbols = dict.fromkeys(stream.symbol for stream in streams)
    own = [Stream(symbol, Interval.M1) for symbol in [*symbols][:WITNESSES]]
    return [*dict.fromkeys([*own, Stream(busiest, Interval.M1)])]


def read_time(rest: Rest, now: Callable[[], float]) -> Reading:
    """Return a reading of the exchange's clock; errors as `Rest.server_time`."""
    sent = now()
    return Reading(rest.server_time(), sent, now())


def newest_row(
    rest: Rest, stream: Stream, now: Callable[[], float]
) -> NewestRow | None:
    """Return the newest row of a stream; None if the stream has no row. Errors as
    `Rest.klines`."""
    sent = now()
    for row in rest.klines(stream, limit=1):
        if isinstance(row, Candle):
            return NewestRow(row.open_time, row.close_time, sent, now())
    return None


class TimeKeeper:
    """Keeps the exchange clock of a collector by asking. Safe from any thread.

    The collector's lock is not held while the exchange is asked. While exchange time is
    in doubt the consumers are told, and once more when the doubt is over.

    Args:
        state: the state of the collector.
    """

    def __init__(self, state: CollectorState) -> None:
        self._state = state
        """The state of the collector, whose clock takes in the answers."""
        self._witnesses = witnesses_among([*state.series], state.venue.busiest_symbol)
        """Streams whose newest row tells the time; the first one is asked first."""
        self._asking = threading.Lock()
        """Held while a thread asks for the time; all waiting threads use the answer."""
        self._doubts = 0
        """Consecutive calls of `read` that left the time in doubt."""
        self._due = state.now() + AGAIN
        """When to read the time without a request, monotonic seconds."""

    def begin(
        self,
        answers: TimeAnswers,
        *,
        patience: float,
        on_doubt: Callable[[], None],
    ) -> bool:
        """Ask until exchange time is known, and return True; False after a stop.

        Args:
            answers: the answers of the exchange up to now.
            patience: seconds of doubt before giving up.
            on_doubt: called once if the answers do not suffice. Event times of frames,
                given to `ExchangeClock.see`, can help then.

        Raises:
            ExchangeError: the time was still in doubt after `patience` seconds.
        """
        began = self._state.now()
        attempt, told = 0, False
        while not self._believe(answers):
            attempt += 1
            if attempt == 1:
                on_doubt()
            lasted = self._state.now() - began
            if lasted >= patience:
                raise ExchangeError(DOUBT)
            pause = SPAN if lasted < SAID_AFTER else UNSTARTED
            if not answers.readings:
                pause = PAUSES[0]
            if lasted >= SAID_AFTER:
                told = True
                event = LinkEvent(CLOCK, LinkState.WAITING, DOUBT, attempt, pause)
                self._state.tell(event)
            if self._state.lifecycle.stopping.wait(pause):
                return False
            answers = self._ask()
        if told:
            self._state.tell(LinkEvent(CLOCK, LinkState.IDLE))
        return True

    def _believe(self, answers: TimeAnswers) -> bool:
        """Give answers to the clock, and return whether the time is known."""
        with self._state.lock:
            for reading in answers.readings:
                self._state.clock.read(reading)
            for row in answers.rows:
                self._state.clock.show(row)
            return self._state.clock.known

    def _ask(self) -> TimeAnswers:
        """Ask for two consecutive readings and a row, and return the answers without
        the failures."""
        readings = []
        for _ in range(2):
            with contextlib.suppress(ExchangeError, BadMessage):
                readings.append(read_time(self._state.rest, self._state.now))
        row = self._ask_for_row() if readings else None
        return TimeAnswers(readings, [] if row is None else [row])

    def _ask_for_row(self) -> NewestRow | None:
        """Return the newest row of the first stream that has one."""
        for stream in list(self._witnesses):
            try:
                row = newest_row(self._state.rest, stream, self._state.now)
            except (ExchangeError, BadMessage):
                row = None
            if row is not None:
                return row
            # The next stream is asked first from now on.
            self._witnesses.append(self._witnesses.pop(0))
        return None

    def read(self) -> bool:
        """Read the time until an answer counts, a few times at most.

        Returns:
            Whether the time is free of doubt.
        """
        wanted = self._state.now()
        with self._asking:
            with self._state.lock:
                known = (
                    self._state.clock.counted_at > wanted
                )  # read by another meanwhile
            return known or self._read()

    def _read(self) -> bool:
        for attempt in range(TRIES):
            if attempt > 1 and self._state.lifecycle.stopping.wait(SPAN):
                return False
            try:
                reading = read_time(self._state.rest, self._state.now)
            except (ExchangeError, BadMessage):
                self._put_off()
                return False
            with self._state.lock:
                sure = self._state.clock.read(reading)
            if not sure and attempt and (row := self._ask_for_row()) is not None:
                with self._state.lock:
                    sure = self._state.clock.show(row)
            if sure:
                self._be_sure()
                return True
        self._put_off()
        self._doubts += 1
        pause = self._due - self._state.now()
        self._state.tell(
            LinkEvent(CLOCK, LinkState.WAITING, DOUBT, self._doubts, pause)
        )
        return False

    def _be_sure(self) -> None:
        """Note that an answer counted, and tell the end of a doubt."""
        self._due = self._state.now() + AGAIN
        if self._doubts:
            self._doubts = 0
            self._state.tell(LinkEvent(CLOCK, LinkState.IDLE))

    def _put_off(self) -> None:
        """Put the next reading off, the longer the more often the time was in doubt."""
        first, most = PAUSES
        self._due = self._state.now() + min(most, first * (1 + self._doubts))

    def left(self) -> float:
        """Return the seconds until the time should be read without a request."""
        return self._due - self._state.now()

    def heed(self) -> bool:
        """Whether to read the time now without a request. After a True the time counts
        as asked for."""
        if self.left() > 0:
            return False
        self._due = self._state.now() + (PAUSES[1] if self._doubts else AGAIN)
        return True
