"""Recordings of a run: where files go on, and the fetches of what files lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from klinetail.cli.stderr import STDERR
from klinetail.collector import DataCollector
from klinetail.collector.backfill import weight_of
from klinetail.collector.budget import Budget
from klinetail.collector.requests import Requests, SharedRequests
from klinetail.errors import UsageError
from klinetail.events import Event, GapEvent, LinkEvent, LinkState
from klinetail.pipeline.notices import plural
from klinetail.recordings.salvage import last_candles
from klinetail.sinks import recorder
from klinetail.sinks.recorder import Fetch, Fetcher, Recorder, Records
from klinetail.sinks.registry import SINKS

if TYPE_CHECKING:
    from concurrent.futures import Future
    from contextlib import ExitStack

    from klinetail.candle import Candle, Stream
    from klinetail.cli.plan import Plan
    from klinetail.cli.report import Report
    from klinetail.errors import KlinetailError
    from klinetail.recordings.cursor import Tail
    from klinetail.sinks.registry import AnySink, Opening
    from klinetail.sinks.sink import ResumingSink


def open_sinks(
    targets: Sequence[str], opening: Opening, idle: ExitStack
) -> list[AnySink]:
    """Open the sinks of a run, and return them in the given order.

    Args:
        targets: paths and URLs, as given to `--out`.
        opening: the facts for each sink's opening.
        idle: closes the sinks that have no thread yet.

    Raises:
        UsageError: a target cannot exist.
        OutputError: a sink cannot be opened.
    """
    sinks = []
    for target in targets:
        sinks.append(SINKS.open(target, opening))
        idle.callback(sinks[-1].close)
    return sinks


def tails_of(
    sinks: Sequence[AnySink], streams: Sequence[Stream], after: str | None
) -> list[Tail | None]:
    """Return what each sink holds of the streams; None for a sink that keeps no record
    of its progress.

    Args:
        sinks: the opened sinks.
        streams: the streams of the run.
        after: the path of a recording that files without a stream's records continue.

    Raises:
        UsageError: a file cannot go on, or the recording to continue cannot be read.
        OutputError: a file cannot be read.
    """
    before = None
    if after is not None:
        before, bad = last_candles(after, streams)
        if bad:
            STDERR.say(f"{after}: passed over what is no candle: {plural(bad, 'line')}")
    if before is not None and not any(stream in before.latest for stream in streams):
        raise UsageError(f"--after {after}: it holds none of the streams to follow")
    return [
        _tail(cast("ResumingSink[object]", sink), streams, before)
        if getattr(sink, "resumes", False)
        else None
        for sink in sinks
    ]


def _tail(
    sink: ResumingSink[object], streams: Sequence[Stream], before: Tail | None
) -> Tail:
    tail = sink.tail(streams)
    if before is not None:
        continued = {s: before.latest[s] for s in streams if s in before.latest}
        tail.latest = {**continued, **tail.latest}
    if tail.latest and not any(stream in tail.latest for stream in streams):
        other = next(iter(tail.latest))
        raise UsageError(
            f"{sink.name}: it holds {other} and none of the streams to follow; choose"
            " another file"
        )
    return tail


class Filling:
    """Keeps recordings whole, with fetches of their own.

    Args:
        plan: the resolved options of the run.
        requests: the REST side of the run.
        on_gap: called with the name of a recording and each gap of that recording
            alone.
    """

    def __init__(
        self,
        plan: Plan,
        requests: Requests,
        on_gap: Callable[[str, GapEvent], object],
    ) -> None:
        self._plan = plan
        self._requests = requests
        self._on_gap = on_gap

    def recorder(
        self,
        sink: AnySink,
        tail: Tail,
        report: Report,
        on_end: Callable[[KlinetailError | None], object],
    ) -> Recorder:
        """Return the thread of a sink that keeps a record of its progress.

        Args:
            sink: a `ResumingSink`.
            tail: what the sink holds already.
            report: tells a person about the recording.
            on_end: called at the end, with the error that ended the recording, if any.
        """
        plan = self._plan
        return Recorder(
            cast("ResumingSink[object]", sink),
            tail,
            recorder.Plan(
                plan.streams, plan.recordings.resume, plan.lines, plan.updates
            ),
            fetcher(plan, self._requests),
            on_end=on_end,
            on_gap=self._on_gap,
            say=report.say,
            note=report.note,
            lasts=seconds_to_fetch(plan),
        )


class _HistoryFetch:
    """A fetch by a collector of its own, which shares the run's REST budget."""

    def __init__(self, collector: DataCollector) -> None:
        self._collector = collector
        """The collector, which follows nothing."""

    def exchange_time(self) -> int | None:
        """See `Fetch`."""
        return self._collector.exchange_time()

    def stop(self) -> None:
        """See `Fetch`."""
        self._collector.stop(0.0)


def fetcher(plan: Plan, requests: Requests) -> Fetcher:
    """Return the function that begins fetches for recordings.

    Args:
        plan: the resolved options of the run.
        requests: the REST side of the run.
    """

    def fetch(
        starts: Mapping[Stream, int],
        on_records: Callable[[Records], None],
        on_trouble: Callable[[str], None],
        on_end: Callable[[BaseException | None], None],
    ) -> Fetch:
        def on_candles(candles: Sequence[Candle]) -> None:
            on_records([candle for candle in candles if candle.closed])

        def on_event(event: Event) -> None:
            if isinstance(event, GapEvent) and not event.filled:
                on_records([event])
            elif isinstance(event, LinkEvent) and event.state is LinkState.WAITING:
                on_trouble(event.reason)

        def on_ended(ended: Future[None]) -> None:
            on_end(None if ended.cancelled() else ended.exception())

        collector = DataCollector(
            [*starts],
            on_candles=on_candles,
            on_event=on_event,
            starts=starts,
            hold=plan.hold,
            follow=False,
            patience=plan.patience,
            listed=plan.listed,
            venue=plan.venue,
            requests=SharedRequests(requests, recording=True),
        )
        collector.ended.add_done_callback(on_ended)
        collector.start()
        return _HistoryFetch(collector)

    return fetch


def seconds_to_fetch(plan: Plan) -> Callable[[Sequence[int]], float]:
    """Return a function that tells the seconds which a fetch takes, given the number of
    missing candles of each stream."""
    limits = plan.venue.limits
    budget = Budget(plan.share, limits.weight_per_minute)

    def seconds(missing: Sequence[int]) -> float:
        weight = sum(weight_of(1, count, limits) for count in missing if count)
        return budget.lasts(weight)

    return seconds
