"""Faults of a stream's frames on the way out."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Collection, Iterable, Iterator
from random import Random
from typing import Final, NamedTuple

from msgspec.structs import replace

from klinetail.candle import DAY, Candle, Source, Stream
from klinetail.sim.faults.chaos import Chaos
from klinetail.sim.faults.junk import garbage
from klinetail.sim.market import Market
from klinetail.sim.pushes import closing_time

FOREIGN: Final = "FOREIGNUSDT"
"""A symbol listed by no market."""

LATE: Final = (2_000, 24_000)
"""The lateness of a late close, ms after the close: least and most."""


class Push(NamedTuple):
    """A message to the listeners of a stream."""

    stream: Stream
    """The stream whose listeners get the message."""
    content: Candle | str | bytes | None
    """A candle, or a message that is no candle; None if nothing is sent."""
    fault: str | None = None
    """The fault that caused the push, or caused a missing frame; None without a
    fault."""
    pieces: int = 1
    """The number of WebSocket fragments of the message."""


class Fate(NamedTuple):
    """A push with its time."""

    time: int
    """Exchange time, ms."""
    push: Push
    """The message."""


class Feed:
    """The frames of a market, disturbed by faults.

    Decisions depend on a frame's stream and open time, and on a forming frame's event
    time.

    Args:
        market: the market, asked for candles without trades.
        chaos: the faults to inject.
    """

    def __init__(self, market: Market, chaos: Chaos) -> None:
        self._market = market
        """The market, asked for candles without trades."""
        self._chaos = chaos
        """The faults to inject."""
        self._waiting: list[tuple[int, int, Push]] = []
        """A heap of future pushes: exchange time (ms), serial number, push."""
        self._number = itertools.count()
        """Serial numbers, to keep the order of pushes at equal times."""

    def disturbed(
        self,
        frames: Iterable[Candle],
        streams: Collection[Stream],
        after: int,
        until: int,
    ) -> list[Push]:
        """Return the pushes with a time in (after, until], made of new frames and
        earlier ones.

        Args:
            frames: the market's frames of `streams` in the period.
            streams: the streams with listeners.
            after: exchange time, ms.
            until: exchange time, ms.
        """
        for frame in frames:
            self._expect(fates(frame, self._chaos))
        if "empty" in self._chaos.rules:
            for frame in empty_frames(self._market, streams, after, until):
                if self._chaos.strikes("empty", frame.stream, frame.open_time):
                    push = Push(frame.stream, frame, "empty")
                    self._expect([Fate(frame.event_time, push)])
        end = self._market.end
        return self._ready(math.inf if end is not None and until >= end else until)

    def _expect(self, fates: Iterable[Fate]) -> None:
        """Add future pushes."""
        for time, push in fates:
            heapq.heappush(self._waiting, (time, next(self._number), push))

    def _ready(self, until: float) -> list[Push]:
        """Take the pushes up to exchange time `until` (ms)."""
        ready: list[Push] = []
        while self._waiting and self._waiting[0][0] <= until:
            _, _, push = heapq.heappop(self._waiting)
            ready.append(push)
        return ready


def fates(frame: Candle, chaos: Chaos) -> Iterator[Fate]:
    """Yield the pushes made of one frame, with their times."""
    return _closed(frame, chaos) if frame.closed else _forming(frame, chaos)


def _closed(frame: Candle, chaos: Chaos) -> Iterator[Fate]:
    """Yield the pushes made of a closing frame."""
    stream, time = frame.stream, frame.event_time
    where = stream, frame.open_time
    if chaos.strikes("missing", *where):
        yield Fate(time, Push(stream, None, "missing"))
        return
    fault = None
    if random := chaos.strikes("late", *where):
        time = frame.close_time + random.randint(*LATE)
        frame = replace(frame, event_time=time)
        fault = "late"
    if random := chaos.strikes("revised", *where):
        yield Fate(time, Push(stream, _provisional(frame), "revised"))
        time += random.randint(1_000, 5_000)
        frame = replace(frame, event_time=time)
    yield Fate(time, Push(stream, frame, fault))
    if random := chaos.strikes("duplicate", *where):
        again = time + random.randint(1, 5_000)
        if random.random() < 0.5:
            frame = replace(frame, event_time=again)
        yield Fate(again, Push(stream, frame, "duplicate"))


def _provisional(frame: Candle) -> Candle:
    """Return the closed candle with another close, a valid but wrong candle."""
    other = frame.open_text if frame.close_text != frame.open_text else frame.high_text
    return replace(frame, close_text=other, count=max(0, frame.count - 1))


def _forming(frame: Candle, chaos: Chaos) -> Iterator[Fate]:
    """Yield the pushes made of a forming frame."""
    stream, time = frame.stream, frame.event_time
    where = stream, time
    pieces = 1
    fault = None
    if random := chaos.strikes("fragments", *where):
        pieces, fault = random.randint(2, 5), "fragments"
    if random := chaos.strikes("reorder", *where):
        delay = random.randint(300, 1_500)
        yield Fate(time + delay, Push(stream, frame, "reorder"))
    else:
        yield Fate(time, Push(stream, frame, fault, pieces))
    if random := chaos.strikes("stale", *where):
        yield Fate(time + random.randint(1_000, 5_000), Push(stream, frame, "stale"))
    if chaos.strikes("early", *where):
        yield Fate(time, Push(stream, replace(frame, closed=True), "early"))
    if random := chaos.strikes("future", *where):
        yield Fate(time, Push(stream, _future(frame, random), "future"))
    if chaos.strikes("foreign", *where):
        other = replace(frame, stream=Stream(FOREIGN, stream.interval))
        yield Fate(time, Push(stream, other, "foreign"))
    if random := chaos.strikes("garbage", *where):
        yield Fate(time, Push(stream, garbage(frame, random), "garbage"))


def _future(frame: Candle, random: Random) -> Candle:
    """Return the candle moved some candles ahead: forming, closed early, or closed with
    a fitting event time.

    A candle with a fitting event time is days ahead: a client that receives a close
    late could not tell a nearer candle from a true one.
    """
    way = random.choice(("forming", "closed", "believed"))
    days = 1 if way == "believed" else 0
    open_time = frame.open_time + random.randint(2, 5) * days * DAY
    open_time = frame.interval.floor(open_time, frame.open_time)
    open_time = frame.interval.shift(open_time, random.randint(2, 5))
    close_time = frame.interval.close_time(open_time)
    return replace(
        frame,
        open_time=open_time,
        close_time=close_time,
        closed=way != "forming",
        event_time=close_time + 1 if way == "believed" else frame.event_time,
    )


def empty_frames(
    market: Market, streams: Iterable[Stream], after: int, until: int
) -> Iterator[Candle]:
    """Yield closing frames of candles without trades, normally never pushed by a
    market.

    Args:
        market: the market.
        streams: the streams of the frames.
        after: exchange time (ms); frames up to this time are skipped.
        until: exchange time (ms) of the last frame at most.
    """
    for stream in streams:
        open_time = stream.interval.floor(after)
        open_time = stream.interval.shift(open_time, -1)
        while (boundary := stream.interval.shift(open_time, 1)) <= until:
            time = closing_time(stream, open_time)
            if after < time <= until:
                rows = market.klines(stream, open_time, open_time, 1, now=until)
                if rows and rows[0].closed and not rows[0].count:
                    yield replace(rows[0], source=Source.STREAM, event_time=time)
            open_time = boundary
