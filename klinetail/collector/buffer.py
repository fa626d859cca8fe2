"""Buffer: the latest candles of each stream, to look at from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from klinetail.candle import Candle, Stream
from klinetail.contract.series import Series


class Buffer(Mapping[Stream, tuple[Candle, ...]]):
    """A read-only view: closed candles, oldest first, then at most one forming."""

    def __init__(self, series: Mapping[Stream, Series], lock: threading.RLock) -> None:
        self._series = series
        self._lock = lock

    def __getitem__(self, stream: Stream) -> tuple[Candle, ...]:
        series = self._series[stream]
        with self._lock:
            forming = () if series.forming is None else (series.forming,)
            return (*series.closed, *forming)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)
