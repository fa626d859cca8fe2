"""The plan of a history: which candles come from which public dump, which by REST, and
in what order. Pure.

Whole past months and days come from the exchange's dumps, which cost no REST weight;
the rest comes by REST. What a dump lacks is planned anew: a month by its days, a day by
REST. What REST lacks, too, is a gap.

A month's dump was seen to be published as late as the 11th of the next month, and a
day's dump a day late (binance-public-data#328, #440). A dump is therefore planned only
when the dump is old enough to be there for certain.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from klinetail.candle import DAY, HOUR, Interval, Stream
from klinetail.errors import UsageError
from klinetail.formats.dump_names import Dump, daily, day_of, month_of
from klinetail.protocol.limits import Limits
from klinetail.recordings.policy import DumpUse

MONTH_AGE: Final = 14 * DAY
"""The age (ms after its end) from which a month's dump is used."""

DAY_AGE: Final = 36 * HOUR
"""The age (ms after its end) from which a day's dump is used."""


class Origin(enum.Enum):
    """Where the candles of a piece come from."""

    MONTHLY = enum.auto()
    """The dump of the month."""
    DAILY = enum.auto()
    """The dump of the day."""
    REST = enum.auto()
    """REST requests."""
    GAP = enum.auto()
    """Nowhere: the gap is announced."""


