"""The worth of an answer's rows: possible candles of the stream, and bad rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from klinetail.candle import Candle, Stream
from klinetail.clock import Moment
from klinetail.contract.grid import Grid
from klinetail.contract.output import Output, bad
from klinetail.protocol.klines import BadRow, Row


def sort_out(
    rows: Sequence[Row], grid: Grid, now: Moment
) -> tuple[list[Candle], list[BadRow]]:
    """Return the possible candles among the rows, and the bad rows.

    Args:
        rows: the rows of one answer, as read.
        grid: the open times of the stream.
        now: the time of the answer's arrival.

    Returns:
        Both lists in the order of the answer. A bad row has the open time of the candle
        that the row stands for, or None if nobody can tell.
    """
    sound: list[Candle] = []
    unsound: list[BadRow] = []
    latest = now.exchange + grid.longest
    for row in rows:
        time = row.open_time
        if isinstance(row, BadRow):
            place = time if time is None or time <= latest else None
            unsound.append(BadRow(place, row.reason, row.sample))
        elif row.open_time > latest:
            unsound.append(BadRow(None, f"{time} opens in the future"))
        elif grid.amid(row.open_time):
            place = grid.floor(row.open_time)
            unsound.append(BadRow(place, f"{time} opens amid other candles"))
        else:
            sound.append(row)
    return sound, unsound


class BadRows:
    """The candles whose bad rows were announced: each candle is announced once.

    Args:
        stream: the stream of the rows.
    """

    __slots__ = ("_stream", "_told")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._told: frozenset[int] = frozenset()
        """Open times (ms) of the candles."""

    def __len__(self) -> int:
        return len(self._told)

    def tell(
        self, rows: Sequence[BadRow], expected: int, out: list[Output]
    ) -> dict[int, str | None]:
        """Announce the bad rows of an answer.

        Args:
            rows: the bad rows.
            expected: open time (ms) of the awaited candle. Rows of earlier ones are of
                no concern, and rows of nobody knows which candle are put down to it.
            out: the announcements are added here.

        Returns:
            What is wrong with the rows that stand for a candle, by open time.
        """
        places: dict[int, str | None] = {}
        for row in rows:
            time = expected if row.open_time is None else row.open_time
            if time < expected:
                continue
            if row.open_time is not None:
                places[time] = row.reason
            if time not in self._told:
                self._told |= {time}
                sample = f": {row.sample}" if row.sample else ""
                out.append(bad(self._stream, f"a bad row: {row.reason}{sample}"))
        return places

    def forget(self, until: int) -> None:
        """Candles that open before `until` (ms) are awaited no more."""
        if self._told:
            self._told = frozenset(time for time in self._told if time >= until)
