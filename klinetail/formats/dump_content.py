"""The candles of a public dump, counted: which UTC days are whole, and which lack
candles. Pure.

Dumps that are sound by their checksum were seen to lack whole days, to begin without a
header and to hold times in microseconds (binance-public-data#304, #246; spot since
2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from klinetail.candle import DAY, LAST_TIME, Candle
from klinetail.errors import BadRecording
from klinetail.formats import dump as lines
from klinetail.formats.dump_names import Dump
from klinetail.formats.zipped import only_member

_BLOCK: Final = 1440
"""Lines decoded at once."""


class Content(msgspec.Struct, frozen=True):
    """The candles of a dump."""

    candles: list[Candle]
    """The candles of whole days, in order, as far as they were asked for."""
    lacking: dict[int, str]
    """What is wrong with each day that is not whole, by the first millisecond of the
    UTC day."""
    micro: bool
    """Whether times were in microseconds."""


def content(
    data: bytes,
    dump: Dump,
    *,
    start: int = 0,
    end: int = LAST_TIME,
    listed: int | None = None,
) -> Content:
    """Return the candles of a dump, and the days that are not whole.

    A whole day has a sound candle for each step of the interval, in order and once,
    from the first candle of the symbol on.

    Args:
        data: the zip archive.
        dump: the name of the dump, of an interval up to 1d.
        start: the first open time (ms) asked for.
        end: the first open time (ms) no longer asked for. All days are counted,
            whatever is asked for.
        listed: the time (ms) at which trading began, if known.

    Raises:
        BadRecording: the archive is no sound dump of this name. The text begins with
            the archive's name.
    """
    table = _text(data, dump).splitlines()
    if table and not lines.recognises(table[0]):
        if not table[0].startswith(b"open_time,"):
            raise BadRecording(f"{dump.name}: line 1 is neither a header nor a candle")
        del table[0]
    found = _Found(dump)
    for at in range(0, len(table), _BLOCK):
        found.add(table[at : at + _BLOCK])
    return found.judged(start, end, listed)


def excerpt(data: bytes, dump: Dump, start: int, end: int) -> list[Candle]:
    """Return some candles of whole days, faster than `content`: nothing is counted.

    Args:
        data: the zip archive.
        dump: the name of the dump.
        start: the first open time (ms) asked for, from the year 2001 on.
        end: the first open time (ms) no longer asked for, before the year 2286.

    Raises:
        BadRecording: as from `content`, or a day that was asked for is not whole.
    """
    # Microseconds have three more digits behind the same first digits.
    low, high = b"%d" % start, b"%d" % end
    digits = len(low)
    text = b"\n" + _text(data, dump)
    first, last = text.find(b"\n" + low), text.find(b"\n" + high)
    if 0 <= first < last:  # mostly: other lines are not even looked at
        text = text[first:last]
    table = [line for line in text.splitlines() if low <= line[:digits] < high]
    found = _Found(dump)
    found.add(table)
    candles = found.all()
    if len(candles) < len(table):
        raise BadRecording(f"{dump.name}: the days asked for are not whole")
    return candles


def _text(data: bytes, dump: Dump) -> bytes:
    """Return the lines of a dump.

    Raises:
        BadRecording: the archive is no dump of this name.
    """
    member, pieces = only_member(data, dump.name)
    if member != dump.member:
        raise BadRecording(f"{dump.name}: the archive holds {member}")
    return b"".join(pieces)


class _Found:
    """The candles found in a dump, by days."""

    def __init__(self, dump: Dump) -> None:
        self._dump = dump
        """The name of the dump."""
        self._days: dict[int, list[Candle]] = {day: [] for day in dump.days}
        """The candles by the first millisecond of the UTC day, as found."""
        self._faults: dict[int, str] = {}
        """What is wrong with a line of a day."""
        self._last = -1
        """The open time (ms) of the last line."""
        self._micro = False
        """Whether times are in microseconds."""

    def add(self, block: Sequence[bytes]) -> None:
        """Add the candles of some lines.

        Raises:
            BadRecording: a line tells no time, or a time of another day or month.
        """
        if not block:
            return
        candles = lines.decode_block(b"\n".join(block), self._dump.stream)
        if candles is None:
            for candle in self._singly(block):
                self._day(candle.open_time).append(candle)
            return
        for candle in candles:
            self._follow(candle.open_time)
            self._day(candle.open_time).append(candle)

    def _singly(self, block: Sequence[bytes]) -> Iterator[Candle]:
        """Yield the candles of lines, line by line; note the days of other lines."""
        for line in block:
            first = line.partition(b",")[0]
            if not (first.isdigit() and len(first) < 20):
                raise BadRecording(f"{self._dump.name}: a line begins without a time")
            time = int(first)
            if time > LAST_TIME:
                self._micro = True
                time, line = time // 1000, _milliseconds(line)
            self._day(time)
            self._follow(time)
            try:
                yield lines.decode(line, self._dump.stream)
            except BadRecording as error:
                self._faults[time - time % DAY] = str(error)

    def _follow(self, time: int) -> None:
        """Note the days of two lines in a row that are not in order.

        The lines of a whole day are therefore one block, which `excerpt` relies on.
        """
        if time <= self._last:
            for one in (time, self._last):
                self._faults.setdefault(one - one % DAY, "twice or out of order")
        self._last = time

    def _day(self, time: int) -> list[Candle]:
        """Return the candles of the day of a time (ms)."""
        day = self._days.get(time - time % DAY)
        if day is None:
            raise BadRecording(
                f"{self._dump.name}: a candle opens at {time}, outside of the dump"
            )
        return day

    def all(self) -> list[Candle]:
        """Return all candles, day by day."""
        return [candle for day in self._days.values() for candle in day]

    def judged(self, start: int, end: int, listed: int | None) -> Content:
        """Return the candles of whole days, and the days that are not whole."""
        candles: list[Candle] = []
        lacking: dict[int, str] = {}
        interval = self._dump.stream.interval
        begun = 0 if listed is None else interval.floor(listed)
        for day, found in self._days.items():
            fault = self._faults.get(day) or self._miscount(day, found, begun)
            if fault is not None:
                lacking[day] = fault
            elif start < day + DAY and day < end:
                candles += [one for one in found if start <= one.open_time < end]
        return Content(candles, lacking, self._micro)

    def _miscount(self, day: int, found: Sequence[Candle], begun: int) -> str | None:
        """Return why the candles are not those of a whole day, or None if they are.

        Args:
            day: the first millisecond of the day.
            found: the candles of the day, as found.
            begun: the open time (ms) of the symbol's first candle.
        """
        length = self._dump.stream.interval.length
        assert length is not None  # noqa: S101 - the interval is up to 1d
        opened = [candle.open_time for candle in found]
        first = opened[0] if opened and opened[0] < begun else max(day, begun)
        due = range(first, day + DAY, length)
        if opened == [*due]:
            return None
        if not opened:
            return "no candle"
        return f"{len(opened):,} of {len(due):,} candles"


def _milliseconds(line: bytes) -> bytes:
    """Return a line with its two times in milliseconds in place of microseconds."""
    fields = line.split(b",")
    for number in (0, 6):
        if number < len(fields) and fields[number].isdigit():
            fields[number] = b"%d" % (int(fields[number][:19]) // 1000)
    return b",".join(fields)
