"""The schedule of a stream's frames: forming updates, then a late closing frame. Pure.

As recorded from the exchange: updates follow trades, at most every 250 ms; a closing
frame comes up to 2 s after the close, often with trades missing from the updates. The
next candle's frames come after the closing frame. A candle without trades has no
frames, except that closes can be pushed after a symbol's end of trading.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.sim.bars import candle
from klinetail.sim.history import Afterlife, History

PERIOD: Final = 250
"""The least time between two updates of a stream, ms."""

LATEST: Final = 2000
"""The most by which a closing frame's event time exceeds the close time, ms."""

CONFLATED: Final = 1000
"""The longest span (ms) shown with all updates; a longer span shows a stream's last."""


def closing_time(stream: Stream, open_time: int) -> int:
    """Return the event time of a candle's closing frame, ms."""
    lateness = zlib.crc32(f"{stream}/{open_time}".encode()) % LATEST
    return stream.interval.close_time(open_time) + 1 + lateness


def pushes(history: History, stream: Stream, after: int, until: int) -> list[Candle]:
    """Return a stream's frames with an event time in (after, until], in order."""
    frames = [*_closings(history, stream, after, until)]
    if updates := [*_updates(history, stream, after, until)]:
        frames += updates
        frames.sort(key=lambda frame: frame.event_time)
    return frames


def quiet(history: History, stream: Stream, after: int) -> int:
    """Return the time (ms) up to which the stream certainly has no frames after
    `after`."""
    shown_at = after - (after - _phase(stream)) % PERIOD
    if not history.exists(shown_at):
        return after
    open_time = history.floor(stream.interval, shown_at)
    before = stream.interval.shift(open_time, -1)
    end = stream.interval.shift(open_time, 1)
    if shown_at <= closing_time(stream, before) or after >= end:
        return after
    return min(end, history.next_trade(shown_at)) - 1


def _closings(
    history: History, stream: Stream, after: int, until: int
) -> Iterator[Candle]:
    """Yield the closing frames in (after, until]."""
    instrument, interval = history.instrument, stream.interval
    first, end = instrument.first, instrument.end
    open_time = history.floor(interval, max(after - LATEST - 1, first))
    pushes_flat = instrument.afterlife is Afterlife.PUSHES
    while (boundary := interval.shift(open_time, 1)) <= until:
        over = end is not None and open_time >= end
        if over and not pushes_flat:
            return
        time = closing_time(stream, open_time)
        if after < time <= until:
            bar = history.closed(interval, open_time)
            if bar.trades or over:
                yield candle(stream, open_time, bar, event_time=time, closed=True)
        open_time = boundary


def _updates(
    history: History, stream: Stream, after: int, until: int
) -> Iterator[Candle]:
    """Yield the forming updates in (after, until]."""
    phase = _phase(stream)
    last = until - (until - phase) % PERIOD
    if last <= after:
        return
    before = after - (after - phase) % PERIOD
    first = last if until - after > CONFLATED else before + PERIOD
    shown = _shown(history, stream, before)
    for time in range(first, last + 1, PERIOD):
        known, shown = shown, _shown(history, stream, time)
        if shown is not None and shown != known:
            bar = history.forming(stream.interval, time)
            yield candle(stream, shown[0], bar, event_time=time, closed=False)


def _shown(history: History, stream: Stream, time: int) -> tuple[int, int] | None:
    """Return the open time and the trades of the candle shown at `time`; None without
    trades."""
    if not history.exists(time):
        return None
    open_time = history.floor(stream.interval, time)
    if time <= closing_time(stream, stream.interval.shift(open_time, -1)):
        return None
    trades = history.trades(stream.interval, time)
    return (open_time, trades) if trades else None


@functools.lru_cache(maxsize=4096)
def _phase(stream: Stream) -> int:
    """Return the offset (ms) of a stream's updates within the period."""
    return zlib.crc32(str(stream).encode()) % PERIOD
