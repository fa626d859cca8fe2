"""The start of a recording that goes on: whether the recording may go on, and from
where. Pure.

Nothing is written before the last candles of the recording were compared with the
exchange's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from klinetail.candle import Candle, Stream
from klinetail.errors import UsageError
from klinetail.events import GapEvent
from klinetail.recordings.compare import Comparison
from klinetail.recordings.cursor import Tail
from klinetail.recordings.policy import Resume
from klinetail.sinks import news

_SAID: Final = 3
"""Differences that are said at most."""


class Plan(NamedTuple):
    """The facts about the run for a recorder."""

    streams: Sequence[Stream]
    """The streams of the run."""
    resume: Resume
    """The fate of candles that are missing when the recording goes on."""
    lines: int
    """The number of earlier closed candles that arrive like live candles."""
    updates: bool
    """Whether forming candles are recorded too."""


class Start:
    """Decides whether a recording may go on, and what the recording lacks.

    Args:
        name: the name of the recording.
        tail: what the recording holds.
        plan: what the run does.
    """

    def __init__(self, name: str, tail: Tail, plan: Plan) -> None:
        self._name = name
        """The name of the recording."""
        self._tail = tail
        """What the recording holds."""
        self._plan = plan
        """What the run does."""
        streams = set(plan.streams)
        mine = {s: candles for s, candles in tail.latest.items() if s in streams}
        self.points = {s: candles[-1].close_time + 1 for s, candles in mine.items()}
        """By stream that goes on, the open time (ms) of the first candle missing."""
        self._comparison = Comparison(mine)
        """The comparison with the exchange."""
        self.pending = bool(mine)
        """Whether the recording has to wait for the comparison."""
        self.starts = self._comparison.starts
        """By stream, the open time (ms) of the first candle to compare."""

    @property
    def fills(self) -> bool:
        """Whether missing candles are fetched."""
        return self._plan.resume is not Resume.GAP

    def see(self, records: Iterable[Candle | GapEvent]) -> bool:
        """Take rows of the exchange; return whether nothing is left to compare."""
        for record in records:
            self._comparison.see(record)
        return self._comparison.decided

    def decide(self, now: int | None) -> list[str]:
        """Let the recording go on; return the differences, in words.

        Args:
            now: exchange time, ms; None if unknown.

        Raises:
            UsageError: the recording is of another market, or of the future.
        """
        if (difference := self._comparison.foreign) is not None:
            raise UsageError(news.foreign(self._name, difference))
        self.refuse_future(now)
        self.pending = False
        found = self._comparison.differences[:_SAID]
        said = [news.revised(self._name, difference) for difference in found]
        if not self._comparison.compared:
            said.append(news.none_to_compare(self._name))
        return said

    def refuse_future(self, now: int | None) -> None:
        """Refuse a recording that is ahead of the exchange.

        Args:
            now: exchange time, ms; None if unknown.

        Raises:
            UsageError: the last candle of a stream opens after exchange time.
        """
        for candles in self._tail.latest.values():
            if now is not None and candles[-1].open_time > now:
                raise UsageError(news.future(self._name, candles[-1], now))

    def lacks(self, now: int | None) -> dict[Stream, int]:
        """Return what live candles do not bring: by stream, the open time (ms) of the
        first candle after the missing candles.

        Args:
            now: exchange time, ms; None if unknown: everything may be missing.
        """
        ends = {}
        for stream, point in self.points.items():
            shift, interval = -self._plan.lines, stream.interval
            end = point + 1 if now is None else interval.floor(now, point)
            if now is None or point < interval.shift(end, shift):
                ends[stream] = end
        return ends

    def notes(
        self, now: int | None, lasts: Callable[[Sequence[int]], float]
    ) -> list[str]:
        """Return in words where the recording goes on, and how much is missing.

        Args:
            now: exchange time, ms; None if unknown.
            lasts: the seconds that fetching so many candles takes, for each stream.
        """
        name, points = self._name, self.points
        missing: list[int] | None = None
        if now is not None:
            missing = [
                max(0, stream.interval.steps(point, stream.interval.floor(now, point)))
                for stream, point in points.items()
            ]
        seconds = lasts(missing or []) if self.fills else None
        count = None if missing is None else sum(missing)
        notes = [news.goes_on(name, points, count, seconds=seconds)]
        if self._tail.forming is not self._plan.updates:
            notes.append(news.updates(name, updates=self._plan.updates))
        if new := [s for s in self._plan.streams if s not in points]:
            notes.append(news.begins(name, new))
        others = {s: p for s, p in self._tail.points().items() if s not in points}
        if others:
            notes.append(news.also_holds(name, others))
        return notes