class Piece(msgspec.Struct, frozen=True):
    """Candles of a stream, in a row and from one origin; all within a window."""

    stream: Stream
    """The symbol and the interval."""
    start: int
    """The first open time, ms. The first 3d candle opens here or up to two days
    later."""
    end: int
    """The first open time after the piece, ms."""
    origin: Origin
    """Where the candles come from."""

    @property
    def dump(self) -> Dump | None:
        """The dump that holds the candles; None for other origins. Pieces of several
        windows share the dump of a month."""
        if self.origin is Origin.MONTHLY:
            return month_of(self.stream, self.start)
        if self.origin is Origin.DAILY:
            return day_of(self.stream, self.start)
        return None

    @property
    def rows(self) -> int:
        """The number of candles; of 3d candles, the greatest possible number."""
        interval = self.stream.interval
        if interval is Interval.D3:
            return -(-(self.end - self.start) // (3 * DAY))
        return interval.steps(self.start, self.end)


def plan(
    streams: Sequence[Stream],
    since: int,
    until: int,
    now: int,
    *,
    policy: DumpUse = DumpUse.AUTO,
    listed: Mapping[str, int] | None = None,
    cursors: Mapping[Stream, int] | None = None,
) -> Iterator[Piece]:
    """Yield the pieces of a history in the order of their output.

    The order goes by windows: a UTC day, a month for candles of an hour and longer, a
    year for candles of more than a day. Within a window the streams take turns. What
    was written when a run is killed is then a prefix of the windows. The origin of a
    candle depends on `since`, `until` and `now`, and not on the cursors: a run that
    goes on finds the dumps of the first run in the cache.

    Args:
        streams: the streams, each once.
        since: the earliest open time, ms; of a candle that has opened before, the next.
        until: the open time before which the history ends, ms.
        now: exchange time, ms. Only candles that are closed then are planned.
        policy: the use of dumps. With `NEVER` the venue needs none.
        listed: the time (ms) at which trading began or begins, by symbol. No candle
            that closed before is planned.
        cursors: the open time (ms) after the last candle that the file has, by stream.

    Raises:
        UsageError: the policy is `ONLY`, and there are no daily dumps of an interval.
    """
    listed, cursors = listed or {}, cursors or {}
    if policy is DumpUse.ONLY:
        long = [str(one) for one in streams if not daily(one.interval)]
        if long:
            raise UsageError(
                f"{long[0]}: candles of more than a day are few and come by REST;"
                " there are no daily dumps of them. Leave out --archive only"
            )
    each = [
        _tagged(
            _stream_plan(
                stream,
                since,
                until,
                now,
                policy,
                listed.get(stream.symbol),
                cursors.get(stream),
            ),
            number,
        )
        for number, stream in enumerate(streams)
    ]
    for _, _, piece in heapq.merge(*each, key=lambda tagged: tagged[:2]):
        yield piece


def _tagged(pieces: Iterable[Piece], number: int) -> Iterator[tuple[int, int, Piece]]:
    """Yield each piece behind the start of its window and the number of the stream."""
    for piece in pieces:
        yield _window(piece.stream.interval, piece.start)[0], number, piece


def instead(
    piece: Piece, policy: DumpUse, lacking: Collection[int] | None = None
) -> list[Piece]:
    """Return the pieces that take the place of a piece that is not to be had, or not
    whole.

    Args:
        piece: the piece.
        policy: the use of dumps.
        lacking: the first millisecond of each UTC day that the dump lacks; None if
            nothing of the piece is to be had.
    """

    def origin(day: int) -> Origin:
        if lacking is not None and day not in lacking:
            return piece.origin
        if piece.origin is Origin.MONTHLY and _by_days(piece.stream.interval, policy):
            return Origin.DAILY
        if piece.origin in (Origin.MONTHLY, Origin.DAILY) and policy is DumpUse.AUTO:
            return Origin.REST
        return Origin.GAP

    return [*_cut(piece.stream, piece.start, piece.end, origin)]


def without(
    pieces: Iterable[Piece],
    dump: Dump,
    policy: DumpUse,
    lacking: Collection[int] | None = None,
) -> Iterator[Piece]:
    """Yield the pieces, planned anew where they need a dump that is not to be had.

    Args:
        pieces: the pieces.
        dump: the dump.
        policy: the use of dumps.
        lacking: as for `instead`.
    """
    for piece in pieces:
        if piece.dump == dump:
            yield from instead(piece, policy, lacking)
        else:
            yield piece


def gaps(piece: Piece, open_times: Collection[int]) -> list[Piece]:
    """Return the candles of a piece that REST lacks, as gaps.

    Args:
        piece: the piece, of another interval than 3d.
        open_times: the open times of all candles that REST has, ms.
    """
    interval, have = piece.stream.interval, {*open_times}
    found: list[Piece] = []
    time = piece.start
    while time < piece.end:
        after = interval.shift(time, 1)
        if time not in have:
            if found and found[-1].end == time:
                found[-1] = replace(found[-1], end=after)
            else:
                found.append(Piece(piece.stream, time, after, Origin.GAP))
        time = after
    return found


def pages(piece: Piece, limits: Limits) -> Iterator[tuple[int, int]]:
    """Yield the REST requests for a piece: the first open time (ms) and the number of
    candles of each."""
    time, left = piece.start, piece.rows
    while left > 0:
        rows = min(left, limits.page)
        yield time, rows
        time, left = piece.stream.interval.shift(time, rows), left - rows


def first_from(interval: Interval, time: int) -> int:
    """Return the first open time (ms) from `time` on; of 3d the first day on which a
    candle can open."""
    unit = Interval.D1 if interval is Interval.D3 else interval
    opened = unit.floor(time)
    return opened if opened == time else unit.shift(opened, 1)


def closed_before(interval: Interval, now: int) -> int:
    """Return the first open time (ms) of which no candle is closed at `now` (ms)."""
    if interval is Interval.D3:
        return Interval.D1.floor(now) - 2 * DAY
    return interval.floor(now)


def listed_from(interval: Interval, listed: int) -> int:
    """Return the earliest open time (ms) of a candle that covers a time (ms)."""
    if interval is Interval.D3:
        return Interval.D1.floor(listed) - 2 * DAY
    return interval.floor(listed)


def _by_days(interval: Interval, policy: DumpUse) -> bool:
    """Return whether daily dumps are used.

    REST answers a month of longer candles with a request or two, at less cost than
    thirty downloads.
    """
    if policy is DumpUse.ONLY:
        return daily(interval)
    return (
        policy is DumpUse.AUTO
        and interval.length is not None
        and interval.length < HOUR
    )


def _window(interval: Interval, time: int) -> tuple[int, int]:
    """Return the start and the end (ms) of the window with a time (ms)."""
    length = interval.length
    if length is not None and length < HOUR:
        start = time - time % DAY
        return start, start + DAY
    start = Interval.MO1.floor(time)
    if length is not None and length <= DAY:
        return start, Interval.MO1.shift(start, 1)
    month = datetime.fromtimestamp(start // 1000, UTC).month
    january = Interval.MO1.shift(start, 1 - month)
    return january, Interval.MO1.shift(january, 12)


def _stream_plan(
    stream: Stream,
    since: int,
    until: int,
    now: int,
    policy: DumpUse,
    listed: int | None,
    cursor: int | None,
) -> Iterator[Piece]:
    """Yield the pieces of one stream, in order."""
    interval = stream.interval
    begun = 0 if listed is None else listed_from(interval, listed)
    since = max(first_from(interval, since), begun)
    until = min(first_from(interval, until), closed_before(interval, now))
    if policy is DumpUse.ONLY:
        until = min(until, (now - DAY_AGE) // DAY * DAY)

    def whole(dump: Dump, age: int) -> bool:
        """Whether a dump is old enough, and all of its candles are asked for."""
        asked = since <= max(dump.start, begun) and dump.end <= until
        return asked and dump.end + age <= now

    def origin(day: int) -> Origin:
        if policy is DumpUse.NEVER or not daily(interval):
            return Origin.REST
        if whole(month_of(stream, day), MONTH_AGE):
            return Origin.MONTHLY
        if policy is DumpUse.ONLY or (
            _by_days(interval, policy) and whole(day_of(stream, day), DAY_AGE)
        ):
            return Origin.DAILY
        return Origin.REST

    start = since if cursor is None else max(since, cursor)
    while start < until:
        end = min(_window(interval, start)[1], until)
        if interval is Interval.W1:  # weeks cross the end of a year
            end = first_from(interval, end)
        yield from _cut(stream, start, end, origin)
        start = end


def _cut(
    stream: Stream, start: int, end: int, origin: Callable[[int], Origin]
) -> Iterator[Piece]:
    """Yield the candles in [start, end) as pieces, each day from its origin.

    Days from daily dumps are pieces of their own; other days of the same origin are
    joined. The times lie within one window.
    """
    pieces: list[Piece] = []
    if not daily(stream.interval):  # such candles have one origin alone
        yield Piece(stream, start, end, origin(start))
        return
    while start < end:
        day = start - start % DAY
        after = min(day + DAY, end)
        piece = Piece(stream, start, after, origin(day))
        joined = piece.origin is not Origin.DAILY
        if joined and pieces and pieces[-1].origin is piece.origin:
            pieces[-1] = replace(pieces[-1], end=after)
        else:
            pieces.append(piece)
        start = after
    yield from pieces
