"""Keeper: the loop that waits for the deadlines of all series and sees to the series
that are due, a few at a time, so that frames are taken in between."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from klinetail.clock import Moment
from klinetail.collector.deadlines import Deadlines
from klinetail.collector.mass_delay import MassDelay
from klinetail.collector.sleep import PULSE
from klinetail.contract.finality import SETTLED
from klinetail.contract.series import Series
from klinetail.shortage import shortage

_log = logging.getLogger(__name__)

SHORT: Final = 1.0
"""Seconds to wait when this machine has run out of memory or threads."""

_AT_ONCE: Final = 128
"""Series that are seen to before the lock is given up: some milliseconds."""

_BREATH: Final = 0.001
"""Seconds for which the lock is given up. After a shorter time a waiting thread would
not get the lock."""


class Keeper:
    """Sees to series when their deadlines come, on the thread that calls `run`.

    Args:
        groups: the series of each link.
        changed: a condition over the collector's lock; notified to end the waiting.
        moment: returns the time on both clocks.
    """

    def __init__(
        self,
        groups: Iterable[Sequence[Series]],
        changed: threading.Condition,
        moment: Callable[[], Moment],
    ) -> None:
        self.exchange_due = math.inf
        """Exchange time (ms) at which to notify `changed`, while the loop waits."""
        self._delay_of: dict[Series, MassDelay] = {}
        """The mass delay of the link of each series."""
        for group in groups:
            self._delay_of.update(dict.fromkeys(group, MassDelay(len(group))))
        self._deadlines = Deadlines(self._delay_of)
        """The deadlines of every series."""
        self._unsettled = set(self._delay_of)
        """Series whose deadlines may come earlier after any frame."""
        self._changed = changed
        """A condition over the collector's lock; notified to end the waiting."""
        self._moment = moment
        """Returns the time on both clocks."""

    def heed(self, series: Series, now: Moment) -> None:
        """Note that something happened to a series; the lock is held.

        Most frames make no deadline come earlier, and cost no more than a look.
        """
        if series in self._unsettled or series.lacking:
            self._look_at(series, now)

    def _look_at(self, series: Series, now: Moment) -> None:
        """File the deadlines of a series, and note whether the series is settled."""
        self._delay_of[series].look_at(series, now)
        if self._deadlines.file(series, now):
            self._changed.notify_all()
        open_ended = series.lacking or series.asking
        if open_ended or not self._deadlines.files(series):
            self._unsettled.add(series)
        else:
            self._unsettled.discard(series)

    def run(
        self,
        stopping: threading.Event,
        see_to: Callable[[Series, Moment], None],
        pulse: Callable[[], float],
    ) -> None:
        """Keep the deadlines until the stop. A shortage of memory is logged and waited
        out; any other error is raised.

        Args:
            stopping: ends the run.
            see_to: called with the lock held for each series that is due.
            pulse: called with the lock held now and then; returns the seconds until
                the next call is due.
        """
        unfiled = False
        while not stopping.is_set():
            with self._changed:
                try:
                    if unfiled:
                        self._file_all()
                        unfiled = False
                    self._wait(stopping, pulse)
                    self._keep(stopping, see_to)
                except Exception as error:
                    if not shortage(error):
                        raise
                    _log.exception("the deadlines could not be kept")
                    unfiled = True
                    self._changed.wait(SHORT)

    def _file_all(self) -> None:
        """File every series, because a series that was due may have been left out."""
        now = self._moment()
        for series in self._delay_of:
            self._look_at(series, now)

    def _wait(self, stopping: threading.Event, pulse: Callable[[], float]) -> None:
        """Wait until a deadline has passed, with a pulse now and then."""
        longest = PULSE
        while not stopping.is_set():
            if (left := self._deadlines.left(self._moment())) <= 0:
                return
            self.exchange_due = self._deadlines.exchange_due
            self._changed.wait(min(left, longest))
            # The loop is awake from here on: thousands of frames need not wake it.
            self.exchange_due = math.inf
            longest = pulse()

    def _keep(
        self,
        stopping: threading.Event,
        see_to: Callable[[Series, Moment], None],
    ) -> None:
        """See to every series that is due."""
        due: list[Series] = []
        while not stopping.is_set() and self._deadlines.left(self._moment()) <= 0:
            now = self._moment()
            taken = self._deadlines.take(now, _AT_ONCE)
            for series in taken:
                self._delay_of[series].look_at(series, now)
            self._unsettled.update(taken)
            due += taken
            self._breathe(len(due))
        late = {delay for series in due if (delay := self._delay_of[series]).late}
        for first in range(0, len(due), _AT_ONCE):
            if stopping.is_set():
                return
            now = self._moment()
            for series in due[first : first + _AT_ONCE]:
                self._allow_for_delay(series, now, late)
                see_to(series, now)
            self._breathe(len(due) - first)

    def _allow_for_delay(
        self, series: Series, now: Moment, late: set[MassDelay]
    ) -> None:
        """Wait longer for the close of a series if the exchange itself is late."""
        delay = self._delay_of[series]
        if delay in late and series.overdue(now):
            series.grace = SETTLED

    def _breathe(self, many: int) -> None:
        """Give up the lock for a moment during a long round. A notification during this
        moment is not lost, since every deadline is looked at again after the round."""
        if many > _AT_ONCE:
            self._changed.wait(_BREATH)
