"""The outputs of a run: the sinks with their workers, and the outlet at stdout."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from klinetail.cli.outlets import LineOutlet, Outlet
from klinetail.cli.plan import TABLE, Plan
from klinetail.errors import KlinetailError, OutputError, UsageError
from klinetail.formats.registry import output
from klinetail.pipeline.fanout import Consumer, FanOut, LatestEvents
from klinetail.pipeline.latest import Latest
from klinetail.pipeline.mailbox import Mailbox, Pace
from klinetail.sinks.stdout import ReaderGone, StdoutSink, unblocking
from klinetail.sinks.worker import SinkWorker

if TYPE_CHECKING:
    from klinetail.cli.recording import Filling
    from klinetail.cli.report import Report
    from klinetail.recordings.cursor import Tail
    from klinetail.sinks.recorder import Recorder
    from klinetail.sinks.registry import AnySink


class RunOutputs:
    """All outputs of a run, behind one fan-out.

    Args:
        plan: names the outputs. After `start`, each sink's worker closes the sink.
        latest: the candles and events of the table; unused without a table.
        report: tells a person about outputs that are behind, lost or failed.
        wake: lets the run's loop look at the outputs; callable from any thread.
        filling: the means to fill the holes of recordings; None without recordings
            that go on.

    Raises:
        OutputError: stdout is closed.
    """

    def __init__(
        self,
        plan: Plan,
        latest: Latest,
        report: Report,
        wake: Callable[[], object],
        filling: Filling | None = None,
    ) -> None:
        self._plan = plan
        self._report = report
        self._wake = wake
        self._filling = filling
        self._recorders: list[Recorder] = []
        """The workers of resumed recordings."""
        self.refused = False
        """Whether a recording of another market, or of the future, was refused."""
        self._lost = False
        """Whether stdout gets no further candles; the queued lines still go out."""
        self._workers = [
            self._worker(sink, tail)
            for sink, tail in zip(*plan.recordings[:2], strict=True)
        ]
        """One worker for each sink of the plan."""
        self._ends: list[KlinetailError | None] = []
        """The errors of the workers that have ended; None for an end without error."""
        self._outlet: Outlet | None = None
        """The outlet at stdout; None after stdout's reader has gone."""
        consumers: list[Consumer] = [*self._workers]
        if plan.output == TABLE:
            consumers.insert(0, LatestEvents(latest))  # never delays the workers
        else:
            self._outlet = lines = self._lines(plan)
            consumers.append(lines)
        self.fanout = FanOut(consumers)
        """Passes candles and events on to every output."""

    def _worker(self, sink: AnySink, tail: Tail | None) -> SinkWorker | Recorder:
        """Return the thread of a sink: a recorder if the sink keeps its progress."""
        report = self._report
        if tail is not None and self._filling is not None:
            made = self._filling.recorder(sink, tail, report, self._on_worker_end)
            self._recorders.append(made)
            return made
        return SinkWorker(
            sink,
            updates=self._plan.updates,
            on_pace=self._on_worker_pace,
            on_end=self._on_worker_end,
            say=report.say,
        )

    def _lines(self, plan: Plan) -> LineOutlet:
        form = output(plan.output, plan.zone)
        sink = StdoutSink(unblocking(sys.stdout.fileno()), plan.header, form.line)

        def on_pace(pace: Pace, skipped: int) -> None:
            self._report.paced(sink.name, pace, skipped)
            if pace is Pace.LOST:
                self._lost = True
                mailbox.close()

        mailbox = Mailbox(sink.prepare, updates=plan.updates, on_pace=on_pace)
        return LineOutlet(sink, mailbox, self._wake)

    def show(self, table: Outlet) -> None:
        """Show a table at stdout."""
        self._outlet = table

    def start(self) -> None:
        """Start the threads of the sinks."""
        for worker in self._workers:
            worker.start()

    def interest(self) -> tuple[int, int] | None:
        """Return the descriptor of stdout and the poll events to wait for.

        The result is None if the outlet at stdout never waits, or if there is no
        outlet.
        """
        return None if self._outlet is None else self._outlet.interest()

    def step(self, ready: int, now: float) -> float:
        """Write to stdout, or draw, without blocking; see `Outlet.step`."""
        if self._outlet is None:
            return math.inf
        try:
            due = self._outlet.step(ready, now)
            if not (self._lost and self._outlet.done):
                return due
        except ReaderGone:
            self._report.reader_gone()
        except OutputError as error:
            self._report.failed(error)
        self._outlet = None
        return math.inf

    def abandon(self) -> None:
        """Let no recording wait for missing candles any more."""
        for recorder in self._recorders:
            recorder.abandon()

    def look_again(self) -> None:
        """Have each recording look whether its file was moved."""
        for recorder in self._recorders:
            recorder.look_again()

    def close(self) -> None:
        """Tell every output that the run is over; queued candles still go out."""
        self.fanout.close()

    @property
    def gone(self) -> bool:
        """Return whether no output takes candles any more."""
        return self._outlet is None and self._workers_ended

    @property
    def done(self) -> bool:
        """Return whether the run is over and every queued candle has gone out."""
        outlet = self._outlet is None or self._outlet.done
        return outlet and self._workers_ended

    @property
    def _workers_ended(self) -> bool:
        """Whether every worker has ended, and its failure was said."""
        return len(self._ends) == len(self._workers)

    def say_unwritten(self) -> None:
        """Say, for each output with unwritten candles, that the time was too short."""
        if self._outlet is not None and not self._outlet.done:
            self._report.unwritten("stdout")
        for worker in self._workers:
            if not worker.done:
                self._report.unwritten(worker.sink.name)

    def _on_worker_pace(self, worker: SinkWorker, pace: Pace, skipped: int) -> None:
        self._report.paced(worker.sink.name, pace, skipped)
        if pace is Pace.LOST:
            worker.close()

    def _on_worker_end(self, error: KlinetailError | None) -> None:
        if error is not None:
            self._report.failed(error)
            self.refused |= isinstance(error, UsageError)
        self._ends.append(error)  # last: the exit code is known by now
        self._wake()
