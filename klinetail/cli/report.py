"""The report of a run: the lines about the run on stderr, and the exit code."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from klinetail.cli.plan import Plan
from klinetail.cli.stderr import LAST_WORDS, STDERR
from klinetail.errors import ExitCode
from klinetail.kinds import Kind
from klinetail.pipeline.mailbox import Pace
from klinetail.pipeline.meter import Meter
from klinetail.pipeline.notices import receipt

if TYPE_CHECKING:
    from klinetail.errors import KlinetailError
    from klinetail.events import Event


class Report:
    """Tells the course of a run on stderr, and keeps the exit code.

    Every method is callable from any thread.

    Args:
        plan: the resolved options of the run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.code = ExitCode.OK
        """The exit code of the run so far."""
        self.awaited = 0
        """The number of streams whose next candles are being fetched, as of the latest
        look."""
        logging.getLogger("klinetail").addHandler(_Said(self.say))

    def say(self, text: str, kind: Kind = Kind.OWN, event: Event | None = None) -> None:
        """Say one line to the person: on stderr, or below the table on a screen."""
        STDERR.say(text, kind, event)

    # Of outputs

    def note(self, text: str) -> None:
        """Say one line, unless the run is quiet."""
        if not self._plan.quiet:
            self.say(text)

    def failed(self, error: KlinetailError) -> None:
        """Say that an output failed; the exit code becomes the error's."""
        self.say(str(error))
        self.code = error.exit_code

    def paced(self, name: str, pace: Pace, skipped: int) -> None:
        """Say that an output is behind, has caught up, or is lost.

        Args:
            name: the name of the output.
            pace: the output's new state.
            skipped: the number of forming candles withheld from the output.
        """
        if pace is Pace.BEHIND:
            self.say(
                f"{name} is behind: the run no longer waits; closed candles queue up"
            )
        elif pace is Pace.FOLLOWING:
            self.say(f"{name} has caught up ({skipped:,} forming candles skipped)")
        else:
            self.say(f"{name} is too far behind and gets no more candles")
            self.code = ExitCode.OUTPUT

    def reader_gone(self) -> None:
        """Say that stdout's reader has gone, if the run goes on without stdout."""
        if self._plan.recordings.sinks:
            self.say("the reader of stdout went away; the recording goes on")
        else:
            self.code = ExitCode.READER_GONE

    def unwritten(self, name: str) -> None:
        """Say that an output could not write everything in time."""
        self.say(f"{name}: not everything could be written in time")
        self.code = ExitCode.OUTPUT

    # Of the run

    def figures(self, meter: Meter) -> None:
        """Say the figures so far, even in a quiet run."""
        self.say(self._receipt(meter), Kind.RECEIPT)

    def receipt(self, meter: Meter) -> None:
        """Say the receipt and write the stats file, unless the run never began.

        Raises:
            OutputError: the stats file cannot be written.
        """
        if self.code is not ExitCode.USAGE:
            if not self._plan.quiet:
                self.figures(meter)
            if self._plan.stats is not None:
                with meter.lock:
                    line = meter.stats.as_json()
                # The stats file may be stderr itself: its lines go first.
                STDERR.finish(LAST_WORDS)
                self._plan.stats.write(line)
        STDERR.finish(LAST_WORDS)

    def _receipt(self, meter: Meter) -> str:
        written: list[tuple[str, int]] = []
        for sink in self._plan.recordings.sinks:
            wrote = getattr(sink, "wrote", lambda one=sink: [(one.name, one.written)])
            written += wrote()
        with meter.lock:
            return receipt(
                meter.stats, written, self._plan.venue.name, awaited=self.awaited
            )


class _Said(logging.Handler):
    """Passes the log records of this package, which tell of bugs, on as notices."""

    def __init__(self, say: Callable[[str, Kind], None]) -> None:
        super().__init__(logging.ERROR)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say the record's message, with the last line of the record's traceback."""
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() + ("" if error is None else f": {error!r}")
        self._say(text, Kind.BUG)
