"""Salvage: the last candles of a damaged recording, whatever else the file holds.

A damaged recording is never written to. A new file can still go on after the last
candles that can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from klinetail.candle import Candle, Stream
from klinetail.errors import BadRecording, UsageError
from klinetail.formats import reader_of
from klinetail.formats.registry import readers
from klinetail.recordings.compare import CANDLES
from klinetail.recordings.cursor import Tail
from klinetail.recordings.open import opened
from klinetail.recordings.read import blocks
from klinetail.recordings.tail import tail_of

_BOM = b"\xef\xbb\xbf"


def last_candles(path: str, wanted: Collection[Stream]) -> tuple[Tail, int]:
    """Return what a recording tells about some streams, and the number of lines that
    hold no candle.

    A recording that can go on is read from the end, any other from the beginning.

    Args:
        path: the path of a recording.
        wanted: the streams to look for.

    Raises:
        UsageError: the file cannot be read, or holds no candle.
    """
    try:
        return tail_of(path, wanted), 0
    except UsageError as error:
        tail, bad = _salvaged(path)
        if not tail.latest:
            raise UsageError(str(error)) from None
        return tail, bad


def _salvaged(path: str) -> tuple[Tail, int]:
    """Return the last candles of each stream by open time, and the number of lines that
    hold no candle."""
    headers = tuple(h for form in readers().values() if (h := form.HEADER.rstrip()))
    latest: dict[Stream, dict[int, Candle]] = {}
    decode: Callable[[bytes], Candle] | None = None
    bad = 0
    try:
        with opened(path) as file:
            for block in blocks(file):
                for line in block.split(b"\n"):
                    line = line.removeprefix(_BOM).strip(b" \t\r\n\0")
                    if not line or line.startswith(headers):
                        continue
                    try:
                        if decode is None and (form := reader_of(line)) is not None:
                            decode = form.decoder(file.path)
                        if decode is None:
                            raise BadRecording("no candle")
                        _keep(latest, decode(line))
                    except BadRecording:
                        bad += 1
    except BadRecording:
        bad += 1  # a torn or damaged frame: what is whole was read
    tail = Tail()
    tail.latest = {
        stream: [candles[time] for time in sorted(candles)]
        for stream, candles in latest.items()
    }
    return tail, bad


def _keep(latest: dict[Stream, dict[int, Candle]], candle: Candle) -> None:
    """Keep a closed candle if it is one of the last of its stream."""
    if candle.closed:
        kept = latest.setdefault(candle.stream, {})
        kept[candle.open_time] = candle
        if len(kept) > CANDLES:
            del kept[min(kept)]
