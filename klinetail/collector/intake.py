"""Intake: from a frame to its series, and from the series to the consumers.

The methods run on the connectors' threads. A batch of frames takes the lock once.
"""

from __future__ import annotations

import contextlib
import logging
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from klinetail.candle import Candle
from klinetail.clock import Moment
from klinetail.collector.backfill import Urgency
from klinetail.collector.fetching import Fetching
from klinetail.collector.quarantine import Quarantine
from klinetail.collector.state import CollectorState
from klinetail.collector.timekeeping import TimeKeeper
from klinetail.contract.output import Output
from klinetail.contract.series import Series
from klinetail.errors import BadMessage
from klinetail.events import Drop, DropEvent
from klinetail.exchange.connection import Manager
from klinetail.protocol.batches import decode_klines
from klinetail.protocol.frames import decode
from klinetail.shortage import cause

_log = logging.getLogger(__name__)

_EVENT_TIME: Final = operator.attrgetter("event_time")


class Intake:
    """Takes in frames, and delivers what the frames make deliverable.

    No method that takes in frames raises: the connector would swallow the error. A bad
    message is one counter and one sample, and costs no other message.

    Args:
        state: the state of the collector.
        fetching: sees to the series that a frame touched.
        times: reads exchange time, if a frame is ahead of the time.
    """

    def __init__(
        self, state: CollectorState, fetching: Fetching, times: TimeKeeper
    ) -> None:
        self._state = state
        """The state of the collector."""
        self._fetching = fetching
        """Sees to series after a frame."""
        self._times = times
        """Reads exchange time."""
        self._quarantine = Quarantine(state.clock)
        """Frames from too far ahead."""

    def take(self, manager: Manager, message: str | bytes) -> None:
        """Take in one frame from the connection of `manager`."""
        with self._guarded():
            decoded = decode(message)
            if not isinstance(decoded, Candle):
                manager.on_reply(decoded)
                return
            manager.candles += 1
            with self._state.lock:
                self._accept(decoded)

    def take_all(self, manager: Manager, messages: Sequence[bytes]) -> None:
        """Take in frames that came together; in one go, if every frame is a usual
        one."""
        candles: Sequence[Candle] | None = None
        with contextlib.suppress(MemoryError):  # one by one, frames need less memory
            candles = decode_klines(messages)
        if not candles:
            for message in messages:
                self.take(manager, message)
            return
        manager.candles += len(candles)
        try:
            with self._state.lock:
                self._accept_all(candles)
        except Exception as error:  # noqa: BLE001 - as in `_guarded`
            self._say_bug(error)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn an exception of a message into one counter and one sample."""
        try:
            yield
        except BadMessage as error:
            self._drop(f"{error}: {error.sample}" if error.sample else str(error))
        except Exception as error:  # noqa: BLE001 - nobody else would log it
            self._say_bug(error)

    def _say_bug(self, error: Exception) -> None:
        """Log an exception that only a bug can raise, and count the message."""
        _log.exception("a message could not be handled")
        self._drop(cause(error))

    def _drop(self, detail: str) -> None:
        """Tell of one bad message."""
        self._state.tell(DropEvent(Drop.BAD, None, detail))

    def _accept_all(self, candles: Sequence[Candle]) -> None:
        """Take in candles as `_accept` does, and deliver their output together: at an
        hour's end all of the candles may be closed."""
        state = self._state
        monotonic = state.now()
        newest = max(map(_EVENT_TIME, candles))
        if not (state.begun and self._quarantine.admits_all(newest, monotonic)):
            for candle in candles:
                with self._guarded():
                    self._accept(candle)
            return
        state.clock.see(newest, monotonic)
        now = state.clock.moment(monotonic)
        series_of = state.series
        output: list[Output] = []
        touched: dict[Series, None] = {}
        for candle in candles:
            series = series_of.get(candle.stream)
            if series is not None and series.follow(candle):
                output.append(candle)
            elif series is None or series.lacking:
                self._finish(output, touched, now)
                output, touched = [], {}
                with self._guarded():
                    self._accept(candle)
            else:
                touched[series] = None
                with self._guarded():
                    output += self._without_echo(series, series.accept(candle, now))
        self._finish(output, touched, now)

    def _finish(
        self, output: Sequence[Output], touched: Iterable[Series], now: Moment
    ) -> None:
        """Deliver the output of frames, and see to the touched series."""
        state = self._state
        state.delivery.deliver(output)
        for series in touched:
            self._fetching.after(series, now)
        if now.exchange >= state.keeper.exchange_due:
            state.changed.notify_all()

    def _accept(self, candle: Candle) -> None:
        """Take in one candle; the lock is held."""
        state = self._state
        series = state.series.get(candle.stream)
        if series is None:
            raise BadMessage(f"a candle of {candle.stream}, which was not asked for")
        monotonic = state.now()
        if not state.begun:
            # Event times help to know the time; a close that is not used now is
            # fetched later.
            state.clock.see(candle.event_time, monotonic)
            return
        if not self._quarantine.admits(candle, monotonic):
            if self._quarantine.asks(monotonic):
                state.backfill.put(Urgency.TIME, 1, self._resync)
            return
        self._use(series, candle, monotonic)

    def _use(self, series: Series, candle: Candle, monotonic: float) -> None:
        """Give a candle to its series, and deliver the output."""
        now = self._state.clock.moment(monotonic)
        link = self._state.link_of.get(candle.stream)
        echo = series.lacking and link is not None and link.overlapping
        output = self._without_echo(series, series.accept(candle, now, echo=echo))
        self._finish(output, [series], now)

    def _without_echo(
        self, series: Series, output: Sequence[Output]
    ) -> Sequence[Output]:
        """Return the output without duplicates while a connection is renewed: every
        frame comes twice then, by our own doing."""
        if not output or not isinstance(output[0], DropEvent):
            return output
        link = self._state.link_of.get(series.stream)
        if link is None or not link.overlapping:
            return output
        return [
            item
            for item in output
            if not isinstance(item, DropEvent) or item.why is Drop.BAD
        ]

    def _resync(self) -> None:
        """Ask the exchange whether exchange time really is as late as a frame says."""
        told = self._times.read()
        state = self._state
        with state.lock:
            now = state.now()
            settled = self._quarantine.settle(now, told=told)
            for candle in settled.believed:
                state.clock.see(candle.event_time, now)
                self._use(state.series[candle.stream], candle, now)
            for candle in settled.dropped:
                self._drop(f"{candle.stream}: an event time in the future")
