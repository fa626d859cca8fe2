"""One run of `watch`: the parts wired together around one `poll` loop.

The main thread owns stdout and the signals; candles come from the collector's
threads through mailboxes, and each file has a thread of its own.
"""

from __future__ import annotations

import contextlib
import math
import select
import signal
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from klinetail.candle import Candle
from klinetail.cli.outputs import RunOutputs
from klinetail.cli.plan import ONE_SHOT, TABLE, Plan
from klinetail.cli.report import Report
from klinetail.cli.signals import STOPPING, Signals
from klinetail.cli.words import (
    history_lines,
    proxy_lines,
    start_line,
    unconfirmed_line,
)
from klinetail.cli.zone import zone_name
from klinetail.collector import DataCollector
from klinetail.collector.backfill import weight_of
from klinetail.collector.budget import Budget
from klinetail.collector.requests import Requests, SharedRequests
from klinetail.errors import ExitCode
from klinetail.events import (
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    UnconfirmedEvent,
)
from klinetail.exchange.client import connector
from klinetail.exchange.rest_client import BinanceRest
from klinetail.exchange.slowness import SOON
from klinetail.formats.registry import PROSE
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.meter import Meter
from klinetail.pipeline.notices import Notices, kind_of

if TYPE_CHECKING:
    from klinetail.cli.recording import Filling
    from klinetail.view.screen import Screen

_COLLECTOR: Final = 0.8
"""Seconds within which the collector's threads have to end."""
_GLANCE: Final = 0.02
"""Seconds of delay that a person does not notice in a table."""

_ROWS: Final = 500
"""Closed candles of each stream kept for the table."""


