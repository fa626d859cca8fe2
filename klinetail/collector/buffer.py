"""Buffer: the latest candles of each stream, to look at from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

from klinetail.candle import Candle, Stream
from klinetail.contract.series import Series
from klinetail.errors import UsageError

Default = TypeVar("Default")


class Buffer(Mapping[Stream, tuple[Candle, ...]]):
    """A read-only view: closed candles, oldest first, then at most one forming.

    A stream can be asked for by its name too, `buffer["btcusdt@1m"]`.
    """

    def __init__(self, series: Mapping[Stream, Series], lock: threading.RLock) -> None:
        self._series = series
        self._lock = lock

    def __getitem__(self, stream: Stream | str) -> tuple[Candle, ...]:
        """The candles of a stream.

        Raises:
            KeyError: the stream is not followed, or nothing can be called so.
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
        """The candles of a stream, or `default` if it is not followed."""
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
