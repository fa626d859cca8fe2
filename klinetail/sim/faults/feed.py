"""What becomes of a stream's frames on their way out."""

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
"""A symbol that no market lists."""

LATE: Final = (2_000, 24_000)
"""How late a late close comes, ms after the close."""


class Push(NamedTuple):
    """What goes to the listeners of a stream: a candle, or a text or binary message
    that is none."""

    stream: Stream
    content: Candle | str | bytes | None
    """None if nothing is sent."""
    fault: str | None = None
    """By which fault it is sent, or not."""
    pieces: int = 1
    """How many fragments it is sent in."""


class Fate(NamedTuple):
    """A push, and when it happens (ms of exchange time)."""

    time: int
    push: Push


class Feed:
    """The frames of a market, disturbed.

    What becomes of a frame is decided by its stream, its open time and, if it is a
    forming one, its event time.

    Args:
        market: where candles without a trade are looked up.
        chaos: what strikes.
    """

    def __init__(self, market: Market, chaos: Chaos) -> None:
        self._market = market
        self._chaos = chaos
        self._waiting: list[tuple[int, int, Push]] = []
        self._number = itertools.count()

    def disturbed(
        self,
        frames: Iterable[Candle],
        streams: Collection[Stream],
        after: int,
        until: int,
    ) -> list[Push]:
        """What is to be sent in (after, until], of the frames and of earlier ones.

        Args:
            frames: the market's, of `streams` in that time.
            streams: those that somebody listens to.
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
        for time, push in fates:
            heapq.heappush(self._waiting, (time, next(self._number), push))

    def _ready(self, until: float) -> list[Push]:
        ready: list[Push] = []
        while self._waiting and self._waiting[0][0] <= until:
            _, _, push = heapq.heappop(self._waiting)
            ready.append(push)
        return ready


def fates(frame: Candle, chaos: Chaos) -> Iterator[Fate]:
    """What becomes of one frame."""
    return _closed(frame, chaos) if frame.closed else _forming(frame, chaos)


def _closed(frame: Candle, chaos: Chaos) -> Iterator[Fate]:
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
    """The closed candle with another close, as valid as it is wrong."""
    other = frame.open_text if frame.close_text != frame.open_text else frame.high_text
    return replace(frame, close_text=other, count=max(0, frame.count - 1))


def _forming(frame: Candle, chaos: Chaos) -> Iterator[Fate]:
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
    """The candle, some candles ahead: forming, closed before its end, or closed and
    with an event time as far ahead; that one is days away, because a client to whom
    it came late could not tell it from a true one."""
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
    """Closing frames in (after, until] of candles in which nobody traded, which a
    market does not push."""
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
