"""The recorder: a thread that keeps a recording whole.

A recording goes on where the recording stopped. The candles that the recording lacks
are fetched for the recording alone; nobody else waits for the recording.
"""

from __future__ import annotations

import math
import random as _random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from klinetail.candle import Candle, Stream
from klinetail.errors import KlinetailError, OutputError, UsageError
from klinetail.events import Event, GapEvent
from klinetail.recordings.cursor import Tail
from klinetail.recordings.resume import MOST, Entry, Resumption
from klinetail.sinks import news
from klinetail.sinks.attempts import Attempts
from klinetail.sinks.fetches import Fetch, Fetcher, Fetches
from klinetail.sinks.file import Replaced
from klinetail.sinks.inbox import (
    Ended,
    Fetched,
    Forgotten,
    Inbox,
    Live,
    LookAgain,
    Message,
    Records,
    Trouble,
    joined,
)
from klinetail.sinks.sink import ResumingSink
from klinetail.sinks.start import Plan, Start

__all__ = ["Fetch", "Fetcher", "Plan", "Recorder", "Records"]


class Recorder(threading.Thread):
    """Writes live candles to a sink, behind the candles that the sink lacks.

    Args:
        sink: the sink to write; closed at the end.
        tail: what the sink holds already.
        plan: what the run does.
        fetcher: begins fetches.
        on_end: called on this thread at the end, with the error that ended the
            recording, if any.
        on_gap: called with each gap of the recording alone.
        say: is told of troubles, and of the end of troubles.
        note: is told where the recording goes on.
        lasts: the seconds that fetching so many candles takes, for each stream.
        monotonic: local seconds.
        random: uniform in [0, 1), for the pauses between attempts.
        most: closed candles that wait at most.
    """

    def __init__(
        self,
        sink: ResumingSink[Any],
        tail: Tail,
        plan: Plan,
        fetcher: Fetcher,
        *,
        on_end: Callable[[KlinetailError | None], object],
        on_gap: Callable[[str, GapEvent], object],
        say: Callable[[str], object],
        note: Callable[[str], object] = lambda _: None,
        lasts: Callable[[Sequence[int]], float] = lambda _: 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
        most: int = MOST,
    ) -> None:
        super().__init__(name=f"klinetail-sink-{sink.name}", daemon=True)
        self.sink = sink
        """The sink that is written."""
        self.done = False
        """Whether the sink is closed; set before `on_end`, with the thread alive."""
        self._plan = plan
        """What the run does."""
        self._on_end = on_end
        """Is told of the end."""
        self._on_gap = on_gap
        """Is told of each gap of the recording alone."""
        self._say = say
        """Is told of troubles."""
        self._note = note
        """Is told where the recording goes on."""
        self._lasts = lasts
        """Tells how long fetching takes."""
        self._monotonic = monotonic
        """Local seconds."""
        self._start = Start(sink.name, tail, plan)
        """Decides at the start whether the recording may go on."""
        self._inbox = Inbox(most)
        """The queue of messages from other threads."""
        self._fetches = Fetches(fetcher, self._post, monotonic)
        """The missing candles, and the fetches under way."""
        self._resumption: Resumption[Any] = Resumption(
            self._start.points,
            held=self._start.pending,
            jump=not self._start.fills,
            most=most,
        )
        """Chooses the candles to write and the candles to fetch."""
        self._attempts = Attempts(
            sink, self._pause, say=say, monotonic=monotonic, random=random
        )
        """Repeats calls to the sink."""
        self._troubled = False
        """Whether a line about a silent exchange was said, without an answer since."""
        self._refused: Exception | None = None
        """The exception of the sink's `prepare`."""

    # For other threads

    def put(self, candles: Sequence[Candle], patience: float) -> None:  # noqa: ARG002
        """Queue live candles; the call never waits."""
        if self._refused is not None or self.done:
            return
        if not self._plan.updates:
            candles = [candle for candle in candles if candle.closed]
        prepare = self.sink.prepare
        try:
            entries: list[Entry[Any]] = [(one, prepare(one)) for one in candles]
        except Exception as error:  # noqa: BLE001 - must not cost a consumer a candle
            self._refused = error
            self.close()
            return
        if entries:
            self._post(Live(entries))

    def tell(self, event: Event, patience: float) -> bool:  # noqa: ARG002
        """Queue a gap for the recording; return whether the event is a gap."""
        if not isinstance(event, GapEvent):
            return False
        if not event.filled:
            self._post(Live([(event, None)]))
        return True

    def close(self, error: BaseException | None = None) -> None:  # noqa: ARG002
        """Note the end of the live candles. Queued and missing candles are still
        written."""
        self._inbox.close()

    def abandon(self) -> None:
        """Close, and wait for missing candles no more. The recording goes on there when
        it is started again."""
        self._inbox.close(abandoned=True)

    def look_again(self) -> None:
        """Have the sink look whether its file was moved."""
        self._post(LookAgain())

    def _post(self, message: Message) -> None:
        if self._inbox.post(message):
            self._say(news.behind(self.sink.name))

    # The thread

    def run(self) -> None:
        """Write until no more candles come and none is missing, then close the sink."""
        failure: BaseException | None = None
        try:
            while self._step():
                pass
            if not self._settled():
                self._note(news.ends_early(self.sink.name))
        except BaseException as error:  # noqa: BLE001 - a silent end would look like success
            failure = error
        finally:
            self._inbox.end()
            self._fetches.stop_all()
            try:
                self.sink.close()
            except Exception as error:  # noqa: BLE001 - the same
                failure = failure or error
            self.done = True
            self._on_end(self._said(failure or self._refused))

    def _step(self) -> bool:
        """Fetch what is missing, handle what came, or wait; return whether to go on."""
        self._seek()
        if self._monotonic() >= self.sink.due:
            self._write([], self.sink.flush)
        if self._inbox.caught_up(self._settled):
            self._say(f"{self.sink.name} has caught up")
        messages = self._inbox.take(self._patience(), self._settled)
        for message in joined(messages or ()):
            self._handle(message)
            gaps = self._resumption.gaps
            while gaps:
                self._on_gap(self.sink.name, gaps.pop(0))
        return messages is not None

    def _patience(self) -> float | None:
        """Return how long to wait for a message, in seconds."""
        until = self.sink.due
        if self._wanted():
            until = min(until, self._fetches.at)
        return None if until == math.inf else max(0.0, until - self._monotonic())

    def _settled(self) -> bool:
        """Return whether nothing is missing that can still come."""
        return self._resumption.whole and not self._missing()

    def _handle(self, message: Message) -> None:
        """Handle a message; messages of stopped fetches are left."""
        under_way = self._fetches.under_way
        match message:
            case Live(entries):
                self._take_live(entries)
            case Fetched(number, records) if number in under_way:
                self._troubled = False
                self._take_fetched(number, records)
            case Trouble(number, reason) if number in under_way:
                self._note_trouble(reason)
            case Ended(number, error) if number in under_way:
                self._end_fetch(number, error)
            case Forgotten(ends, fetches):
                self._fetches.lack(ends)
                self._stop_fetches(fetches)
            case LookAgain():
                self.sink.look_again()
                self._write([], lambda: self.sink.write([]))

    def _take_live(self, entries: Sequence[Entry[Any]]) -> None:
        """Write the live candles that are next. If others wait, too many may wait, and
        some are left out: remember how far the candles reach."""
        out = self._resumption.live(entries)
        if len(out) < len(entries):
            self._fetches.lack(
                {
                    record.stream: record.close_time + 1
                    for record, _ in entries
                    if isinstance(record, Candle) and record.closed
                }
            )
        self._write(out)

    # Fetching

    def _missing(self) -> dict[Stream, int]:
        """Return the streams that lack candles though no later candle waits."""
        fetches = self._fetches
        return fetches.missing(self._resumption.points()) if fetches.ends else {}

    def _wanted(self) -> Mapping[Stream, int]:
        """Return by stream the open time (ms) of the first candle to fetch now."""
        if self._inbox.abandoned:
            return {}
        if self._start.pending:
            return {} if self._fetches.under_way else self._start.starts
        if not (more := self._missing()):
            return self._resumption.wanted()
        busy = self._fetches.busy
        more = {s: point for s, point in more.items() if s not in busy}
        return more | self._resumption.wanted()

    def _seek(self) -> None:
        """Begin a fetch of the candles that are missing, if its time has come."""
        if self._monotonic() >= self._fetches.at and (wanted := self._wanted()):
            self._resumption.begin_fetch(wanted)
            self._fetches.begin(wanted, self._resumption.points())

    def _take_fetched(self, number: int, records: Records) -> None:
        """Write fetched candles; at the start, compare the recording with them."""
        fetch = self._fetches.under_way[number].fetch
        whole = self._fetches.complete(number, records)
        prepare = self.sink.prepare
        self._write(
            self._resumption.fetched(
                (record, prepare(record) if isinstance(record, Candle) else None)
                for record in whole
            )
        )
        if self._start.pending and self._start.see(whole):
            self._begin(fetch)

    def _note_trouble(self, reason: str) -> None:
        """Say once that the exchange does not answer; with `Resume.GAP` go on."""
        if self._start.pending and not self._start.fills:
            self._start.pending = False
            self._stop_fetches([*self._fetches.under_way])
            self._say(news.not_compared(self.sink.name))
            self._write(self._resumption.release(fetched=False))
        elif not self._troubled:
            self._troubled = True
            self._say(news.waits(self.sink.name, reason))

    def _end_fetch(self, number: int, error: BaseException | None) -> None:
        """Note the end of a fetch.

        Raises:
            BaseException: the fetch failed, and the recording cannot go on.
        """
        ended = self._fetches.end(number, error)
        self._resumption.end_fetch(ended.next)
        pending = self._start.pending
        if error is None:
            if pending:
                self._begin(ended.fetch)
        elif pending and isinstance(error, UsageError):
            self._start.refuse_future(ended.fetch.exchange_time())
            raise UsageError(news.impossible(self.sink.name, error))
        elif self._inbox.closed:
            raise error
        else:
            self._note_trouble(str(error) or type(error).__name__)
        ended.fetch.stop()

    def _begin(self, fetch: Fetch) -> None:
        """Go on with the recording, or refuse the recording of another market.

        Raises:
            UsageError: the recording is of another market, or of the future.
        """
        now = fetch.exchange_time()
        for line in self._start.decide(now):
            self._say(line)
        for line in self._start.notes(now, self._lasts):
            self._note(line)
        if self._start.fills:
            self._fetches.lack(self._start.lacks(now))
            self._fetches.at = self._monotonic()
        else:
            self._stop_fetches([*self._fetches.under_way])
        self._write(self._resumption.release(fetched=self._start.fills))

    def _stop_fetches(self, numbers: Iterable[int]) -> None:
        self._resumption.end_fetch(self._fetches.stop(numbers))

    # Writing

    def _write(
        self,
        entries: Sequence[Entry[Any]],
        call: Callable[[], object] | None = None,
    ) -> None:
        """Write candles, again and again while the sink's `retry` asks for attempts.

        Args:
            entries: the candles, in order.
            call: another call to the sink, made instead.

        Raises:
            Exception: the sink failed for good, or the run ends.
        """

        def attempt() -> None:
            nonlocal entries
            while True:
                try:
                    if call is None:
                        self.sink.write([prepared for _, prepared in entries])
                    else:
                        call()
                    break
                except self.sink.retry.errors as error:
                    entries = self._set_back(entries)
                    if not isinstance(error, Replaced):
                        raise

        if entries or call is not None:
            self._attempts.make(attempt)

    def _set_back(self, entries: Sequence[Entry[Any]]) -> list[Entry[Any]]:
        """Go on from what the sink really holds, and return the candles that still have
        to be written of a failed write. Others are fetched."""
        self._fetches.lack(self._resumption.points())
        self._resumption.set_back(self.sink.resume_points(self._plan.streams))
        return self._resumption.again(entries)

    def _pause(self, seconds: float) -> bool:
        """Wait between two attempts; return whether to give up. The end of the run cuts
        a pause short, for one last attempt; after the end there is no pause and no
        further attempt."""
        if self._inbox.closed:
            return True
        until = self._monotonic() + seconds
        while True:
            left = until - self._monotonic()
            self._fetches.halt(self._inbox.wait(max(0.0, left)))
            if left <= 0.0 or self._inbox.closed:
                return False

    def _said(self, failure: BaseException | None) -> KlinetailError | None:
        """Return the error that ended the recording, with the name of the sink."""
        if failure is None or isinstance(failure, OutputError | UsageError):
            return failure
        if isinstance(failure, KlinetailError):
            failure.args = (f"{self.sink.name}: {failure}", *failure.args[1:])
            return failure
        what = type(failure).__name__
        what = self._attempts.words(failure) if isinstance(failure, Exception) else what
        return OutputError(f"{self.sink.name}: {what}")
