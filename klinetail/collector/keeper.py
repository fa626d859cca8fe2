"""Keeper: the thread that waits for the deadlines of all series and sees to those
that are due, a few at a time, so that frames go on in between."""

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
"""Seconds to wait when this machine has run out of something."""

_AT_ONCE: Final = 128
"""Series seen to before the lock is given up: some milliseconds."""

_BREATH: Final = 0.001
"""Seconds for which it is given up. Less, and who waits for it would not get it."""


class Keeper:
    """Sees to series when their deadlines come, on the thread that calls `run`.

    Args:
        groups: the series, by link.
        changed: over the collector's lock; notified to end the waiting.
        moment: the time on both clocks.
    """

    def __init__(
        self,
        groups: Iterable[Sequence[Series]],
        changed: threading.Condition,
        moment: Callable[[], Moment],
    ) -> None:
        self.exchange_due = math.inf
        """Exchange time (ms) at which to notify `changed`, while it waits."""
        self._delay_of: dict[Series, MassDelay] = {}
        for group in groups:
            self._delay_of.update(dict.fromkeys(group, MassDelay(len(group))))
        self._deadlines = Deadlines(self._delay_of)
        self._unsettled = set(self._delay_of)
        self._changed = changed
        self._moment = moment

    def heed(self, series: Series, now: Moment) -> None:
        """Something happened to a series; the lock is held. A frame of one that lacks
        and asks nothing makes no deadline come earlier: it costs no more than a look.
        """
        if series in self._unsettled or series.lacking:
            self._look_at(series, now)

    def _look_at(self, series: Series, now: Moment) -> None:
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
        """File every series, since some that were due may have been left out."""
        now = self._moment()
        for series in self._delay_of:
            self._look_at(series, now)

    def _wait(self, stopping: threading.Event, pulse: Callable[[], float]) -> None:
        longest = PULSE
        while not stopping.is_set():
            if (left := self._deadlines.left(self._moment())) <= 0:
                return
            self.exchange_due = self._deadlines.exchange_due
            self._changed.wait(min(left, longest))
            # Meanwhile it is awake: thousands of frames need not wake it.
            self.exchange_due = math.inf
            longest = pulse()

    def _keep(
        self,
        stopping: threading.Event,
        see_to: Callable[[Series, Moment], None],
    ) -> None:
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
        delay = self._delay_of[series]
        if delay in late and series.overdue(now):
            series.grace = SETTLED

    def _breathe(self, many: int) -> None:
        """Give up the lock, if this takes long; what is notified meanwhile is seen
        when all deadlines are looked at again."""
        if many > _AT_ONCE:
            self._changed.wait(_BREATH)
