"""Cursor: the place in a recording from which each stream goes on. Pure.

The recording itself is the only memory of its progress: the last closed candle of each
stream is searched for from the end of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from klinetail.candle import Candle, Stream
from klinetail.errors import BadRecording
from klinetail.formats import Reader
from klinetail.recordings.compare import CANDLES, STREAMS

SEARCHED: Final = 1 << 30
"""Bytes of text that are searched at most. A stream that is not found there begins as
new."""

_A_BIT_MORE: Final = 1 << 20
"""Bytes that are searched for more candles to compare, once every stream is found."""


class BadTail(BadRecording):
    """A line near the end of a recording holds no candle, or is out of order.

    Args:
        reason: why, in words.
        lines: the number of lines from the faulty line to the end, both included.
    """

    def __init__(self, reason: str, lines: int) -> None:
        super().__init__(reason)
        self.lines = lines
        """The number of lines from the faulty line to the end, both included."""


class Tail:
    """What the end of a recording tells."""

    def __init__(self) -> None:
        self.latest: dict[Stream, list[Candle]] = {}
        """By stream, the last closed candles, oldest first."""
        self.forming = False
        """Whether the searched part holds forming candles."""
        self.begins = True
        """Whether the search reached the beginning of the recording."""
        self.lines = 0
        """The number of lines searched."""

    def points(self) -> dict[Stream, int]:
        """Return by stream the open time (ms) of the first candle missing."""
        return {
            stream: candles[-1].close_time + 1
            for stream, candles in self.latest.items()
        }


def read_tail(
    pieces: Iterable[bytes],
    form: Reader,
    wanted: Collection[Stream],
    *,
    most: int = SEARCHED,
) -> Tail:
    """Return what the end of a recording tells about the wanted streams.

    Args:
        pieces: the text of the recording in pieces of any size, the last piece first.
            The text consists of whole lines.
        form: the format of the recording.
        wanted: the streams to search for.
        most: bytes to search at most.

    Raises:
        BadTail: a searched line holds no candle, or the closed candles of a stream are
            not in order.
    """
    tail = Tail()
    search = _Search(tail, form.decoder(None), wanted)
    header = form.HEADER.rstrip()
    seen = 0
    for line in lines_backwards(pieces):
        tail.lines += 1
        seen += len(line) + 1
        line = line.strip(b" \t\r\n")
        if not line or (header and line.startswith(header)):
            continue
        search.take(line)
        if search.done(seen) or seen >= most:
            tail.begins = False
            break
    for candles in tail.latest.values():
        candles.reverse()
    return tail


class _Search:
    """Collects the candles of a search from the end."""

    def __init__(
        self, tail: Tail, decode: Callable[[bytes], Candle], wanted: Collection[Stream]
    ) -> None:
        self._tail = tail
        """What was found."""
        self._decode = decode
        """Makes a candle of a line."""
        self._missing = set(wanted)
        """The wanted streams not found yet."""
        self._few = 0
        """The streams found with enough candles to compare."""
        self._found_at = 0
        """Where every wanted stream was found, in bytes from the end; 0 before."""
        self._enough = min(STREAMS, len(self._missing))
        """The streams that need enough candles to compare."""
        self._oldest: dict[Stream, int] = {}
        """By stream, the open time (ms) of the oldest closed candle seen."""

    def take(self, line: bytes) -> None:
        """Take the line before the lines taken so far.

        Raises:
            BadTail: the line holds no candle, or the candle is out of order.
        """
        tail = self._tail
        try:
            candle = self._decode(line)
        except BadRecording as error:
            raise BadTail(str(error), tail.lines) from None
        if not candle.closed:
            tail.forming = True
            return
        stream, time = candle.stream, candle.open_time
        oldest = self._oldest.get(stream)
        if oldest is not None and time >= oldest:
            what = "is there twice" if time == oldest else "is out of order"
            raise BadTail(f"the candle {time} of {stream} {what}", tail.lines)
        self._oldest[stream] = time
        latest = tail.latest.setdefault(stream, [])
        if len(latest) < CANDLES:
            latest.append(candle)
            self._few += len(latest) == CANDLES
        self._missing.discard(stream)

    def done(self, seen: int) -> bool:
        """Return whether nothing more has to be found.

        Args:
            seen: bytes searched so far.
        """
        if self._missing:
            return False
        self._found_at = self._found_at or seen
        return self._few >= self._enough or seen - self._found_at >= _A_BIT_MORE


def lines_backwards(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a text from the last line to the first, without line breaks.

    Args:
        pieces: the text in pieces of any size, the last piece first; the text ends with
            a line break, or is empty.
    """
    parts: list[bytes] = []
    """The pieces of the line that is not complete yet, the last piece first."""
    begun = False
    for piece in pieces:
        if not piece:
            continue
        if not begun:
            piece, begun = piece.removesuffix(b"\n"), True
        *before, last = piece.split(b"\n")
        parts.append(last)
        if before:
            yield b"".join(reversed(parts))
            first, *middle = before
            yield from reversed(middle)
            parts = [first]
    if begun:
        yield b"".join(reversed(parts))
