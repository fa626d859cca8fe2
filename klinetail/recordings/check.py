"""Whether recorded candles are whole: candles in, faults out. Pure.

A recording is taken part by part (`Check`), and each part gives its `Track`s: by
stream, the runs of candles that follow one another. Tracks of parts are joined at the
seams (`joined`), with the same result as for one part. `judged` then tells from the
runs of a stream what is missing, double or out of order. A whole recording has one run
a stream, however long it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, count, pairwise
from typing import Final, NamedTuple, TypeAlias

from klinetail.candle import Candle, Interval, Stream
from klinetail.errors import BadRecording
from klinetail.formats.rows import Rows

STREAMS: Final = 32_768
"""Streams of a recording at most."""

RUNS: Final = 10_000
"""Runs of a stream at most. A stream with more is not judged: its candles are in no
order at all."""

Place: TypeAlias = tuple[int, int]
"""The number of a file, from 0 on, and of a line in the file, from 1 on."""


class Run(NamedTuple):
    """A run: consecutive closed candles of a stream."""

    at: Place
    """The line of the first candle."""
    first: int
    """Open time of the first candle, ms."""
    end: int
    """Open time of the next candle after the run, ms."""
    unplaced: int = 0
    """Candles with wrong times between the preceding run and the run."""


@dataclass(slots=True)
class Track:
    """The candles of one stream in a part of a recording."""

    runs: list[Run] = field(default_factory=list)
    """The runs in the order of the file."""
    unplaced: int = 0
    """Candles with wrong times after the last run."""
    closed: int = 0
    """Closed candles in the runs."""
    wrong: int = 0
    """Candles with wrong times in all."""
    forming: int = 0
    """Forming candles."""
    broken: bool = False
    """Whether there were more than `RUNS` runs."""


class Check:
    """Takes the candles of a part of a recording, in the order of the file.

    Args:
        file: the number of the file.
        since: open time (ms) of the first candle that counts.
        until: open time (ms) of the first candle that does not count any more.
    """

    def __init__(
        self, file: int = 0, since: int | None = None, until: int | None = None
    ) -> None:
        self._file = file
        """The number of the file."""
        self._since = since
        """Open time (ms) of the first candle that counts."""
        self._until = until
        """Open time (ms) of the first candle that does not count any more."""
        self._tracks: dict[Stream, Track] = {}
        """By stream, the runs that have ended."""
        self._begun: dict[tuple[str, str], Run] = {}
        """By stream, the open run; the end of the run is in `_ends`."""
        self._ends: dict[tuple[str, str], int] = {}
        """By stream, the next open time (ms) of the open run."""

    def rows(self, rows: Rows, line: int) -> None:
        """Take rows of sound candles.

        Args:
            rows: the rows.
            line: the number of the line of the first row.

        Raises:
            BadRecording: the recording has more than `STREAMS` streams.
        """
        ends = self._ends
        found: Iterable[tuple[tuple[str, str], int, int, int]]
        found = zip(rows.names, rows.opened, rows.closing, count(line), strict=False)
        if rows.closed is not None or not self._all_count(rows.opened):
            found = compress(found, self._counting(rows))
        for name, opened, closing, at in found:
            if ends.get(name) != opened:
                self._begin(name, opened, at)
            ends[name] = closing + 1

    def _all_count(self, opened: Sequence[int]) -> bool:
        since, until = self._since, self._until
        return (since is None or min(opened) >= since) and (
            until is None or max(opened) < until
        )

    def counts(self, opened: int) -> bool:
        """Return whether a candle of an open time (ms) is to be checked."""
        return self._all_count((opened,))

    def _counting(self, rows: Rows) -> list[bool]:
        """Return for each row whether the row is a closed candle to check. Forming
        candles are counted."""
        counting = [*map(self.counts, rows.opened)]
        if rows.closed is None:
            return counting
        for n, closed in enumerate(rows.closed):
            if counting[n] and not closed:
                self._track(rows.names[n]).forming += 1
                counting[n] = False
        return counting

    def candle(self, candle: Candle, line: int) -> None:
        """Take one candle with right times; see `rows`."""
        name = candle.symbol, str(candle.interval)
        opened, closing = (candle.open_time,), (candle.close_time,)
        self.rows(Rows((name,), opened, closing, (candle.closed,)), line)

    def unplaced(self, stream: Stream) -> None:
        """Take a candle with wrong times. The candle may be a candle that seems to be
        missing; nobody can tell which."""
        name = stream.symbol, str(stream.interval)
        track = self._track(name)
        self._finish(name, track)
        track.unplaced += 1
        track.wrong += 1

    def tracks(self) -> dict[Stream, Track]:
        """Return the track of each stream, and end the check: no candle can be taken
        afterwards."""
        for name in [*self._begun]:
            self._finish(name, self._track(name))
        return self._tracks

    def _begin(self, name: tuple[str, str], opened: int, line: int) -> None:
        track = self._track(name)
        self._finish(name, track)
        self._begun[name] = Run((self._file, line), opened, 0, track.unplaced)
        track.unplaced = 0

    def _finish(self, name: tuple[str, str], track: Track) -> None:
        """End the open run of a stream, and add the run to the track."""
        if (run := self._begun.pop(name, None)) is None:
            return
        run = run._replace(end=self._ends.pop(name))
        track.closed += Interval(name[1]).steps(run.first, run.end)
        if not track.broken:
            track.runs.append(run)
            _limit(track)

    def _track(self, name: tuple[str, str]) -> Track:
        stream = Stream(name[0], Interval(name[1]))
        if (track := self._tracks.get(stream)) is None:
            if len(self._tracks) >= STREAMS:
                raise BadRecording(f"more than {STREAMS:,} streams")
            track = self._tracks[stream] = Track()
        return track


def _limit(track: Track) -> None:
    """Forget the runs of a track that has too many."""
    if len(track.runs) > RUNS:
        track.broken = True
        track.runs.clear()


def moved(tracks: Mapping[Stream, Track], lines: int) -> Mapping[Stream, Track]:
    """Return the tracks of a part with so many lines of the file before it."""
    if lines:
        for track in tracks.values():
            track.runs = [
                run._replace(at=(run.at[0], run.at[1] + lines)) for run in track.runs
            ]
    return tracks


def joined(parts: Iterable[Mapping[Stream, Track]]) -> dict[Stream, Track]:
    """Return the tracks of several consecutive parts, joined into the tracks of one
    part."""
    found: dict[Stream, Track] = {}
    for part in parts:
        for stream, track in part.items():
            _join(found.setdefault(stream, Track()), track)
    return found


def _join(track: Track, more: Track) -> None:
    """Add the track of the next part to a track."""
    runs = more.runs
    if runs:
        first = runs[0]._replace(unplaced=runs[0].unplaced + track.unplaced)
        last = track.runs[-1] if track.runs else None
        if last is not None and not first.unplaced and last.end == first.first:
            track.runs[-1] = last._replace(end=first.end)
        else:
            track.runs.append(first)
        track.runs += runs[1:]
        track.unplaced = more.unplaced
    else:
        track.unplaced += more.unplaced
    track.closed += more.closed
    track.wrong += more.wrong
    track.forming += more.forming
    if track.broken or more.broken:
        track.broken = True
        track.runs.clear()
    _limit(track)


class Range(NamedTuple):
    """A range of candles of a stream: missing, double or out of order."""

    at: Place
    """The line that shows the fault."""
    first: int
    """Open time of the first of the candles, ms."""
    end: int
    """Open time of the next candle after the range, ms."""


@dataclass(slots=True)
class Verdict:
    """The judgement of the candles of a stream."""

    stream: Stream
    """The stream."""
    rows: int
    """All candles: closed, forming, and of wrong times."""
    forming: int
    """The number of forming candles."""
    first: int | None = None
    """Open time of the first closed candle, ms; None without any, or of a stream whose
    candles are in no order at all."""
    last: int | None = None
    """Open time of the last closed candle, ms."""
    holes: list[Range] = field(default_factory=list)
    """The missing candles between the first and the last candle."""
    doubles: list[Range] = field(default_factory=list)
    """Candles that are repeated, in the order of the file."""
    disorder: list[Range] = field(default_factory=list)
    """Candles behind later candles, in the order of the file."""
    broken: bool = False
    """Whether the candles are in no order at all."""


class _Span:
    """Consecutive candles of the recording, at any places in the file."""

    __slots__ = ("at", "end", "first", "unplaced")

    def __init__(self, at: Place, first: int, end: int, unplaced: int) -> None:
        self.at = at
        """The line of the first candle."""
        self.first = first
        """Open time of the first candle, ms."""
        self.end = end
        """Open time of the candle after the last one, ms."""
        self.unplaced = unplaced
        """Candles of wrong times in the file before the first candle."""


def judged(stream: Stream, track: Track) -> Verdict:
    """Return the judgement of the candles of a stream."""
    steps = stream.interval.steps
    rows = track.closed + track.wrong + track.forming
    verdict = Verdict(stream, rows, track.forming, broken=track.broken)
    spans: list[_Span] = []
    for run in track.runs:
        if spans and run.first < spans[-1].end:
            _put_back(run, spans, verdict)
        elif spans and run.first == spans[-1].end:
            spans[-1].end = run.end
        else:
            spans.append(_Span(*run))
    for before, span in pairwise(spans):
        missing = max(1, steps(before.end, span.first))
        if missing > span.unplaced:
            verdict.holes.append(Range(span.at, before.end, span.first))
    if spans:
        verdict.first = spans[0].first
        verdict.last = stream.interval.shift(spans[-1].end, -1)
    return verdict


def _put_back(run: Run, spans: list[_Span], verdict: Verdict) -> None:
    """Insert a run that begins before the end of the last span; note doubles and
    disorder."""
    place = max(0, bisect_right(spans, run.first, key=lambda span: span.first) - 1)
    time = run.first
    latest = spans[-1].end
    while time < run.end:
        while place < len(spans) and spans[place].end <= time:
            place += 1
        after = spans[place] if place < len(spans) else None
        if after is not None and after.first <= time:
            end = min(run.end, after.end)
            verdict.doubles.append(Range(run.at, time, end))
        else:
            end = run.end if after is None else min(run.end, after.first)
            if time < latest:
                verdict.disorder.append(Range(run.at, time, end))
            _insert(_Span(run.at, time, end, run.unplaced), spans, place)
            place = max(0, place - 1)
        time = end


def _insert(span: _Span, spans: list[_Span], place: int) -> None:
    """Insert a span, and make one of spans without a hole between them."""
    before = spans[place - 1] if place else None
    after = spans[place] if place < len(spans) else None
    if before is not None and before.end == span.first:
        before.end = span.end
        span = before
    else:
        spans.insert(place, span)
        place += 1
    if after is not None and span.end == after.first:
        span.end = after.end
        del spans[place]
