"""Buffer: the latest candles of each stream, readable from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

from klinetail.candle import Candle, Stream
from klinetail.contract.series import Series
from klinetail.errors import UsageError

Default = TypeVar("Default")


class Buffer(Mapping[Stream, tuple[Candle, ...]]):
    """A read-only view: closed candles, oldest first, then at most one forming candle.

    The key is a stream or the name of a stream: `buffer["btcusdt@1m"]`.

    Args:
        series: the series of each stream.
        lock: the lock of the collector.
    """

    def __init__(self, series: Mapping[Stream, Series], lock: threading.RLock) -> None:
        self._series = series
        """The series of each stream."""
        self._lock = lock
        """The lock of the collector."""

    def __getitem__(self, stream: Stream | str) -> tuple[Candle, ...]:
        """Return the candles of a stream.

        Raises:
            KeyError: the stream is not followed, or the name is no name of a stream.
        """
        series = self._found(stream)
        if series is None:
            raise KeyError(f"{stream!s:.60} is not followed")
        with self._lock:
            forming = () if series.forming is None else (series.forming,)
            return (*series.closed, *forming)

    def __contains__(self, stream: object) -> bool:
        return self._found(stream) is not None

    @overload
    def get(self, stream: Stream | str, /) -> tuple[Candle, ...] | None: ...

    @overload
    def get(
        self, stream: Stream | str, /, default: tuple[Candle, ...] | Default
    ) -> tuple[Candle, ...] | Default: ...

    def get(self, stream: Stream | str, /, default: object = None) -> object:
        """Return the candles of a stream, or `default` if the stream is not
        followed."""
        try:
            return self[stream]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def _found(self, stream: object) -> Series | None:
        if isinstance(stream, str):
            try:
                stream = Stream.parse(stream)
            except UsageError:
                return None
        return self._series.get(stream) if isinstance(stream, Stream) else None