class Session:
    """Runs a plan until it is done or stopped.

    Args:
        plan: the resolved options of the run.
        signals: the process's signals, entered already; its `fd` wakes the loop.
        stack: closes everything that the session opens.

    Raises:
        OutputError: an output cannot be opened.
    """

    def __init__(
        self, plan: Plan, signals: Signals, stack: contextlib.ExitStack
    ) -> None:
        self._plan = plan
        self._signals = signals
        self._report = Report(plan)
        """Tells the course of the run on stderr, and keeps the exit code."""
        self._notices = Notices(verbose=plan.verbose)
        """Words the events for a person."""
        self._starting = threading.Lock()
        """Lets one thread only say the start line."""
        seen = plan.quiet or plan.output == TABLE
        self._start_by = math.inf if seen else time.monotonic() + SOON
        """Monotonic seconds by which the start line is due; infinite without need for
        the line."""
        self._unconfirmed_at = math.inf
        """Monotonic seconds at which a line about candles still being confirmed is
        due."""
        self._unconfirmed_said = seen
        """Whether the line about candles being confirmed is not needed any more."""
        self._screen: Screen | None = None
        """The terminal with the table; None without a table."""
        self._stop_by: float | None = None
        """Monotonic seconds by which the run ends; None until the run begins to
        stop."""
        self._counted = False
        """Whether enough candles came; with `--strict`, whether a gap came."""
        self._recording_gaps = 0
        """Gaps of recordings alone."""
        latest = Latest(_ROWS, notify=signals.wake)
        limits = plan.venue.limits
        self._requests = Requests(
            BinanceRest(plan.venue, proxy=plan.rest_proxy),
            limits,
            Budget(plan.share, limits.weight_per_minute),
        )
        """The REST side, shared by live candles and recordings."""
        self._outputs = RunOutputs(
            plan,
            latest,
            self._report,
            signals.wake,
            self._filling(),
        )
        """The sinks and stdout."""
        self._meter = Meter(
            self._outputs.fanout,
            count=plan.limit,
            strict=plan.strict,
            on_event=self._on_event,
            on_done=self._on_counted,
        )
        """Counts candles and events on their way to the outputs."""
        self._collector = DataCollector(
            plan.streams,
            on_candles=self._meter.candles if seen else self._on_candles,
            on_event=self._meter.event,
            lines=plan.lines,
            hold=plan.hold,
            follow=plan.follow,
            patience=ONE_SHOT,
            listed=plan.listed,
            venue=plan.venue,
            requests=SharedRequests(self._requests),
            connect=connector(
                plan.venue.ws_url,
                plan.ws_proxy,
                linger=_GLANCE if plan.output == TABLE else 0.0,
            ),
        )
        """Follows the streams."""
        self._collector.ended.add_done_callback(signals.wake)
        if plan.output == TABLE:
            self._show_table(latest, stack)

    def _filling(self) -> Filling | None:
        """Return what keeps recordings whole; None without recordings."""
        if not any(self._plan.recordings.tails):
            return None
        from klinetail.cli.recording import Filling  # not needed by most runs

        return Filling(self._plan, self._requests, self._on_recording_gap)

    def _show_table(self, latest: Latest, stack: contextlib.ExitStack) -> None:
        from klinetail.cli.table import open_table  # the module takes long to load

        time_now = self._collector.exchange_time
        table, self._screen = open_table(
            self._plan, latest, self._meter, time_now, stack
        )
        self._outputs.show(table)

    # The loop

    def run(self) -> ExitCode:
        """Run the plan to its end and return the exit code."""
        self._outputs.start()
        if not self._plan.quiet:
            for line in self._beginnings():
                self._report.say(line)
        self._requests.start()
        self._collector.start()
        due = 0.0
        while not self._finished(now := time.monotonic()):
            wake_at = min(due, self._start_by, self._unconfirmed_at)
            wake_at = min(wake_at, self._stop_by or math.inf)
            ready = self._poll(max(0.0, wake_at - now))
            self._say_what_is_due(time.monotonic())
            self._signals.clear()
            self._heed_signals()
            due = self._outputs.step(ready, time.monotonic())
            enough = self._counted or self._collector.ended.done()
            if self._outputs.refused:
                self._stop(time.monotonic() + STOPPING)
            elif self._stop_by is None and (enough or self._outputs.gone):
                self._stop(math.inf)
        self._requests.stop()
        self._outputs.say_unwritten()
        report, gaps = self._report, self._meter.stats.gaps or self._recording_gaps
        if self._plan.strict and gaps and report.code is ExitCode.OK:
            report.code = ExitCode.NOT_WHOLE
        return report.code

    def receipt(self) -> None:
        """Say what was delivered; see `Report.receipt`."""
        self._report.receipt(self._meter)

    def _beginnings(self) -> list[str]:
        plan, count = self._plan, len(self._plan.streams)
        limits = plan.venue.limits
        weight = weight_of(count, plan.lines, limits)
        seconds = Budget(plan.share, limits.weight_per_minute).lasts(weight)
        return [
            *proxy_lines(plan.ws_proxy, plan.rest_proxy),
            *history_lines(count, seconds / 60),
        ]

    def _poll(self, timeout: float) -> int:
        poller = select.poll()
        poller.register(self._signals.fd, select.POLLIN)
        interest = self._outputs.interest()
        if interest is not None:
            poller.register(*interest)
        milliseconds = None if timeout == math.inf else math.ceil(timeout * 1000)
        ready = dict(poller.poll(milliseconds))
        return 0 if interest is None else ready.get(interest[0], 0)

    def _heed_signals(self) -> None:
        signals = self._signals
        if signals.resized and self._screen is not None:
            signals.resized = False
            self._screen.resized()
        if signals.asked:
            signals.asked = False
            self._report.awaited = self._collector.awaited()
            self._report.figures(self._meter)
        if signals.reopen:
            signals.reopen = False
            self._outputs.look_again()
        if signals.suspended:
            if self._screen is not None:
                self._screen.suspend()
            signals.suspend()
            signals.continued = True
        if signals.continued and self._screen is not None:
            signals.continued = False
            self._screen.suspend()
            self._screen.resume()
        if signals.stop is not None and (self._stop_by or math.inf) == math.inf:
            if signals.stop is signal.SIGHUP:
                self._report.code = ExitCode.HANGUP
            self._stop(time.monotonic() + STOPPING)

    def _stop(self, stop_by: float) -> None:
        """Stop the collector, and let the outputs write the rest.

        Args:
            stop_by: monotonic seconds by which the outputs have to be done.
        """
        again, self._stop_by = self._stop_by is not None, stop_by
        if stop_by < math.inf:
            self._outputs.abandon()
        if again:
            return
        self._start_by = self._unconfirmed_at = math.inf
        self._unconfirmed_said = True
        ended = self._collector.ended
        error = ended.exception() if ended.done() else None
        if error is not None:
            self._report.say(str(error))
            self._report.code = getattr(error, "exit_code", ExitCode.BUG)
        self._report.awaited = 0 if self._counted else self._collector.awaited()
        self._collector.stop(_COLLECTOR)
        self._meter.end()
        self._outputs.close()

    def _finished(self, now: float) -> bool:
        if self._stop_by is None:
            return False
        return now >= self._stop_by or self._outputs.done

    # News from other threads

    def _on_candles(self, candles: Sequence[Candle]) -> None:
        self._say_start()
        self._meter.candles(candles)

    def _on_event(self, event: Event) -> None:
        heard = not self._plan.quiet or isinstance(event, GapEvent)
        lines = self._notices.lines(event) if heard else []
        # A symbol that the exchange does not list ends the run with one line and no
        # start line. All symbols are known to be listed once a link subscribes.
        subscribes = isinstance(event, LinkEvent) and (
            event.state is LinkState.SUBSCRIBING
        )
        if lines or subscribes:
            self._say_start()
        for line in lines:
            self._report.say(line, kind_of(event), event)
        waits = isinstance(event, UnconfirmedEvent) and not self._unconfirmed_said
        if waits and self._unconfirmed_at == math.inf:
            self._unconfirmed_at = time.monotonic() + SOON
            self._signals.wake()

    def _say_what_is_due(self, now: float) -> None:
        if now >= self._start_by:
            self._say_start()
        if now >= self._unconfirmed_at:
            self._unconfirmed_at = math.inf
            time_now = self._collector.exchange_time() or 0
            with self._meter.lock:
                untils = self._meter.stats.unconfirmed.values()
                count = sum(until > time_now for until in untils)
            if count:
                self._unconfirmed_said = True
                self._report.say(unconfirmed_line(count))

    def _say_start(self) -> None:
        """Say the start line before any other line, once, in a run without a table."""
        if self._start_by == math.inf:
            return
        with self._starting:
            if self._start_by == math.inf:
                return
            self._start_by, plan = math.inf, self._plan
            plain = plan.output in PROSE
            self._report.say(
                start_line(
                    plan.streams,
                    plan.venue.name,
                    lines=plan.lines,
                    follow=plan.follow,
                    limit=plan.limit,
                    updates=plan.updates,
                    zone=zone_name(plan.zone, time.time()) if plain else None,
                )
            )

    def _on_recording_gap(self, name: str, gap: GapEvent) -> None:
        for line in self._notices.lines(gap):
            self._report.say(f"{name}: {line}", kind_of(gap), gap)
        self._recording_gaps += 1
        if self._plan.strict:
            self._on_counted()

    def _on_counted(self) -> None:
        self._counted = True
        self._signals.wake()
