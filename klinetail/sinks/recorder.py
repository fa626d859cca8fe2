"""The recorder: a thread that keeps a recording whole.

A recording goes on where the recording stopped. The candles that the recording lacks
are fetched for the recording alone; nobody else waits for the recording.
"""

from __future__ import annotations

import random as _random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from klinetail.candle import Candle, Stream
from klinetail.errors import KlinetailError, OutputError, UsageError
from klinetail.events import Event, GapEvent
from klinetail.pipeline.notices import plural, utc
from klinetail.recordings.compare import Comparison, Difference
from klinetail.recordings.cursor import Tail
from klinetail.recordings.policy import Resume
from klinetail.recordings.resume import MOST, Entry, Resumption
from klinetail.sinks.file import Replaced
from klinetail.sinks.sink import ResumingSink, words

Records: TypeAlias = Sequence[Candle | GapEvent]
"""Candles in order, and the gaps between the candles."""

AGAIN: Final = 30.0
"""Seconds between a failed fetch and the next fetch."""

_APART: Final = 1.0
"""Seconds between a fetch and the next fetch of the same streams."""

_DOUBLED: Final = 32
"""Failures in a row after which the pause does not double any more."""

_SAID: Final = 3
"""Differences that are said at most."""


class Fetch(Protocol):
    """A fetch of past candles that is under way."""

    def exchange_time(self) -> int | None:
        """Return exchange time, ms; None before the exchange has told the time."""

    def stop(self) -> None:
        """End the fetch at once, without waiting."""


class Fetcher(Protocol):
    """Begins fetches of past candles."""

    def __call__(
        self,
        starts: Mapping[Stream, int],
        on_records: Callable[[Records], None],
        on_trouble: Callable[[str], None],
        on_end: Callable[[BaseException | None], None],
    ) -> Fetch:
        """Begin to fetch the closed candles of some streams up to now.

        Args:
            starts: by stream, the open time (ms) of the first candle.
            on_records: is given the candles and gaps of each stream in order.
            on_trouble: is told why the exchange does not answer; the fetch goes on.
            on_end: is called at the end, with the error that ended the fetch, if any.
        """


