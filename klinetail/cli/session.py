"""One run of `watch`: the parts wired together around one `poll` loop.

The main thread owns stdout and the signals; candles come from the collector's
threads through mailboxes, and each file has a thread of its own.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from klinetail.candle import Candle, Stream
from klinetail.cli.outlets import LineOutlet, TableOutlet
from klinetail.cli.signals import STOPPING, Signals
from klinetail.cli.voice import LAST_WORDS, VOICE
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
from klinetail.errors import ExitCode, OutputError
from klinetail.events import (
    Event,
    GapEvent,
    LinkEvent,
    LinkState,
    UnconfirmedEvent,
)
from klinetail.exchange.client import connector
from klinetail.exchange.proxy import Proxy
from klinetail.exchange.rest_client import BinanceRest
from klinetail.exchange.slowness import SOON
from klinetail.formats import OUTPUTS
from klinetail.kinds import Kind
from klinetail.mailbox import Latest, Mailbox, Pace
from klinetail.notices import Notices, kind_of, receipt
from klinetail.protocol.routes import Route
from klinetail.sinks.file import FileSink, FileThread
from klinetail.sinks.stdout import ReaderGone, StdoutSink, unblocking
from klinetail.tee import Consumer, Tee

if TYPE_CHECKING:
    from klinetail.cli.outlets import Outlet
    from klinetail.cli.statement import Statement
    from klinetail.protocol.rest import Listing
    from klinetail.view.screen import Screen

_COLLECTOR: Final = 0.8
_GLANCE: Final = 0.02
"""Seconds that a person does not notice."""

_ROWS: Final = 500
ONE_SHOT: Final = 30.0
"""Seconds without an answer after which one that does not follow gives up."""


class Plan(NamedTuple):
    """What was asked for."""

    streams: list[Stream]
    listed: list[Listing] | None
    """What the exchange lists, if it was asked already."""
    route: Route
    ws_proxy: Proxy | None
    rest_proxy: Proxy | None
    source: str
    lines: int
    follow: bool
    limit: int | None
    updates: bool
    output: str
    """`table`, or a name of `OUTPUTS`."""
    header: bytes
    """What goes first to stdout."""
    files: list[FileSink]
    """What is recorded to beside; `Session.run` closes them."""
    zone: tzinfo
    color: str
    quiet: bool
    verbose: bool
    hold: float
    share: float
    strict: bool
    stats: Statement | None
    """Where the figures go as JSON."""


class Session:
    """Runs a plan until it is done or stopped.

    Args:
        plan: what to do.
        signals: entered already; its `fd` wakes the loop.
        stack: what the session opens is closed with it.

    Raises:
        OutputError: an output cannot be opened.
    """

    def __init__(
        self, plan: Plan, signals: Signals, stack: contextlib.ExitStack
    ) -> None:
        self._plan = plan
        self._signals = signals
        self._awaited = 0
        self._code = ExitCode.OK
        self._notices = Notices(verbose=plan.verbose)
        self._starting = threading.Lock()
        seen = plan.quiet or plan.output == "table"
        self._start_by = math.inf if seen else time.monotonic() + SOON
        """When to say what is done at the latest; infinite once that is said."""
        self._unconfirmed_at = math.inf
        """When to say that candles are being confirmed, if some still are then."""
        self._unconfirmed_said = seen
        """Whether that is said, or seen in the table, or not to be said."""
        self._screen: Screen | None = None
        self._stop_by: float | None = None
        """Monotonic seconds; set from the moment on that the run is to end."""
        self._counted = False
        self._lost = False
        """stdout gets no more; what it was given already still goes out."""
        boxes = [self._mailbox(sink.path, sink.line) for sink in plan.files]
        self._files = [
            FileThread(sink, box, self._on_file_end)
            for sink, box in zip(plan.files, boxes, strict=True)
        ]
        latest = Latest(_ROWS, notify=signals.wake)
        consumers: list[Consumer] = [*boxes]
        self._stdout_box: Mailbox[Candle, str] | None = None
        self._outlet: Outlet | None = None
        if plan.output != "table":
            form = OUTPUTS[plan.output](plan.zone)
            self._stdout_box = self._mailbox("stdout", form.line)
            boxes.append(self._stdout_box)
            sink = StdoutSink(unblocking(sys.stdout.fileno()), plan.header)
            outlet = LineOutlet(sink, self._stdout_box, signals.wake)
            consumers.append(outlet)
            self._outlet = outlet
        self._boxes = boxes
        self._tee = Tee(
            consumers,
            latest=latest if plan.output == "table" else None,
            count=plan.limit,
            strict=plan.strict,
            on_event=self._on_event,
            on_done=self._on_counted,
        )
        self._collector = DataCollector(
            plan.streams,
            on_candles=self._tee.candles if seen else self._on_candles,
            on_event=self._tee.event,
            lines=plan.lines,
            hold=plan.hold,
            share=plan.share,
            follow=plan.follow,
            patience=ONE_SHOT,
            listed=plan.listed,
            route=plan.route,
            rest=BinanceRest(plan.route.rest_url, proxy=plan.rest_proxy),
            connect=connector(
                plan.route.ws_url,
                plan.ws_proxy,
                linger=_GLANCE if plan.output == "table" else 0.0,
            ),
        )
        self._collector.ended.add_done_callback(signals.wake)
        if plan.output == "table":
            self._outlet = self._table(latest, stack)
        logging.getLogger("klinetail").addHandler(_Said(self.say))

    def _mailbox(
        self, name: str, line: Callable[[Candle], str]
    ) -> Mailbox[Candle, str]:
        mailbox = Mailbox(
            line,
            updates=self._plan.updates,
            on_pace=lambda pace, skipped: self._on_pace(name, mailbox, pace, skipped),
        )
        return mailbox

    def _table(self, latest: Latest, stack: contextlib.ExitStack) -> Outlet:
        from klinetail.view.screen import Screen
        from klinetail.view.table import Table
        from klinetail.view.terminal import coloured, glyphs_of

        plan = self._plan
        table = Table(
            plan.streams,
            tz=plan.zone,
            source=plan.source,
            glyphs=glyphs_of(sys.stdout),
        )
        color = coloured(os.environ, plan.color)  # type: ignore[arg-type]
        self._screen = stack.enter_context(Screen(sys.stdout, color=color))
        if _is_terminal(sys.stderr):
            VOICE.through(self._screen.say)
            stack.callback(VOICE.through, None)

        def refresh(now: float) -> None:
            # Read first: the collector's threads take its lock before the tee's.
            exchange_time = self._collector.exchange_time()
            with self._tee.lock:
                table.status(self._tee.stats, exchange_time, now)

        return TableOutlet(self._screen, table, latest, refresh)

    # The loop

    def run(self) -> ExitCode:
        """Run to the end; returns the exit code."""
        for thread in self._files:
            thread.start()
        if not self._plan.quiet:
            for line in self._beginnings():
                self.say(line)
        self._collector.start()
        due = 0.0
        while not self._finished(now := time.monotonic()):
            wake_at = min(due, self._start_by, self._unconfirmed_at)
            wake_at = min(wake_at, self._stop_by or math.inf)
            ready = self._poll(max(0.0, wake_at - now))
            self._say_what_is_due(time.monotonic())
            self._signals.clear()
            self._heed_signals()
            due = self._step(ready)
            if self._stop_by is None and self._over():
                self._stop(math.inf)
        self._say_unwritten()
        if self._plan.strict and self._tee.stats.gaps and self._code is ExitCode.OK:
            self._code = ExitCode.NOT_WHOLE
        return self._code

    def _beginnings(self) -> list[str]:
        plan, count = self._plan, len(self._plan.streams)
        seconds = Budget(plan.share).lasts(weight_of(count, plan.lines))
        return [
            *proxy_lines(plan.ws_proxy, plan.rest_proxy),
            *history_lines(count, seconds / 60),
        ]

    def _poll(self, timeout: float) -> int:
        poller = select.poll()
        poller.register(self._signals.fd, select.POLLIN)
        interest = None if self._outlet is None else self._outlet.interest()
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
            self._awaited = self._collector.awaited()
            self.say(self._figures(), Kind.RECEIPT)
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
                self._code = ExitCode.HANGUP
            self._stop(time.monotonic() + STOPPING)

    def _step(self, ready: int) -> float:
        if self._outlet is None:
            return math.inf
        try:
            due = self._outlet.step(ready, time.monotonic())
            if not (self._lost and self._outlet.done):
                return due
        except ReaderGone:
            if self._files:
                self.say("the reader of stdout went away; the recording goes on")
            else:
                self._code = ExitCode.READER_GONE
        except OutputError as error:
            self._fail(error)
        self._outlet = None
        return math.inf

    def _over(self) -> bool:
        """Whether there is nothing more to do."""
        if self._outlet is None and all(thread.ended for thread in self._files):
            return True
        return self._counted or self._collector.ended.done()

    def _stop(self, stop_by: float) -> None:
        """Take in nothing more; put out what came, until `stop_by` at most."""
        again, self._stop_by = self._stop_by is not None, stop_by
        if again:
            return
        self._start_by = self._unconfirmed_at = math.inf
        self._unconfirmed_said = True
        ended = self._collector.ended
        error = ended.exception() if ended.done() else None
        if error is not None:
            self.say(str(error))
            self._code = getattr(error, "exit_code", ExitCode.BUG)
        self._awaited = 0 if self._counted else self._collector.awaited()
        self._collector.stop(_COLLECTOR)
        self._tee.end()
        for box in self._boxes:
            box.close()

    def _finished(self, now: float) -> bool:
        if self._stop_by is None:
            return False
        if now >= self._stop_by:
            return True
        outlet = self._outlet is None or self._outlet.done
        return outlet and all(thread.ended for thread in self._files)

    def _say_unwritten(self) -> None:
        """Say what could not be put out in time."""
        unwritten = [name for name, done in self._outputs() if not done]
        for name in unwritten:
            self.say(f"{name}: not everything could be written in time")
        if unwritten:
            self._code = ExitCode.OUTPUT

    def _outputs(self) -> list[tuple[str, bool]]:
        outputs = [] if self._outlet is None else [("stdout", self._outlet.done)]
        for sink, thread in zip(self._plan.files, self._files, strict=True):
            outputs.append((sink.path, thread.ended))
        return outputs

    # News from other threads

    def _on_candles(self, candles: Sequence[Candle]) -> None:
        self._say_start()
        self._tee.candles(candles)

    def _on_event(self, event: Event) -> None:
        heard = not self._plan.quiet or isinstance(event, GapEvent)
        lines = self._notices.lines(event) if heard else []
        # A symbol that is not listed is to be one line: whether all are is known once
        # a link subscribes.
        subscribes = isinstance(event, LinkEvent) and (
            event.state is LinkState.SUBSCRIBING
        )
        if lines or subscribes:
            self._say_start()
        for line in lines:
            self.say(line, kind_of(event), event)
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
            with self._tee.lock:
                untils = self._tee.stats.unconfirmed.values()
                count = sum(until > time_now for until in untils)
            if count:
                self._unconfirmed_said = True
                self.say(unconfirmed_line(count))

    def _say_start(self) -> None:
        """Say once what is done, before all else about it, where there is no table."""
        if self._start_by == math.inf:
            return
        with self._starting:
            if self._start_by == math.inf:
                return
            self._start_by, plan = math.inf, self._plan
            plain = plan.output == "plain"
            self.say(
                start_line(
                    plan.streams,
                    plan.source,
                    lines=plan.lines,
                    follow=plan.follow,
                    limit=plan.limit,
                    updates=plan.updates,
                    zone=zone_name(plan.zone, time.time()) if plain else None,
                )
            )

    def _on_counted(self) -> None:
        self._counted = True
        self._signals.wake()

    def _on_pace(
        self, name: str, box: Mailbox[Candle, str], pace: Pace, skipped: int
    ) -> None:
        if pace is Pace.BEHIND:
            self.say(f"{name} is behind: nobody waits for it; closed candles queue up")
        elif pace is Pace.FOLLOWING:
            self.say(f"{name} has caught up ({skipped:,} forming candles skipped)")
        else:
            self.say(f"{name} is too far behind and gets no more candles")
            self._code = ExitCode.OUTPUT
            self._lost = self._lost or box is self._stdout_box
            box.close()

    def _on_file_end(self, error: OutputError | None) -> None:
        if error is not None:
            self._fail(error)
        self._signals.wake()

    def _fail(self, error: OutputError) -> None:
        self.say(str(error))
        self._code = ExitCode.OUTPUT

    def say(self, text: str, kind: Kind = Kind.OWN, event: Event | None = None) -> None:
        """One line for the person: on stderr, or after the table if that is there."""
        VOICE.say(text, kind, event)

    def receipt(self) -> None:
        """Say what was delivered, unless the run never began."""
        if self._code is not ExitCode.USAGE:
            if not self._plan.quiet:
                VOICE.say(self._figures(), Kind.RECEIPT)
            if self._plan.stats is not None:
                self._write_stats(self._plan.stats)
        VOICE.finish(LAST_WORDS)

    def _figures(self) -> str:
        files = [(sink.path, sink.written) for sink in self._plan.files]
        with self._tee.lock:
            return receipt(
                self._tee.stats, files, self._plan.source, awaited=self._awaited
            )

    def _write_stats(self, statement: Statement) -> None:
        with self._tee.lock:
            line = self._tee.stats.as_json()
        VOICE.finish(LAST_WORDS)  # or it may come between the lines of stderr
        statement.write(line)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


class _Said(logging.Handler):
    """Passes our own log records, which tell of bugs, on as notices."""

    def __init__(self, say: Callable[[str, Kind], None]) -> None:
        super().__init__(logging.ERROR)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, and the last line of its traceback."""
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() + ("" if error is None else f": {error!r}")
        self._say(text, Kind.BUG)
