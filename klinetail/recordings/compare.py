"""Comparison: tells whether a recording is of the exchange that is followed. Pure.

The prices of the simulated exchange, the testnet and the live exchange differ. The last
candles of a recording are compared with the rows of the exchange before the recording
goes on, so that no file ever mixes two markets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from klinetail.candle import Candle, Stream
from klinetail.events import GapEvent

STREAMS: Final = 3
"""Streams that are compared at most."""

CANDLES: Final = 3
"""Candles of a stream that are compared at most. With so many candles compared and none
alike, the recording is of another market."""


class Difference(NamedTuple):
    """A candle whose values differ."""

    recorded: Candle
    """The candle in the recording."""
    asked: Candle
    """The candle as the exchange shows it now."""


class Comparison:
    """Compares the last candles of a recording with the exchange's.

    Args:
        latest: by stream, the last closed candles of the recording, oldest first.
    """

    def __init__(self, latest: Mapping[Stream, Sequence[Candle]]) -> None:
        chosen = sorted(latest, key=lambda stream: -len(latest[stream]))[:STREAMS]
        samples = {stream: latest[stream][-CANDLES:] for stream in chosen}
        self.starts = {
            stream: candles[0].open_time
            for stream, candles in samples.items()
            if candles
        }
        """The open time (ms) of the first compared candle, by stream."""
        self.compared = 0
        """The candles compared so far."""
        self.differences: list[Difference] = []
        """The compared candles whose values differ."""
        self._alike = 0
        """The compared candles with equal open, high, low and close."""
        self._pending = {
            (stream, candle.open_time): candle
            for stream, candles in samples.items()
            for candle in candles
        }
        """The candles not compared yet, by stream and open time."""

    @property
    def decided(self) -> bool:
        """Whether no candle is left to compare."""
        return not self._pending

    @property
    def foreign(self) -> Difference | None:
        """A difference, if the recording is of another market; else None."""
        if self.compared >= CANDLES and not self._alike:
            return self.differences[-1]
        return None

    def see(self, record: Candle | GapEvent) -> None:
        """Take a row of the exchange, or the news that the exchange lacks rows.

        The rows of a stream come in order, hence a later row shows that the exchange
        lacks the earlier candles.
        """
        if isinstance(record, GapEvent):
            self._forget_before(record.stream, record.end)
            return
        recorded = self._pending.pop((record.stream, record.open_time), None)
        if recorded is not None:
            self.compared += 1
            self._alike += _alike(recorded, record)
            if not recorded.same_values(record):
                self.differences.append(Difference(recorded, record))
        self._forget_before(record.stream, record.open_time)

    def _forget_before(self, stream: Stream, time: int) -> None:
        """Stop waiting for candles of a stream that open before `time` (ms)."""
        for key in [key for key in self._pending if key[0] == stream and key[1] < time]:
            del self._pending[key]


def _alike(one: Candle, other: Candle) -> bool:
    """Return whether open, high, low and close are equal as numbers."""
    return (one.open, one.high, one.low, one.close) == (
        other.open,
        other.high,
        other.low,
        other.close,
    )