class Plan(NamedTuple):
    """What a recorder has to know about the run."""

    streams: Sequence[Stream]
    """The streams of the run."""
    resume: Resume
    """What becomes of the candles that the recording lacks."""
    lines: int
    """The closed candles from before the start that come without a fetch."""
    updates: bool
    """Whether forming candles are recorded too."""


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
        self._tail = tail
        """What the sink held at the start."""
        self._plan = plan
        """What the run does."""
        self._fetcher = fetcher
        """Begins fetches."""
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
        self._random = random
        """Uniform in [0, 1)."""
        self._most = most
        """Items that wait at most."""
        mine = {s: c for s, c in tail.latest.items() if s in set(plan.streams)}
        self._comparison = Comparison(mine) if mine else None
        """The comparison with the exchange, until it is decided."""
        self._resumption: Resumption[Any] = Resumption(
            {stream: candles[-1].close_time + 1 for stream, candles in mine.items()},
            held=bool(mine),
            jump=plan.resume is Resume.GAP,
            most=most,
        )
        """Decides what is written and what is fetched."""
        self._fetches: dict[int, tuple[Fetch, frozenset[Stream]]] = {}
        """The fetches under way by number, with their streams."""
        self._number = 0
        """The number of the last fetch."""
        self._fetch_at = 0.0
        """When the next fetch may begin, monotonic seconds."""
        self._troubled = False
        """Whether a trouble of the exchange was said, and no answer came since."""
        self._inbox: deque[_Message] = deque()
        """What other threads brought, oldest first."""
        self._queued = 0
        """The candles and gaps in the inbox."""
        self._behind = False
        """Whether the queue was forgotten, and is not empty since."""
        self._missed: dict[Stream, tuple[int, int]] = {}
        """The forgotten candles that the resumption was not told of, by stream: see
        `Resumption.missed`."""
        self._closed = False
        """Whether no more live candles come."""
        self._abandoned = False
        """Whether missing candles are not waited for any more."""
        self._refused: Exception | None = None
        """The exception of the sink's `prepare`."""
        self._changed = threading.Condition()
        """Guards the inbox and the flags, and wakes the thread."""

    # For other threads

    def put(self, candles: Sequence[Candle], patience: float) -> None:  # noqa: ARG002
        """Queue live candles; the call never waits."""
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
            self._post(_Live(entries), len(entries))

    def tell(self, event: Event, patience: float) -> bool:  # noqa: ARG002
        """Queue a gap, which the recording has to pass; return whether it is one."""
        if not isinstance(event, GapEvent):
            return False
        if not event.filled:
            self._post(_Live([(event, None)]), 1)
        return True

    def close(self, error: BaseException | None = None) -> None:  # noqa: ARG002
        """Note that no more live candles come. What is queued, and what is missing, is
        still written."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def abandon(self) -> None:
        """Close, and wait for missing candles no more. The recording goes on there when
        it is started again."""
        with self._changed:
            self._closed = self._abandoned = True
            self._changed.notify()

    def look_again(self) -> None:
        """Have the sink look whether its file was moved."""
        self._post(_LookAgain(), 0)

    def _post(self, message: _Message, count: int) -> None:
        """Bring a message to the thread; past the limit the queue is forgotten."""
        with self._changed:
            if count and self._queued + count > self._most:
                self._forget()
            self._inbox.append(message)
            self._queued += count
            self._changed.notify()

    def _forget(self) -> None:
        """Drop the queued candles, which are fetched again later."""
        messages = [*self._inbox]
        self._inbox.clear()
        for message in messages:
            match message:
                case _Live(entries):
                    self._note_missed(record for record, _ in entries)
                case _Fetched(_, records):
                    self._note_missed(records)
                case _:
                    self._inbox.append(message)
        self._queued = 0
        if not self._behind:
            self._behind = True
            self._say(
                f"{self.sink.name} is behind: nobody waits for it; it goes on from its"
                " own last record later"
            )

    def _note_missed(self, records: Iterable[Candle | GapEvent]) -> None:
        """Note the range of the closed candles among forgotten records."""
        for record in records:
            if isinstance(record, Candle) and record.closed:
                first, end = record.open_time, record.close_time + 1
                known = self._missed.get(record.stream, (first, end))
                self._missed[record.stream] = known[0], max(known[1], end)

    # The thread

    def run(self) -> None:
        """Write until no more candles come and none is missing, then close the sink."""
        failure: BaseException | None = None
        try:
            if self._comparison is not None:
                self._fetch(self._comparison.starts)
            while self._step():
                pass
            if not self._resumption.whole:
                self._note(
                    f"{self.sink.name}: candles that were not fetched yet are missing"
                    " at its end; started again, it goes on there"
                )
        except Exception as error:  # noqa: BLE001 - a silent end would look like success
            failure = error
        finally:
            self.close()
            for fetch, _ in self._fetches.values():
                fetch.stop()
            try:
                self.sink.close()
            except Exception as error:  # noqa: BLE001 - the same
                failure = failure or error
            self.done = True
            self._on_end(self._said(failure or self._refused))

    def _step(self) -> bool:
        """Handle what came, or wait for something; return whether to go on."""
        with self._changed:
            if not self._inbox:
                if self._closed and self._settled():
                    return False
                if self._abandoned:
                    return False
                self._changed.wait(self._patience())
            messages, self._queued = [*self._inbox], 0
            self._inbox.clear()
            missed, self._missed = self._missed, {}
            caught_up, self._behind = self._behind and not messages, False
        if caught_up:
            self._say(f"{self.sink.name} has caught up")
        if missed:
            self._resumption.missed(missed)
        for message in _joined(messages):
            self._handle(message)
        self._seek()
        return True

    def _patience(self) -> float | None:
        """Return how long to wait for a message, in seconds."""
        if self._behind:
            return 0.0
        lost = self._comparison is not None and not self._fetches
        if lost or self._resumption.wanted():
            return max(0.0, self._fetch_at - self._monotonic())
        return None

    def _settled(self) -> bool:
        """Return whether nothing is missing that can still come."""
        resumption = self._resumption
        return resumption.whole and all(
            resumption.joined(streams) for _, streams in self._fetches.values()
        )

    def _handle(self, message: _Message) -> None:
        match message:
            case _Live(entries):
                self._write(self._resumption.live(entries))
            case _Fetched(number, records) if number in self._fetches:
                self._troubled = False
                self._take_fetched(number, records)
            case _Trouble(number, reason) if number in self._fetches:
                self._note_trouble(reason)
            case _Ended(number, error) if number in self._fetches:
                self._end_fetch(number, error)
            case _LookAgain():
                self.sink.look_again()
                self._write([], look=True)
            case _:
                pass  # of a fetch that was stopped
        gaps = self._resumption.gaps
        while gaps:
            self._on_gap(self.sink.name, gaps.pop(0))

    # Fetching

    def _seek(self) -> None:
        """Begin a fetch of the candles that are missing, if its time has come."""
        if self._abandoned or self._monotonic() < self._fetch_at:
            return
        if self._comparison is not None:
            if not self._fetches:
                self._fetch(self._comparison.starts)
        elif wanted := self._resumption.wanted():
            self._fetch(wanted)

    def _fetch(self, starts: Mapping[Stream, int]) -> None:
        """Begin a fetch."""
        self._number += 1
        number = self._number
        self._resumption.begin_fetch(starts)
        fetch = self._fetcher(
            starts,
            lambda records: self._post(_Fetched(number, records), len(records)),
            lambda reason: self._post(_Trouble(number, reason), 0),
            lambda error: self._post(_Ended(number, error), 0),
        )
        self._fetches[number] = fetch, frozenset(starts)
        self._fetch_at = self._monotonic() + _APART

    def _take_fetched(self, number: int, records: Records) -> None:
        prepare = self.sink.prepare
        out = self._resumption.fetched(
            (record, prepare(record) if isinstance(record, Candle) else None)
            for record in records
        )
        self._write(out)
        if (comparison := self._comparison) is not None:
            for record in records:
                comparison.see(record)
            if comparison.decided:
                self._decide(comparison, self._fetches[number][0])

    def _note_trouble(self, reason: str) -> None:
        """Say once that the exchange does not answer; with `Resume.GAP` go on."""
        if self._comparison is not None and self._plan.resume is Resume.GAP:
            self._go_on_uncompared()
        elif not self._troubled:
            self._troubled = True
            self._say(
                f"{self.sink.name}: the missing candles cannot be fetched yet: {reason}"
            )

    def _end_fetch(self, number: int, error: BaseException | None) -> None:
        fetch, streams = self._fetches.pop(number)
        exchange_time = fetch.exchange_time()
        self._resumption.end_fetch(streams)
        if error is None:
            if (comparison := self._comparison) is not None:
                self._decide(comparison, fetch)
        elif self._comparison is not None and isinstance(error, UsageError):
            self._refuse_future(exchange_time)
            raise UsageError(f"{self.sink.name}: {error}; choose another file")
        elif self._closed:
            raise error
        else:
            self._note_trouble(str(error))
            self._fetch_at = self._monotonic() + AGAIN
        fetch.stop()

    # The comparison

    def _decide(self, comparison: Comparison, fetch: Fetch) -> None:
        """Go on with the recording, or refuse the recording of another market."""
        if (difference := comparison.foreign) is not None:
            raise UsageError(_foreign(self.sink.name, difference))
        now = fetch.exchange_time()
        self._refuse_future(now)
        self._comparison = None
        for difference in comparison.differences[:_SAID]:
            self._say(_revised(self.sink.name, difference))
        if self._plan.resume is Resume.GAP:
            self._stop_fetches()
            self._note_start(now)
            self._write(self._resumption.release(fetched=False))
            return
        self._note_start(now)
        self._write(self._resumption.release())
        if now is not None and (more := self._not_live(now)):
            self._fetch(more)

    def _go_on_uncompared(self) -> None:
        self._comparison = None
        self._stop_fetches()
        self._say(
            f"{self.sink.name}: not compared with the exchange, which does not answer"
        )
        self._write(self._resumption.release(fetched=False))

    def _stop_fetches(self) -> None:
        for fetch, streams in self._fetches.values():
            fetch.stop()
            self._resumption.end_fetch(streams)
        self._fetches.clear()

    def _refuse_future(self, exchange_time: int | None) -> None:
        """Refuse a recording that is ahead of the exchange.

        Raises:
            UsageError: the last candle of a stream opens after exchange time.
        """
        if exchange_time is None:
            return
        for stream, candles in self._tail.latest.items():
            if candles[-1].open_time > exchange_time:
                raise UsageError(
                    f"{self.sink.name}: its last candle ({stream}"
                    f" {utc(candles[-1].open_time)}) opens in the future: the"
                    f" exchange's time is {utc(exchange_time)}. A recording of another"
                    " exchange? Choose another file"
                )

    def _not_live(self, now: int) -> dict[Stream, int]:
        """Return the resume points of the streams that live candles do not reach.

        Args:
            now: exchange time, ms.
        """
        busy = {s for _, streams in self._fetches.values() for s in streams}
        lines = self._plan.lines
        return {
            stream: point
            for stream, point in self._resumption.points().items()
            if stream not in busy
            and point < stream.interval.shift(stream.interval.floor(now, point), -lines)
        }

    def _note_start(self, now: int | None) -> None:
        """Say where the recording goes on, and how much is missing."""
        points = {
            stream: candles[-1].close_time + 1
            for stream, candles in self._tail.latest.items()
            if stream in set(self._plan.streams)
        }
        last = next(reversed(points))
        where = (
            f"after {utc(points[last])} ({last})"
            if len(points) == 1
            else f"with {plural(len(points), 'stream')}"
        )
        missing = [
            max(0, stream.interval.steps(point, stream.interval.floor(now, point)))
            for stream, point in points.items()
            if now is not None
        ]
        some = "no candle is missing"
        if count := sum(missing):
            are = "is" if count == 1 else "are"
            some = f"{plural(count, 'candle')} {are} missing"
            if self._plan.resume is Resume.GAP:
                some += ", and not fetched (--resume gap)"
            elif (seconds := self._lasts(missing)) >= 1:
                some += f", about {_duration(seconds)}"
        self._note(f"{self.sink.name}: goes on {where}; {some}")
        others = [s for s in self._tail.latest if s not in points]
        if others:
            until = self._tail.latest[others[0]][-1].close_time + 1
            more = f" and {plural(len(others) - 1, 'other stream')}"
            self._note(
                f"{self.sink.name}: also holds {others[0]} until {utc(until)}"
                f"{more if others[1:] else ''}, not continued"
            )

    # Writing

    def _write(self, entries: Sequence[Entry[Any]], *, look: bool = False) -> None:
        """Write candles, again and again while the sink's `retry` asks for attempts.

        Args:
            entries: the candles, in order.
            look: whether to call the sink even without candles.

        Raises:
            Exception: the sink failed for good, or the run ends.
        """
        retry = self.sink.retry
        failures, since = 0, self._monotonic()
        while entries or look:
            try:
                self.sink.write([prepared for _, prepared in entries])
                break
            except retry.errors as error:
                points = self.sink.resume_points(self._plan.streams)
                self._resumption.set_back(points)
                entries = self._resumption.again(entries)
                if isinstance(error, Replaced):
                    continue
                now = self._monotonic()
                since = since if failures else now
                if now - since >= retry.seconds:
                    raise
                if not failures:
                    self._say(f"{self.sink.name}: {words(error)}; tried again")
                longest = min(retry.longest, retry.first * 2**failures)
                failures = min(failures + 1, _DOUBLED)
                if not self._pause(longest * self._random()):
                    raise
        if failures:
            seconds = self._monotonic() - since
            self._say(f"{self.sink.name}: works again after {seconds:,.0f} s")

    def _pause(self, seconds: float) -> bool:
        """Wait between two attempts; return whether to try again. After the end of the
        run, one more attempt is made at once."""
        until = self._monotonic() + seconds
        with self._changed:
            if self._closed:
                return False
            while not self._closed and (left := until - self._monotonic()) > 0:
                self._changed.wait(left)
        return True

    def _said(self, failure: BaseException | None) -> KlinetailError | None:
        """Return the error that ended the recording, with the name of the sink."""
        if failure is None or isinstance(failure, OutputError | UsageError):
            return failure
        if isinstance(failure, KlinetailError):
            failure.args = (f"{self.sink.name}: {failure.args[0]}", *failure.args[1:])
            return failure
        if isinstance(failure, Exception):
            return OutputError(f"{self.sink.name}: {words(failure)}")
        return OutputError(f"{self.sink.name}: {type(failure).__name__}")


class _Live(NamedTuple):
    """Live candles and gaps."""

    entries: list[Entry[Any]]


class _Fetched(NamedTuple):
    """Records of a fetch."""

    number: int
    records: Records


class _Trouble(NamedTuple):
    """A fetch waits for the exchange."""

    number: int
    reason: str


class _Ended(NamedTuple):
    """A fetch has ended."""

    number: int
    error: BaseException | None


class _LookAgain(NamedTuple):
    """The sink has to look at its file's name."""


_Message: TypeAlias = _Live | _Fetched | _Trouble | _Ended | _LookAgain


def _joined(messages: Sequence[_Message]) -> list[_Message]:
    """Return the messages with consecutive live candles joined: one write for all."""
    joined: list[_Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if isinstance(message, _Live) and isinstance(last, _Live):
            last.entries.extend(message.entries)
        else:
            joined.append(message)
    return joined


def _foreign(name: str, difference: Difference) -> str:
    """Return the refusal of a recording of another market."""
    recorded, asked = difference
    return (
        f"{name}: its candle of {recorded.stream} at {utc(recorded.open_time)} closes"
        f" at {recorded.close_text}, this exchange says {asked.close_text}: another"
        " market's recording? Choose another file"
    )


def _revised(name: str, difference: Difference) -> str:
    """Return the news that the exchange shows a recorded candle with other values."""
    recorded, asked = difference
    return (
        f"{name}: the exchange has revised {recorded.stream} at"
        f" {utc(recorded.open_time)} since (close {recorded.close_text}, now"
        f" {asked.close_text}); the recorded candle stays"
    )


def _duration(seconds: float) -> str:
    """Return a number of seconds in words, rounded."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"
