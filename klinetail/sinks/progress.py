"""The progress of a file that is written: what is in the file, and what is surely on
the disk. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from klinetail.candle import Candle, Stream


class Progress:
    """Counts the candles in a file, and knows where each stream goes on.

    A sync confirms everything written before the sync. A failed sync takes everything
    since the last good sync back.

    Args:
        name: the name of the file.
    """

    def __init__(self, name: str) -> None:
        self.written = 0
        """The number of candles written in the run."""
        self.size = 0
        """The size of the file (bytes) at the last good sync."""
        self._name = name
        """The name of the file."""
        self._parts: list[tuple[str, int]] = []
        """The names and candles of files that were moved away in the run."""
        self._reached: dict[Stream, int] = {}
        """By stream, the open time (ms) of the first candle missing in the file."""
        self._unsynced: dict[Stream, int] = {}
        """By stream written since the last good sync, the open time of the first candle
        missing then."""
        self._confirmed = 0
        """The number of candles written at the last good sync."""

    @property
    def unsynced(self) -> bool:
        """Whether closed candles were written since the last good sync."""
        return bool(self._unsynced)

    def add(self, candles: Collection[Candle]) -> None:
        """Note that candles are in the file."""
        self.written += len(candles)
        for candle in candles:
            if candle.closed:
                stream = candle.stream
                before = self._reached.get(stream, candle.open_time)
                self._unsynced.setdefault(stream, before)
                self._reached[stream] = candle.close_time + 1

    def confirm(self, size: int) -> None:
        """Note a good sync.

        Args:
            size: the size of the file, bytes.
        """
        self.size, self._confirmed = size, self.written
        self._unsynced.clear()

    def take_back(self) -> None:
        """Note a failed sync: nothing since the last good sync is believed."""
        self.written = self._confirmed
        self._reached.update(self._unsynced)
        self._unsynced.clear()

    def replace(self, points: Mapping[Stream, int]) -> None:
        """Note that another recording has taken the place of the file.

        Args:
            points: by stream, the open time (ms) of the first candle missing there.
        """
        self._reached.update(points)

    def move(self, name: str) -> None:
        """Note that the file has another name now, and that a new file begins."""
        self._parts.append((name, self._in_this_file()))

    def begin_anew(self) -> None:
        """Note that the file is empty now, or is another file."""
        self.confirm(0)

    def streams(self) -> list[Stream]:
        """Return the streams written in the run."""
        return [*self._reached]

    def points(self, streams: Iterable[Stream]) -> dict[Stream, int]:
        """Return by stream the open time (ms) of the first candle missing, as far as
        the run knows."""
        reached = self._reached
        return {stream: reached[stream] for stream in streams if stream in reached}

    def wrote(self) -> list[tuple[str, int]]:
        """Return the names of the files, with the candles written to each."""
        return [*self._parts, (self._name, self._in_this_file())]

    def _in_this_file(self) -> int:
        return self.written - sum(count for _, count in self._parts)
